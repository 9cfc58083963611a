// The chat templates that lie beside or inside a checkpoint, and the special tokens they name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "checkpoint/checkpoint.h"

namespace tashika {

struct TemplateSource {
  std::string name;    // "default", "tool_use", …
  std::string source;  // Jinja
  std::string origin;  // file, for messages
};

// chat_template.jinja (and additional_chat_templates/NAME.jinja) win over tokenizer_config.json's
// `chat_template`, a string or a list of named ones, and over chat_template.json; of a GGUF file
// tokenizer.chat_template and tokenizer.chat_template.NAME. Empty when the checkpoint has none.
std::vector<TemplateSource> chat_templates(const Checkpoint& checkpoint);

// The one that transformers takes: "tool_use" when there are tools and such a template, else
// "default". Error that says what to do when there is none.
const TemplateSource& choose_template(const std::vector<TemplateSource>& templates, bool has_tools, const std::string& path);

// Special tokens by the names that templates know ("bos_token", "eos_token", "unk_token", …), as
// strings. What the checkpoint does not name is absent.
JsonObject special_tokens(const Checkpoint& checkpoint);

}  // namespace tashika
