#include "base/error.h"
#include "base/terminal.h"
#include "checkpoint/tokenizer_files.h"
#include "cli/common.h"
#include "cli/lines.h"
#include "cli/verb.h"

namespace tashika::cli {
namespace {

constexpr std::uint64_t max_text = std::uint64_t{1} << 30;

class Tokenize final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.positional("TEXT", text_, "the text; without it all of standard input, as it is");
    o.group("");
    o.toggle("--special", special_, "add no BOS, EOS or what else the tokenizer's post-processing adds");
    o.toggle("--as-text", as_text_, "take special tokens written in the text as plain text");
    o.toggle("--ids-only", ids_only_, "print one JSON array of ids");
    o.toggle("--lines", lines_, "read one JSON string a line, print one result a line");
  }

  int run(Context&) override {
    const std::string& name = setting_.required();
    if (lines_ && text_) fail_with(ErrorKind::usage, "--lines reads standard input; give no TEXT");
    const Tokenizer tokenizer = load_tokenizer(open_checkpoint(find_checkpoint(name)));
    if (!lines_) {
      write_stdout(encoded(tokenizer, text_ ? *text_ : read_stdin(max_text)) + "\n");
      return 0;
    }
    for_each_line([&](std::string_view line, std::int64_t number) {
      const Json text = parse_json(line, cat("line ", number));
      if (!text.is_string()) fail("line ", number, ": expected a JSON string, found ", json_type_name(text.type()));
      return encoded(tokenizer, text.as_string()) + "\n";
    });
    return 0;
  }

 private:
  std::string encoded(const Tokenizer& tokenizer, std::string_view text) const {
    const EncodeOptions options{.add_special = special_, .special_as_text = as_text_};
    const auto array = [](const std::vector<TokenId>& ids) {
      std::string out = "[";
      for (const TokenId id : ids) out += cat(out.size() > 1 ? "," : "", id);
      return out + "]";
    };
    if (ids_only_) return array(tokenizer.encode(text, options));
    const Encoding encoding = tokenizer.encode_with_tokens(text, options);
    std::string tokens = "[";
    for (const std::string& token : encoding.tokens) tokens += cat(tokens.size() > 1 ? "," : "", dump_json(Json(token)));
    return cat("{\"ids\":", array(encoding.ids), ",\"tokens\":", tokens, "]}");
  }

  ModelSetting setting_;
  std::optional<std::string> text_;
  bool special_ = true, as_text_ = false, ids_only_ = false, lines_ = false;
};

}  // namespace

extern const Verb verb_tokenize;
const Verb verb_tokenize{"tokenize", "text to token ids",
                         "Prints the tokens of a text as JSON: {\"ids\":[…],\"tokens\":[…]}. Works on a model, on a folder with only\n"
                         "tokenizer files and on a vocabulary-only GGUF file.",
                         "  tashika tokenize MODEL \"Hello there\"\n  tashika tokenize MODEL --ids-only < book.txt\n", make_command<Tokenize>};

}  // namespace tashika::cli
