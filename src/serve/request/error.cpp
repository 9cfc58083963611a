#include "serve/request/error.h"

#include "base/json.h"

namespace tashika::serve {

ErrorStyle error_style(std::string_view path) {
  if (path.starts_with("/v1/messages")) return ErrorStyle::anthropic;
  return path.starts_with("/api/") ? ErrorStyle::ollama : ErrorStyle::openai;
}

std::string error_type(int status, ErrorStyle style) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return style == ErrorStyle::anthropic ? "request_too_large" : "invalid_request_error";
    case 429: return style == ErrorStyle::anthropic ? "rate_limit_error" : "rate_limit_exceeded";
    case 503: return style == ErrorStyle::anthropic ? "overloaded_error" : "unavailable_error";
    default: break;
  }
  if (status < 500) return "invalid_request_error";
  return style == ErrorStyle::anthropic ? "api_error" : "server_error";
}

std::string error_body(ErrorStyle style, int status, std::string_view message, std::string_view param, std::string_view code) {
  Json out;
  if (style == ErrorStyle::ollama) {
    out.set("error", message);
    return dump_json(out);
  }
  Json error;
  error.set("message", message);
  error.set("type", error_type(status, style));
  if (style == ErrorStyle::anthropic) {
    out.set("type", "error");
  } else {
    error.set("param", param.empty() ? Json() : Json(param));
    error.set("code", code.empty() ? Json() : Json(code));
  }
  out.set("error", std::move(error));
  return dump_json(out);
}

Reply error_reply(ErrorStyle style, const ApiError& error) {
  return {error.status(), "application/json", error_body(style, error.status(), error.message(), error.param(), error.code()), error.headers};
}

ApiError api_error(ErrorKind kind, std::string_view message) {
  return ApiError(kind == ErrorKind::internal ? 500 : kind == ErrorKind::cancelled ? 503 : 400, std::string(message));
}

}  // namespace tashika::serve
