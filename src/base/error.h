// Errors: the one exception type for anything a user, a file or a request can cause.
//
// Nothing that comes from outside may end the process any other way: parsers, options and model
// loading throw `Error`; the program's entry points catch it and turn it into a message and an
// exit code. A broken invariant of our own code is `CHECK`: it throws `Error` of kind `internal`.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>

namespace tashika {

enum class ErrorKind {
  input,      // a file, a model or data is wrong: exit code 1
  usage,      // the command line or the call is wrong, seen without opening anything: exit code 2
  limit,      // a budget (memory, context, depth, time) would be passed: exit code 1
  cancelled,  // the user interrupted: exit code 130
  internal,   // a bug of ours: exit code 1
};

class Error : public std::exception {
 public:
  explicit Error(std::string message, ErrorKind kind = ErrorKind::input);
  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& message() const { return message_; }
  ErrorKind kind() const { return kind_; }

 private:
  std::string message_;
  ErrorKind kind_;
};

namespace detail {
inline void append(std::string& out, std::string_view s) {
  out.append(s);
}
inline void append(std::string& out, const char* s) {
  out.append(s);
}
inline void append(std::string& out, char c) {
  out.push_back(c);
}
inline void append(std::string& out, bool b) {
  out.append(b ? "true" : "false");
}
template <typename T>
requires(std::is_arithmetic_v<T> && !std::same_as<T, bool> && !std::same_as<T, char>) void append(std::string& out,
                                                                                                  T value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, end.ptr);
}
}  // namespace detail

// The arguments written one after the other: cat("row ", 3, " of ", name).
template <typename... Args>
std::string cat(const Args&... args) {
  std::string out;
  (detail::append(out, args), ...);
  return out;
}

// Text from outside as a message may show it: control characters, DEL and bytes that are no UTF-8 become \xNN (a name
// in a file must not move the terminal's cursor), and what is longer than `limit` bytes ends in "…".
std::string printable(std::string_view text, std::size_t limit = 120);

[[noreturn]] void fail_with(ErrorKind kind, std::string message);

// Throws Error(input) with the arguments concatenated.
template <typename... Args>
[[noreturn]] void fail(const Args&... args) {
  fail_with(ErrorKind::input, cat(args...));
}

// Programmer errors: throws Error(internal) with the message when `ok` is false.
void check(bool ok, const char* what);

}  // namespace tashika
