#include "text/gguf_export.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/digest.h"
#include "text/base64.h"
#include "text/gguf_pre.h"
#include "text/json_fields.h"
#include "text/sp_model_file.h"
#include "text/utf8.h"

namespace tashika {
namespace {

constexpr std::string_view mark = "\xE2\x96\x81";  // U+2581, SentencePiece's space

constexpr auto kind(PieceType type) { return static_cast<std::int32_t>(type); }

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

// Added tokens that ought to be control tokens whatever their file says.
bool looks_special(std::string_view text) {
  if (text == "<pad>" || text == "<mask>" || text == "<2mass>" || text == "[@BOS@]") return true;
  return (text.starts_with("<|") && text.ends_with("|>")) || (text.starts_with("<｜") && text.ends_with("｜>")) ||
         (text.starts_with("<unused") && text.ends_with(">"));
}

struct Added {
  std::int64_t id;
  std::string content;
  bool special;
};

// Of tokenizer.json, with the ids that the loaded tokenizer gave them.
std::vector<Added> added_tokens(const TokenizerFiles& files, const Tokenizer& loaded, std::string_view what) {
  std::vector<Added> out;
  if (files.added != nullptr && files.added->is_object()) {
    for (const auto& [content, id] : files.added->as_object().entries()) {
      if (id.is_integer()) out.push_back({id.as_integer(), content, false});
    }
  }
  const Json* decoder = files.config != nullptr ? files.config->find("added_tokens_decoder") : nullptr;
  if (decoder != nullptr && decoder->is_object()) {
    for (const auto& [key, value] : decoder->as_object().entries()) {
      const Fields f(value, cat(what, ": added_tokens_decoder['", key, "']"));
      std::int64_t id = -1;
      std::from_chars(key.data(), key.data() + key.size(), id);
      out.push_back({id, f.string("content"), f.boolean_or("special", false)});
    }
  }
  const Json* list = files.tokenizer != nullptr ? files.tokenizer->find("added_tokens") : nullptr;
  if (list != nullptr && list->is_array()) {
    for (const Json& value : list->as_array()) {
      const Fields f(value, cat(what, ": added_tokens"));
      const std::string& content = f.string("content");
      if (const auto id = loaded.id(content)) out.push_back({*id, content, f.boolean_or("special", false)});
    }
  }
  return out;
}

class Export {
 public:
  Export(const TokenizerFiles& files, const Tokenizer& loaded, std::int64_t rows, std::string pre, std::string_view what)
      : files_(files), loaded_(loaded), rows_(rows), pre_(std::move(pre)), what_(what), added_(added_tokens(files, loaded, what)) {}

  GgufVocab run() {
    v_.tokens.resize(static_cast<std::size_t>(rows_));
    v_.types.assign(static_cast<std::size_t>(rows_), kind(PieceType::unused));
    const Json* model = files_.tokenizer != nullptr ? files_.tokenizer->find("model") : nullptr;
    if (!files_.sentencepiece.empty()) {
      from_pieces();
    } else if (model == nullptr || !model->is_object()) {
      fail(what_, ": there is neither a tokenizer.json nor a SentencePiece model to make a GGUF vocabulary of");
    } else if (loaded_.model_name() == "BPE") {
      if (is_byte_level()) from_byte_level(*model);
      else from_merges(*model);
    } else if (loaded_.model_name() == "Unigram") {
      from_unigram(*model);
    } else if (loaded_.model_name() == "WordPiece") {
      from_wordpiece(*model);
    } else {
      fail(what_, ": a ", loaded_.model_name(), " tokenizer has no GGUF form here; use the Hugging Face folder itself");
    }
    add_tokens();
    for (std::size_t i = 0; i < v_.tokens.size(); ++i) {
      if (v_.tokens[i].empty()) v_.tokens[i] = cat("[PAD", i, "]");
    }
    policy();
    return std::move(v_);
  }

 private:
  std::size_t place(std::int64_t id, std::string_view token) const {
    if (id < 0 || id >= rows_) {
      fail(what_, ": token ", printable(token), " has id ", id, ", the embedding only ", rows_, " rows: tokenizer and weights are of different models");
    }
    return static_cast<std::size_t>(id);
  }

