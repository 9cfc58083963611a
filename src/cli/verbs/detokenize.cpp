#include "base/error.h"
#include "base/terminal.h"
#include "checkpoint/tokenizer_files.h"
#include "cli/common.h"
#include "cli/lines.h"
#include "cli/verb.h"

namespace tashika::cli {
namespace {

class Detokenize final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.positional("ID", words_, "token ids, apart or separated by commas").optional();
    o.group("");
    o.toggle("--skip-special", skip_special_, "leave special tokens out");
    o.toggle("--lines", lines_, "read one JSON array a line, print one JSON string a line");
  }

  int run(Context&) override {
    const std::string& name = setting_.required();
    if (lines_ == !words_.empty()) fail_with(ErrorKind::usage, lines_ ? "--lines reads standard input; give no ID" : "ID is missing");
    std::vector<TokenId> ids;
    for (const std::string& word : words_) {
      for (const std::int64_t id : parse_id_list(word, "ID")) ids.push_back(static_cast<TokenId>(id));
    }
    const Tokenizer tokenizer = load_tokenizer(open_checkpoint(find_checkpoint(name)));
    if (!lines_) {
      write_stdout(tokenizer.decode(ids, skip_special_));
      if (stdout_is_terminal()) write_stdout("\n");
      return 0;
    }
    for_each_line([&](std::string_view line, std::int64_t number) {
      const Json list = parse_json(line, cat("line ", number));
      if (!list.is_array()) fail("line ", number, ": expected a JSON array, found ", json_type_name(list.type()));
      std::vector<TokenId> row;
      for (const Json& id : list.as_array()) {
        if (!id.is_integer() || id.as_integer() < 0 || id.as_integer() > 0x7FFFFFFF) fail("line ", number, ": ", dump_json(id), " is no token id");
        row.push_back(static_cast<TokenId>(id.as_integer()));
      }
      return dump_json(Json(tokenizer.decode(row, skip_special_, DecodeErrors::replace))) + "\n";
    });
    return 0;
  }

 private:
  ModelSetting setting_;
  std::vector<std::string> words_;
  bool skip_special_ = false, lines_ = false;
};

}  // namespace

extern const Verb verb_detokenize;
const Verb verb_detokenize{"detokenize", "token ids to text", "Prints the text of token ids, its bytes exactly.",
                           "  tashika detokenize MODEL 1 15043 29892\n", make_command<Detokenize>};

}  // namespace tashika::cli
