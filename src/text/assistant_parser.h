// What a model writes as its turn, taken apart while it comes: reasoning, content, tool calls.
//
// The formats are told from the chat template, which shows the model's own earlier turns in them. The pieces do not
// depend on how the text is cut: pushed whole or letter by letter, those of one kind joined are the same. What looks
// like a tool call and cannot be read is content, as it was written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tashika {

struct AssistantFormat {
  enum class Calls {
    none,
    tagged,     // <tool_call>{"name": …, "arguments": {…}}</tool_call>
    listed,     // [TOOL_CALLS][{"name": …, "arguments": {…}}, …], or NAME{…}, NAME[ARGS]{…}
    bare,       // the whole content is {"name": …, "parameters": {…}}
    functions,  // <tool_call><function=NAME><parameter=KEY>VALUE</parameter>…</function></tool_call>
  };
  std::string reason_open, reason_close;  // empty: no reasoning is marked
  Calls calls = Calls::none;
  std::string call_open, call_close;

  // Strings that may be special tokens and must then be seen in the text.
  std::vector<std::string> markers() const;
};

// `tools`: the request has some; without, no call is looked for.
AssistantFormat assistant_format(std::string_view template_source, bool tools);

struct AssistantPiece {
  enum class Kind { content, reasoning, call };
  Kind kind = Kind::content;
  std::string text;       // of a call its arguments, JSON text of an object
  std::string name = {};  // of a call
};

class AssistantParser {
 public:
  // `tools`: the request's, for the types of arguments that a format writes as plain text; may be null.
  explicit AssistantParser(AssistantFormat format, Json tools = {});
  // The prompt already ends inside an open reasoning mark.
  void start_in_reasoning() { state_ = State::reasoning; }

  std::vector<AssistantPiece> push(std::string_view text);
  std::vector<AssistantPiece> finish();

 private:
  enum class State { start, reasoning, content, call };
  void run(bool last, std::vector<AssistantPiece>& out);
  void emit(AssistantPiece::Kind kind, std::string_view text, std::vector<AssistantPiece>& out);
  bool take_call(std::string_view text, std::vector<AssistantPiece>& out) const;

  AssistantFormat format_;
  Json tools_;
  State state_ = State::start;
  std::string buffer_;  // not yet handed out
  std::string space_;   // blanks at the end of what was handed out, of the kind below
  AssistantPiece::Kind space_kind_ = AssistantPiece::Kind::content;
  bool skip_space_ = true;  // blanks at the beginning of a part are dropped
  bool parted_ = false;     // reasoning or a call has come: blanks around are nobody's
};

// True when a rendered prompt ends inside an open reasoning mark.
bool opens_reasoning(const AssistantFormat& format, std::string_view prompt);

}  // namespace tashika