  bool is_byte_level() const {
    const auto holds = [](const Json* part, auto&& self, int depth) -> bool {
      if (part == nullptr || !part->is_object() || depth > 8) return false;
      if ((*part)["type"] == Json("ByteLevel")) return true;
      for (const char* list : {"pretokenizers", "normalizers"}) {
        const Json* inner = part->find(list);
        if (inner == nullptr || !inner->is_array()) continue;
        for (const Json& each : inner->as_array()) {
          if (self(&each, self, depth + 1)) return true;
        }
      }
      return false;
    };
    return holds(files_.tokenizer->find("pre_tokenizer"), holds, 0) || holds(files_.tokenizer->find("normalizer"), holds, 0);
  }

  // tokenizer.json's tokens with their ids.
  void vocabulary(const Json& model) {
    const Fields f(model, cat(what_, ": model"));
    for (const auto& [token, id] : f.object("vocab").entries()) {
      if (!id.is_integer()) fail(what_, ": model.vocab: ", printable(token), " has no id");
      const std::size_t at = place(id.as_integer(), token);
      v_.tokens[at] = token;
      v_.types[at] = kind(PieceType::normal);
    }
  }

  std::vector<std::pair<std::string, std::string>> merges(const Json& model) const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const Json& merge : Fields(model, cat(what_, ": model")).array("merges")) {
      if (merge.is_array() && merge.as_array().size() == 2) {
        out.emplace_back(merge.as_array()[0].as_string(), merge.as_array()[1].as_string());
      } else if (merge.is_string() && !merge.as_string().starts_with("#version")) {
        const std::size_t space = merge.as_string().find(' ');
        out.emplace_back(merge.as_string().substr(0, space), space == std::string::npos ? "" : merge.as_string().substr(space + 1));
      }
    }
    return out;
  }

  void from_byte_level(const Json& model) {
    v_.model = "gpt2";
    vocabulary(model);
    for (auto& [left, right] : merges(model)) {
      // A merge is written with one space between its parts: spaces in them as the byte alphabet has them.
      replace_all(left, " ", "\xC4\xA0");
      replace_all(right, " ", "\xC4\xA0");
      v_.merges.push_back(cat(left, " ", right));
    }
    v_.pre = pre_.empty() ? split_name(model) : pre_;
    if (!is_known_gguf_pre(v_.pre)) fail(what_, ": there is no way of splitting named ", printable(v_.pre));
  }

  std::string split_name(const Json& model) const {
    std::string ids = "[";
    for (const TokenId id : loaded_.encode(gguf_pre_text())) ids += cat(ids.size() > 1 ? ", " : "", id);
    ids += "]";
    const std::string_view known = find_gguf_pre_digest(sha256(std::as_bytes(std::span(ids.data(), ids.size()))));
    if (!known.empty() && is_known_gguf_pre(known)) return std::string(known);
    if (const std::optional<std::vector<std::string>> patterns = split_patterns()) {
      const std::string_view name = find_gguf_pre_patterns(*patterns, model["ignore_merges"] == Json(true));
      if (!name.empty()) return std::string(name);
    }
    fail(what_, ": the pre-tokenizer of this tokenizer is none that GGUF has a name for; if you know one that splits alike, give it with --tokenizer-pre"
         " (qwen2, llama-bpe, gpt-2, …), or use the Hugging Face folder itself");
  }

  // The patterns that cut the text one after the other; none when something else than patterns does.
  std::optional<std::vector<std::string>> split_patterns() const {
    const Json& pre = (*files_.tokenizer)["pre_tokenizer"];
    JsonArray single{pre};
    const JsonArray& steps = pre["type"] == Json("Sequence") && pre["pretokenizers"].is_array() ? pre["pretokenizers"].as_array() : single;
    std::vector<std::string> out;
    for (const Json& step : steps) {
      if (step["type"] == Json("Split") && step["pattern"]["Regex"].is_string() && step["behavior"] == Json("Isolated") && step["invert"] != Json(true)) {
        out.push_back(step["pattern"]["Regex"].as_string());
      } else if (step["type"] == Json("Digits") && step["individual_digits"] == Json(true)) {
        out.emplace_back("\\p{N}");
      } else if (step["type"] == Json("ByteLevel") && step["add_prefix_space"] != Json(true)) {
        if (step["use_regex"] != Json(false)) out.emplace_back(gguf_byte_level_pattern());
      } else {
        return std::nullopt;
      }
    }
    return out;
  }

