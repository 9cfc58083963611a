#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/terminal.h"
#include "cli/verb.h"
#include "train/bpe_training.h"

namespace tashika::cli {
namespace {

class TrainTokenizer final : public Command {
 public:
  void describe(Options& o) override {
    o.positional("FILE…", files_, "text, a line at a time, or .jsonl with \"text\" in each row");
    o.group("Vocabulary");
    o.value("-o, --output", "FOLDER", output_, "where tokenizer.json and tokenizer_config.json go").completes(ValueHint::folder);
    o.choice("--kind", "KIND", kind_, {{"byte-bpe", TokenizerKind::byte_level}, {"sp-bpe", TokenizerKind::sentencepiece}},
             "byte-bpe: bytes, as GPT-2; sp-bpe: characters with space marks, as SentencePiece");
    o.value("--vocab-size", "N", training_.vocab_size, "tokens, special ones included").range(1, 1 << 24);
    o.value("--min-frequency", "N", training_.min_frequency, "pairs seen less often are not merged").range(0, 1 << 30);
    o.value("--limit-alphabet", "N", training_.limit_alphabet, "characters kept, the most frequent ones; 0: all").range(0, 1 << 21);
    o.value("--special", "TOKEN", training_.special_tokens, "a special token; given several times: ids in that order");
    o.value("--bos", "TOKEN", bos_, "which of them begins a text");
    o.value("--eos", "TOKEN", eos_, "which of them ends a text");
  }

  int run(Context&) override {
    if (files_.empty()) fail_with(ErrorKind::usage, "no files named");
    if (output_.empty()) fail_with(ErrorKind::usage, "-o FOLDER is missing");
    WordCounter words(kind_);
    for (const std::string& path : files_) count(path, words);
    if (words.counts().empty()) fail(files_[0], ": there is no text to learn from");
    const TrainedBpe trained = train_tokenizer(words.counts(), kind_, training_);
    make_directories(output_);
    write_file(join_path(output_, "tokenizer.json"), dump_json(tokenizer_json(trained, kind_, training_.special_tokens), JsonStyle::python, 2) + "\n");
    Json config;
    config.set("tokenizer_class", "PreTrainedTokenizerFast");
    if (!bos_.empty()) config.set("bos_token", bos_);
    if (!eos_.empty()) config.set("eos_token", eos_);
    config.set("clean_up_tokenization_spaces", false);
    write_file(join_path(output_, "tokenizer_config.json"), dump_json(config, JsonStyle::python, 2) + "\n");
    write_stdout(cat(trained.tokens.size(), " tokens, ", trained.merges.size(), " merges, from ", words.counts().size(), " different words\n"));
    return 0;
  }

 private:
  // Lines with their ending, as the `tokenizers` library reads files.
  static void count(const std::string& path, WordCounter& words) {
    const auto file = MappedFile::open(path);
    const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
    const bool rows = path.ends_with(".jsonl");
    std::int64_t number = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at), next = end == std::string_view::npos ? text.size() : end + 1;
      const std::string_view line = text.substr(at, next - at);
      at = next;
      ++number;
      if (!rows) {
        words.add(line);
        continue;
      }
      if (line.find_first_not_of(" \t\r\n") == std::string_view::npos) continue;
      const std::string where = cat(path, ":", number);
      const Json row = parse_json(line, where);
      if (!row["text"].is_string()) fail(where, ": expected \"text\"");
      words.add(row["text"].as_string());
    }
  }

  std::vector<std::string> files_;
  std::string output_, bos_, eos_;
  TokenizerKind kind_ = TokenizerKind::byte_level;
  BpeTraining training_;
};

}  // namespace

extern const Verb verb_train_tokenizer;
const Verb verb_train_tokenizer{"train-tokenizer", "make a tokenizer from text",
                                "Learns a byte-pair vocabulary and writes tokenizer.json, which Hugging Face's tokenizers and this program read. The\n"
                                "merges are those that the tokenizers library finds in the same files.",
                                "  tashika train-tokenizer corpus.txt -o tok --vocab-size 8000 --special '<s>' --special '</s>' --bos '<s>' --eos '</s>'\n",
                                make_command<TrainTokenizer>};

}  // namespace tashika::cli
