#include "text/assistant_parser.h"

#include <algorithm>
#include <optional>

#include "base/error.h"

namespace tashika {
namespace {

using Calls = AssistantFormat::Calls;
using Kind = AssistantPiece::Kind;
constexpr std::string_view blanks = " \t\r\n";

// Bytes at the end of `text` that may be the beginning of `mark`.
std::size_t partial(std::string_view text, std::string_view mark) {
  for (std::size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n) {
    if (text.ends_with(mark.substr(0, n))) return n;
  }
  return 0;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::optional<Json> read_json(std::string_view text) {
  try {
    return parse_json(text, "call");
  } catch (const Error&) {
    return std::nullopt;
  }
}

// {"name": …, "arguments" or "parameters": {…}}, also inside "function".
bool call_of(const Json& value, std::vector<AssistantPiece>& out) {
  const Json& inner = value["function"].is_object() ? value["function"] : value;
  const Json& name = inner["name"];
  const Json& given = inner.contains("arguments") ? inner["arguments"] : inner["parameters"];
  if (!name.is_string() || name.as_string().empty()) return false;
  Json arguments = given;
  if (given.is_string()) {
    const std::optional<Json> parsed = read_json(given.as_string());
    if (!parsed) return false;
    arguments = *parsed;
  }
  if (arguments.is_null()) arguments = JsonObject();
  if (!arguments.is_object()) return false;
  out.push_back({Kind::call, dump_json(arguments, JsonStyle::python), name.as_string()});
  return true;
}

bool calls_of(const Json& value, std::vector<AssistantPiece>& out) {
  if (!value.is_array()) return call_of(value, out);
  std::vector<AssistantPiece> calls;
  for (const Json& one : value.as_array()) {
    if (!call_of(one, calls)) return false;
  }
  if (calls.empty()) return false;
  out.insert(out.end(), calls.begin(), calls.end());
  return true;
}

// The type that a tool's schema gives a parameter.
std::string parameter_type(const Json& tools, std::string_view function, std::string_view parameter) {
  if (!tools.is_array()) return {};
  for (const Json& tool : tools.as_array()) {
    const Json& f = tool["function"].is_object() ? tool["function"] : tool;
    if (f["name"] != Json(function)) continue;
    const Json& type = f["parameters"]["properties"][parameter]["type"];
    return type.is_string() ? type.as_string() : std::string();
  }
  return {};
}

// <function=NAME> <parameter=KEY> VALUE </parameter> … </function>
bool function_of(std::string_view text, const Json& tools, std::vector<AssistantPiece>& out) {
  text = trim(text);
  constexpr std::string_view open = "<function=", close = "</function>", key_open = "<parameter=", key_close = "</parameter>";
  if (!text.starts_with(open) || !text.ends_with(close)) return false;
  const std::size_t end = text.find('>');
  const std::string name(trim(text.substr(open.size(), end - open.size())));
  std::string_view rest = text.substr(end + 1, text.size() - end - 1 - close.size());
  Json arguments = JsonObject();
  for (rest = trim(rest); !rest.empty(); rest = trim(rest)) {
    if (!rest.starts_with(key_open)) return false;
    const std::size_t key_end = rest.find('>'), value_end = rest.find(key_close);
    if (key_end == std::string_view::npos || value_end == std::string_view::npos || value_end < key_end) return false;
    const std::string key(trim(rest.substr(key_open.size(), key_end - key_open.size())));
    std::string_view value = rest.substr(key_end + 1, value_end - key_end - 1);
    if (value.starts_with('\n')) value.remove_prefix(1);
    if (value.ends_with('\n')) value.remove_suffix(1);
    const std::string type = parameter_type(tools, name, key);
    std::optional<Json> parsed;
    if (type != "string") parsed = read_json(value);
    arguments.set(key, parsed ? *parsed : Json(value));
    rest.remove_prefix(value_end + key_close.size());
  }
  if (name.empty()) return false;
  out.push_back({Kind::call, dump_json(arguments, JsonStyle::python), name});
  return true;
}

// NAME{…}, NAME[ARGS]{…}, each behind its own mark.
bool named_calls(std::string_view text, std::string_view mark, std::vector<AssistantPiece>& out) {
  std::vector<AssistantPiece> calls;
  while (!(text = trim(text)).empty()) {
    const std::size_t next = text.find(mark);
    std::string_view one = trim(text.substr(0, next));
    text = next == std::string_view::npos ? std::string_view() : text.substr(next + mark.size());
    const std::size_t brace = one.find('{');
    if (brace == std::string_view::npos) return false;
    std::string_view name = one.substr(0, brace);
    if (const std::size_t bracket = name.find('['); bracket != std::string_view::npos) name = name.substr(0, bracket);
    name = trim(name);
    const std::optional<Json> arguments = read_json(one.substr(brace));
    if (name.empty() || !arguments || !arguments->is_object()) return false;
    calls.push_back({Kind::call, dump_json(*arguments, JsonStyle::python), std::string(name)});
  }
  if (calls.empty()) return false;
  out.insert(out.end(), calls.begin(), calls.end());
  return true;
}

}  // namespace

std::vector<std::string> AssistantFormat::markers() const {
  std::vector<std::string> out;
  for (const std::string& mark : {reason_open, reason_close, call_open, call_close}) {
    if (!mark.empty()) out.push_back(mark);
  }
  if (calls == Calls::listed) out.emplace_back("[ARGS]"), out.emplace_back("[CALL_ID]");
  return out;
}

AssistantFormat assistant_format(std::string_view source, bool tools) {
  AssistantFormat out;
  const auto has = [&](std::string_view text) { return source.find(text) != std::string_view::npos; };
  if (has("<think>") || has("</think>")) {
    out.reason_open = "<think>", out.reason_close = "</think>";
  } else if (has("[THINK]")) {
    out.reason_open = "[THINK]", out.reason_close = "[/THINK]";
  }
  if (!tools) return out;
  if (has("<function=") && has("<parameter=")) {
    out.calls = Calls::functions, out.call_open = "<tool_call>", out.call_close = "</tool_call>";
  } else if (has("<tool_call>")) {
    out.calls = Calls::tagged, out.call_open = "<tool_call>", out.call_close = "</tool_call>";
  } else if (has("[TOOL_CALLS]")) {
    out.calls = Calls::listed, out.call_open = "[TOOL_CALLS]";
  } else if (has("<|python_tag|>")) {
    out.calls = Calls::bare, out.call_open = "<|python_tag|>";
  } else {
    out.calls = Calls::bare;
  }
  return out;
}

bool opens_reasoning(const AssistantFormat& format, std::string_view prompt) {
  if (format.reason_open.empty()) return false;
  const std::size_t end = prompt.find_last_not_of(blanks);
  return end != std::string_view::npos && prompt.substr(0, end + 1).ends_with(format.reason_open);
}

AssistantParser::AssistantParser(AssistantFormat format, Json tools) : format_(std::move(format)), tools_(std::move(tools)) {}

std::vector<AssistantPiece> AssistantParser::push(std::string_view text) {
  std::vector<AssistantPiece> out;
  buffer_ += text;
  run(false, out);
  return out;
}

std::vector<AssistantPiece> AssistantParser::finish() {
  std::vector<AssistantPiece> out;
  run(true, out);
  if (!space_.empty() && !parted_ && space_kind_ == Kind::content) out.push_back({Kind::content, std::move(space_)});
  space_.clear();
  return out;
}

// Blanks at the end are kept back: before a mark they belong to nobody.
void AssistantParser::emit(Kind kind, std::string_view text, std::vector<AssistantPiece>& out) {
  if (skip_space_) {
    const std::size_t begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return;
    text.remove_prefix(begin);
    skip_space_ = false;
  }
  const std::size_t last = text.find_last_not_of(blanks);
  if (last == std::string_view::npos) {
    space_ += text;
    space_kind_ = kind;
    return;
  }
  std::string whole = std::move(space_);
  whole += text.substr(0, last + 1);
  space_ = text.substr(last + 1);
  space_kind_ = kind;
  if (!out.empty() && out.back().kind == kind) {
    out.back().text += whole;
  } else {
    out.push_back({kind, std::move(whole)});
  }
}

bool AssistantParser::take_call(std::string_view text, std::vector<AssistantPiece>& out) const {
  switch (format_.calls) {
    case Calls::functions:
      if (function_of(text, tools_, out)) return true;
      break;
    case Calls::listed:
      if (named_calls(text, format_.call_open, out)) {
        if (!trim(text).starts_with('[')) return true;
        out.pop_back();
      }
      break;
    default: break;
  }
  const std::optional<Json> value = read_json(trim(text));
  return value && calls_of(*value, out);
}

void AssistantParser::run(bool last, std::vector<AssistantPiece>& out) {
  const bool plain = format_.reason_open.empty() && format_.calls == Calls::none;
  if (plain) {
    if (!buffer_.empty()) out.push_back({Kind::content, std::move(buffer_)});
    buffer_.clear();
    return;
  }
  for (;;) {
    if (state_ == State::start) {
      // A turn begins with reasoning, with a bare call, or with content.
      const std::size_t begin = buffer_.find_first_not_of(blanks);
      if (begin == std::string::npos) {
        if (last) {
          skip_space_ = false;
          space_ += buffer_;
          buffer_.clear();
        }
        return;
      }
      const std::string_view rest = std::string_view(buffer_).substr(begin);
      if (!format_.reason_open.empty() && rest.starts_with(format_.reason_open)) {
        buffer_.erase(0, begin + format_.reason_open.size());
        state_ = State::reasoning;
        continue;
      }
      if (!last && !format_.reason_open.empty() && std::string_view(format_.reason_open).starts_with(rest)) return;
      if (format_.calls == Calls::bare && (rest.front() == '{' || rest.front() == '[')) {
        state_ = State::call;
        continue;
      }
      // Content keeps its first blanks, unless reasoning came before it.
      if (!parted_) skip_space_ = false;
      state_ = State::content;
      continue;
    }
    if (state_ == State::reasoning) {
      const std::size_t end = buffer_.find(format_.reason_close);
      if (end == std::string::npos) {
        const std::size_t kept = last ? 0 : partial(buffer_, format_.reason_close);
        emit(Kind::reasoning, std::string_view(buffer_).substr(0, buffer_.size() - kept), out);
        buffer_.erase(0, buffer_.size() - kept);
        return;
      }
      emit(Kind::reasoning, std::string_view(buffer_).substr(0, end), out);
      buffer_.erase(0, end + format_.reason_close.size());
      space_.clear();
      skip_space_ = true;
      parted_ = true;  // a part has come: blanks around are nobody's
      state_ = State::start;
      continue;
    }
    if (state_ == State::content) {
      const bool marked = !format_.call_open.empty();
      const std::size_t open = marked ? buffer_.find(format_.call_open) : std::string::npos;
      if (open == std::string::npos) {
        const std::size_t kept = last || !marked ? 0 : partial(buffer_, format_.call_open);
        emit(Kind::content, std::string_view(buffer_).substr(0, buffer_.size() - kept), out);
        buffer_.erase(0, buffer_.size() - kept);
        return;
      }
      emit(Kind::content, std::string_view(buffer_).substr(0, open), out);
      buffer_.erase(0, open + format_.call_open.size());
      state_ = State::call;
      continue;
    }
    // A call: read once it is complete.
    const std::size_t end = format_.call_close.empty() ? std::string::npos : buffer_.find(format_.call_close);
    if (end == std::string::npos && !last) return;
    const std::string text = buffer_.substr(0, end);
    buffer_.erase(0, end == std::string::npos ? buffer_.size() : end + format_.call_close.size());
    state_ = State::content;
    if (take_call(text, out)) {
      parted_ = true;
      skip_space_ = true;
      space_.clear();
      if (!buffer_.empty()) continue;
      return;
    }
    skip_space_ = false;
    const bool opened = format_.calls != Calls::bare || !text.empty();
    if (opened) emit(Kind::content, cat(format_.calls == Calls::bare ? "" : format_.call_open, text, end == std::string::npos ? "" : format_.call_close), out);
    if (buffer_.empty()) return;
  }
}

}  // namespace tashika