  // Merges without scores: a piece's score is the rank of the first merge that gives it, and what no merge gives comes last.
  void from_merges(const Json& model) {
    v_.model = "llama";
    v_.pre = "default";
    vocabulary(model);
    v_.scores.assign(v_.tokens.size(), 0.0f);
    const auto pairs = merges(model);
    std::map<std::string, std::size_t, std::less<>> ranks;
    for (std::size_t i = 0; i < pairs.size(); ++i) ranks.emplace(pairs[i].first + pairs[i].second, i);
    for (std::size_t i = 0; i < v_.tokens.size(); ++i) {
      const auto rank = ranks.find(v_.tokens[i]);
      v_.scores[i] = -static_cast<float>(rank == ranks.end() ? pairs.size() + 1 : rank->second);
      if (parse_byte_token(v_.tokens[i])) {
        v_.types[i] = kind(PieceType::byte);
        v_.scores[i] = 0.0f;
      }
    }
    if (loaded_.unk()) v_.types[place(*loaded_.unk(), "unk")] = kind(PieceType::unknown);
    v_.add_space_prefix = begins_with_space();
  }

  // Whether a space is put before the text: tokenizing a letter shows it.
  bool begins_with_space() const {
    for (const std::string& token : loaded_.encode_with_tokens("a", {.add_special = false}).tokens) return token.starts_with(mark);
    return false;
  }

  void from_pieces() {
    const SpModel model = read_sp_model(files_.sentencepiece, what_);
    v_.model = model.model_type == 2 ? "llama" : "t5";
    v_.pre = "default";
    v_.scores.assign(v_.tokens.size(), -10000.0f);
    for (std::size_t i = 0; i < model.pieces.size(); ++i) {
      const ScoredPiece& piece = model.pieces[i];
      const std::size_t at = place(static_cast<std::int64_t>(i), piece.text);
      v_.tokens[at] = piece.text;
      v_.scores[at] = piece.score;
      v_.types[at] = kind(piece.type);
    }
    v_.add_space_prefix = model.add_dummy_prefix;
    if (v_.model == "llama") {
      if (files_.tokenizer != nullptr || files_.config != nullptr) v_.add_space_prefix = begins_with_space();
      return;
    }
    v_.remove_extra_whitespaces = model.remove_extra_whitespaces;
    v_.precompiled_charsmap = model.charsmap;
  }

