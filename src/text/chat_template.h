// Chat templates: Jinja rendered byte for byte as transformers' apply_chat_template does.
//
// The language is jinja2's with trim_blocks, lstrip_blocks and loop controls, in its sandbox: values
// cannot be changed in place, there are no other templates and nothing of the host to reach. What is
// wrong with a template or what it raises is an Error that names the template and the line; there is
// no fallback. Budgets: nesting 128, 10^6 loop rounds and calls, 16 MiB of output, ranges to 10^5.
//
// Left out, each an Error when it is reached: integers beyond 64 bits, the filters pprint, random,
// striptags, urlize, wordwrap and xmlattr, autoescape, template inheritance and includes, and the
// str methods encode, format_map, maketrans and translate.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tashika {

struct ChatInput {
  Json messages;   // an array of objects; at least one
  Json tools;      // an array of objects (JSON schemas of functions), or null
  Json documents;  // an array of objects, or null
  bool add_generation_prompt = true;
  std::optional<std::string> bos_token, eos_token;  // undefined in the template when absent
  JsonObject variables;                             // further ones; they win over all of the above
};

// A part that the template marks with {% generation %}: bytes of the rendered text.
struct GenerationSpan {
  std::size_t begin, end;
};

// What one rendering may do; further bounds are fixed (16 MiB of output, 256 MiB of values).
struct ChatLimits {
  std::int64_t steps = 1000000;                // loop rounds and calls
  std::int64_t work = std::int64_t{40} << 20;  // expressions evaluated, weighted by the bytes they handle
};

class ChatTemplate {
 public:
  // `name` stands in messages. One final newline of the source is dropped. Throws Error.
  explicit ChatTemplate(std::string_view source, std::string name = "chat template");
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // What transformers does to the messages is done here: members that are null go, and reasoning is
  // found under each of its names (reasoning_content, thinking, reasoning). Const and safe to call
  // from several threads. Throws Error.
  std::string render(const ChatInput& input, std::vector<GenerationSpan>* spans = nullptr) const;

  // Renders with these variables only, as given: no check of messages.
  std::string render_plain(const JsonObject& variables) const;

  // The local time that strftime_now sees; the system's when not set.
  void set_clock(std::function<std::tm()> clock) { clock_ = std::move(clock); }

  void set_limits(ChatLimits limits) { limits_ = limits; }

  const std::string& source() const { return source_; }

 private:
  struct Tree;
  std::string run(const std::vector<std::pair<std::string_view, const Json*>>& variables,
                  std::vector<GenerationSpan>* spans) const;

  std::string source_, name_;
  std::unique_ptr<const Tree> tree_;
  std::function<std::tm()> clock_;
  ChatLimits limits_;
};

}  // namespace tashika
