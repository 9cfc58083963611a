#include "base/json_cursor.h"

#include "base/error.h"
#include "base/utf8.h"

namespace tashika {

namespace {
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
}  // namespace

void JsonCursor::fail_here(std::string_view problem) const {
  fail(what_, ": ", problem, " at byte ", at_);
}

void JsonCursor::skip_space() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
    ++at_;
  }
}

char JsonCursor::peek() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

void JsonCursor::expect(char c) {
  if (peek() == c && at_ < text_.size()) {
    ++at_;
    return;
  }
  fail_here(at_ == text_.size() ? cat("the JSON text ends where '", c, "' should be") : cat("expected '", c, "'"));
}

void JsonCursor::open(char kind) {
  expect(kind);
  if (levels_.size() == depth_) fail_here(cat("more than ", depth_, " levels of nesting"));
  levels_.push_back({kind, true});
}

bool JsonCursor::next(char kind) {
  check(!levels_.empty() && levels_.back().kind == kind, "JsonCursor: not inside this kind of value");
  const char close = kind == '{' ? '}' : ']';
  if (peek() == close) {
    ++at_;
    levels_.pop_back();
    return false;
  }
  if (!levels_.back().first) expect(',');
  levels_.back().first = false;
  return true;
}

void JsonCursor::begin_object() {
  open('{');
}
void JsonCursor::begin_array() {
  open('[');
}

bool JsonCursor::next_member() {
  if (!next('{')) return false;
  key_ = read_string(key_buffer_);
  expect(':');
  return true;
}

bool JsonCursor::next_element() {
  return next('[');
}

std::string_view JsonCursor::string() {
  return read_string(buffer_);
}

std::string_view JsonCursor::read_string(std::string& buffer) {
  if (peek() != '"') fail_here("expected a string");
  const std::size_t begin = ++at_;
  bool escaped = false;
  std::size_t from = begin;  // start of what is not yet in the buffer
  while (true) {
    if (at_ == text_.size()) fail_here("a string has no end");
    const char c = text_[at_];
    if (c == '"') break;
    if (static_cast<unsigned char>(c) < 0x20) fail_here("a control character in a string");
    if (c == '\\') {
      if (!escaped) buffer.clear();
      escaped = true;
      buffer.append(text_.substr(from, at_ - from));
      read_escape(buffer);
      from = at_;
    } else if (static_cast<unsigned char>(c) < 0x80) {
      ++at_;
    } else {
      const Utf8Char decoded = decode_utf8(text_, at_);
      if (!decoded.valid) fail_here("invalid UTF-8");
      at_ += static_cast<std::size_t>(decoded.size);
    }
  }
  const std::string_view tail = text_.substr(from, at_ - from);
  ++at_;
  if (!escaped) return tail;
  buffer.append(tail);
  return buffer;
}

unsigned JsonCursor::read_hex4() {
  unsigned value = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    if (is_digit(c)) {
      value = value * 16 + static_cast<unsigned>(c - '0');
    } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
      value = value * 16 + static_cast<unsigned>((c | 32) - 'a' + 10);
    } else {
      fail_here("an incomplete \\u escape");
    }
  }
  return value;
}

void JsonCursor::read_escape(std::string& buffer) {
  ++at_;
  const char c = at_ < text_.size() ? text_[at_] : '\0';
  ++at_;
  switch (c) {
    case '"':
    case '\\':
    case '/':
      buffer += c;
      return;
    case 'b':
      buffer += '\b';
      return;
    case 'f':
      buffer += '\f';
      return;
    case 'n':
      buffer += '\n';
      return;
    case 'r':
      buffer += '\r';
      return;
    case 't':
      buffer += '\t';
      return;
    case 'u':
      break;
    default:
      --at_;
      fail_here("an unknown escape");
  }
  unsigned code = read_hex4();
  if (code >= 0xDC00 && code <= 0xDFFF) fail_here("half a surrogate pair");
  if (code >= 0xD800 && code <= 0xDBFF) {
    if (text_.substr(at_, 2) != "\\u") fail_here("half a surrogate pair");
    at_ += 2;
    const unsigned low = read_hex4();
    if (low < 0xDC00 || low > 0xDFFF) fail_here("half a surrogate pair");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(buffer, code);
}

std::uint64_t JsonCursor::unsigned_integer() {
  if (!is_digit(peek())) fail_here("expected a whole number of at least 0");
  const std::size_t begin = at_;
  std::uint64_t value = 0;
  for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) {
    if (__builtin_mul_overflow(value, std::uint64_t{10}, &value) ||
        __builtin_add_overflow(value, static_cast<std::uint64_t>(text_[at_] - '0'), &value)) {
      fail_here("a number beyond 2^64");
    }
  }
  if (text_[begin] == '0' && at_ - begin > 1) fail_here("a number with a leading zero");
  if (at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E')) {
    fail_here("expected a whole number of at least 0");
  }
  return value;
}

void JsonCursor::skip_number() {
  const auto digits = [this] {
    if (at_ == text_.size() || !is_digit(text_[at_])) fail_here("an incomplete number");
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  };
  const auto take = [this](std::string_view any) {
    const bool found = at_ < text_.size() && any.find(text_[at_]) != any.npos;
    at_ += found;
    return found;
  };
  take("-");
  if (!take("0")) digits();
  if (take(".")) digits();
  if (take("eE")) {
    take("+-");
    digits();
  }
}

void JsonCursor::skip_word() {
  for (const std::string_view word : {"true", "false", "null"}) {
    if (text_.substr(at_).starts_with(word)) {
      at_ += word.size();
      return;
    }
  }
  fail_here(at_ == text_.size() ? "the JSON text ends where a value should be" : "expected a value");
}

void JsonCursor::skip_value() {
  const std::size_t outside = levels_.size();
  while (true) {
    const char c = peek();
    if (c == '{' || c == '[') {
      open(c);
    } else if (c == '"') {
      read_string(buffer_);
    } else if (c == '-' || is_digit(c)) {
      skip_number();
    } else {
      skip_word();
    }
    while (levels_.size() > outside) {
      if (levels_.back().kind == '{' ? next_member() : next_element()) break;
    }
    if (levels_.size() == outside) return;
  }
}

void JsonCursor::finish() {
  skip_space();
  if (at_ != text_.size()) fail_here("more text after the JSON value");
}

}  // namespace tashika
