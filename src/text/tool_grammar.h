// The grammar that makes an answer a tool call, in the spelling that a model's chat template shows.
#pragma once

#include <string_view>

#include "base/json.h"
#include "text/grammar/grammar.h"

namespace tashika {

// `tools`: a list of {"type": "function", "function": {"name", "parameters"}}. `name`: the one function to call; empty:
// any of them. `parallel`: several calls may follow each other where the spelling has that. Arguments follow the
// function's schema; a keyword that cannot be enforced is Error(input) naming "tools[i].function.parameters" and its
// JSON pointer. Marks that are special tokens of the tokenizer are demanded as such.
Grammar tool_call_grammar(std::string_view template_source, const Json& tools, const Tokenizer& tokenizer, std::string_view name = {},
                          bool parallel = true);

}  // namespace tashika
