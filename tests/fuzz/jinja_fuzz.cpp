// Arbitrary templates, each rendered twice: the input up to a NUL is the template, what follows may be the variables
// as a JSON object. Whatever happens must be text or an Error, and the same both times.

// links: text

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/utf8.h"
#include "text/chat_template.h"

using namespace tashika;

namespace {

constexpr std::string_view default_variables =
    R"({"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi é😀"},)"
    R"({"role":"assistant","content":"","tool_calls":[{"id":"call00001","type":"function","function":)"
    R"({"name":"f","arguments":{"a":[1,2.5,null,true],"b":"x"}}}]},{"role":"tool","name":"f","content":"{\"r\": 1}"},)"
    R"({"role":"user","content":[{"type":"text","text":"and?"}]}],"tools":[{"type":"function","function":{"name":"f",)"
    R"("description":"d","parameters":{"type":"object","properties":{"a":{"type":"array"}},"required":["a"]}}}],)"
    R"("documents":null,"add_generation_prompt":true,"bos_token":"<s>","eos_token":"</s>","n":7,"x":2.5,"s":"Hello World",)"
    R"("l":[3,1,2],"d":{"b":1,"a":[1,2],"items":5},"u":"äÖß 你好 😀"})";

std::string outcome(std::string_view source, const JsonObject& variables) {
  try {
    ChatTemplate chat(source, "input");
    chat.set_clock([] { return std::tm{}; });
    chat.set_limits({20000, 200000});
    const std::string text = chat.render_plain(variables);
    if (find_invalid_utf8(text) != std::string_view::npos) __builtin_trap();
    return "text: " + text;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) __builtin_trap();
    return "error: " + error.message();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t nul = text.find('\0');
  Json variables;
  try {
    variables = parse_json(nul == text.npos ? default_variables : text.substr(nul + 1), "variables");
  } catch (const Error&) {
  }
  if (!variables.is_object()) variables = parse_json(default_variables, "variables");
  const std::string first = outcome(text.substr(0, nul), variables.as_object());
  if (first != outcome(text.substr(0, nul), variables.as_object())) __builtin_trap();
  return 0;
}
