// An error as a client sees it: an HTTP status, and what OpenAI's clients expect to read.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "base/error.h"
#include "serve/wire/http.h"

namespace tashika::serve {

class ApiError : public std::exception {
 public:
  ApiError(int status, std::string message, std::string param = {}, std::string code = {})
      : status_(status), message_(std::move(message)), param_(std::move(param)), code_(std::move(code)) {}
  const char* what() const noexcept override { return message_.c_str(); }
  int status() const { return status_; }
  const std::string& message() const { return message_; }
  const std::string& param() const { return param_; }
  const std::string& code() const { return code_; }
  Headers headers;

 private:
  int status_;
  std::string message_, param_, code_;
};

// How a surface words its errors.
enum class ErrorStyle {
  openai,     // {"error": {"message", "type", "param", "code"}}
  anthropic,  // {"type": "error", "error": {"type", "message"}}
  ollama,     // {"error": "message"}
};
ErrorStyle error_style(std::string_view path);

std::string error_type(int status, ErrorStyle style);
std::string error_body(ErrorStyle style, int status, std::string_view message, std::string_view param = {}, std::string_view code = {});
Reply error_reply(ErrorStyle style, const ApiError& error);
// Of the engine's own errors: what a request causes is 400, a bug of ours 500.
ApiError api_error(ErrorKind kind, std::string_view message);

}  // namespace tashika::serve