  void from_unigram(const Json& model) {
    v_.model = "t5";
    v_.pre = "default";
    v_.scores.assign(v_.tokens.size(), -10000.0f);
    const JsonArray& pieces = Fields(model, cat(what_, ": model")).array("vocab");
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::string& text = pieces[i].as_array().at(0).as_string();
      const std::size_t at = place(static_cast<std::int64_t>(i), text);
      v_.tokens[at] = text;
      v_.scores[at] = static_cast<float>(pieces[i].as_array().at(1).as_double());
      v_.types[at] = kind(PieceType::normal);
    }
    if (loaded_.unk()) v_.types[place(*loaded_.unk(), "unk")] = kind(PieceType::unknown);
    v_.add_space_prefix = begins_with_space();
    v_.remove_extra_whitespaces = loaded_.encode("a", {.add_special = false}) == loaded_.encode("  a ", {.add_special = false});
    find_charsmap((*files_.tokenizer)["normalizer"], 0);
  }

  // A word's first piece is marked instead of those that follow.
  void from_wordpiece(const Json& model) {
    v_.model = "bert";
    v_.pre = "default";
    vocabulary(model);
    const Json& prefix = model["continuing_subword_prefix"];
    const std::string marks = prefix.is_string() ? prefix.as_string() : "##";
    for (std::size_t i = 0; i < v_.tokens.size(); ++i) {
      std::string& token = v_.tokens[i];
      if (v_.types[i] != kind(PieceType::normal)) continue;
      token = token.starts_with(marks) ? token.substr(marks.size()) : std::string(mark) + token;
    }
    const Json& normalizer = (*files_.tokenizer)["normalizer"];
    if (normalizer["lowercase"].is_bool()) v_.lowercase = normalizer["lowercase"].as_bool();
    if (normalizer["strip_accents"].is_bool()) v_.strip_accents = normalizer["strip_accents"].as_bool();
  }

  void find_charsmap(const Json& normalizer, int depth) {
    if (!normalizer.is_object() || depth > 8) return;
    const Json& map = normalizer["precompiled_charsmap"];
    if (normalizer["type"] == Json("Precompiled") && map.is_string()) v_.precompiled_charsmap = decode_base64(map.as_string(), what_);
    if (!normalizer["normalizers"].is_array()) return;
    for (const Json& inner : normalizer["normalizers"].as_array()) find_charsmap(inner, depth + 1);
  }

  void add_tokens() {
    for (const Added& token : added_) {
      const std::size_t at = place(token.id, token.content);
      std::string text = token.content;
      const bool control = token.special || looks_special(text);
      if (!control) replace_all(text, mark, " ");
      if (v_.types[at] != kind(PieceType::unknown)) v_.types[at] = kind(control ? PieceType::control : PieceType::user_defined);
      if (!v_.scores.empty() && v_.types[at] != kind(PieceType::unknown)) v_.scores[at] = -1000.0f;
      v_.tokens[at] = std::move(text);
    }
  }

  void policy() {
    const auto id = [](std::optional<TokenId> token) { return token ? std::optional<std::int64_t>(*token) : std::nullopt; };
    v_.bos = id(loaded_.bos());
    v_.eos = id(loaded_.eos());
    v_.unk = id(loaded_.unk());
    v_.pad = id(loaded_.pad());
    const auto named = [&](std::string_view key) -> std::optional<std::int64_t> {
      const Json* value = files_.config != nullptr ? files_.config->find(key) : nullptr;
      if (value != nullptr && value->is_object()) value = value->find("content");
      return value != nullptr && value->is_string() ? id(loaded_.id(value->as_string())) : std::nullopt;
    };
    v_.sep = named("sep_token");
    v_.cls = named("cls_token");
    v_.mask = named("mask_token");
    // What is put around a text shows on one: it wins over the names in the config.
    const std::vector<TokenId> bare = loaded_.encode("a", {.add_special = false}), whole = loaded_.encode("a");
    const auto at = std::search(whole.begin(), whole.end(), bare.begin(), bare.end());
    const auto before = at - whole.begin(), behind = static_cast<std::ptrdiff_t>(whole.size() - bare.size()) - before;
    v_.add_bos = before > 0;
    v_.add_eos = behind > 0;
    if (before > 0) v_.bos = whole.front();
    if (behind > 0) v_.eos = whole.back();
  }

  const TokenizerFiles& files_;
  const Tokenizer& loaded_;
  std::int64_t rows_;
  std::string pre_;
  std::string_view what_;
  std::vector<Added> added_;
  GgufVocab v_;
};

}  // namespace

GgufVocab gguf_vocab_of(const TokenizerFiles& files, const Tokenizer& loaded, std::int64_t rows, std::string pre, std::string_view what) {
  return Export(files, loaded, rows, std::move(pre), what).run();
}

std::string first_difference(const Tokenizer& loaded, const GgufVocab& vocab, std::string_view what) {
  const Tokenizer written = tokenizer_from_gguf(vocab, what);
  const std::string_view texts[] = {"Hello, world! It's 12345 o'clock.", gguf_pre_text(), "  two  spaces\tand\r\n\r\nlines   ", "naïve café 東京 Привет",
                                    "def f(x):\n    return x**2  # comment\n\n\tif (a!=b && c->d) { x[0] += 1; }"};
  for (const std::string_view text : texts) {
    if (loaded.encode(text) != written.encode(text)) return std::string(text);
  }
  return {};
}

}  // namespace tashika
