#include "text/gguf_vocab.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "text/gguf_pre.h"
#include "text/json_fields.h"
#include "text/sp_models.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"
#include "text/world_vocab.h"

namespace tashika {
namespace {

// Tokens that end or steer generation by their name, whatever type an old converter gave them.
bool is_control_name(std::string_view text) {
  static const std::unordered_set<std::string_view> names = {
      "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
      "<｜end▁of▁sentence｜>", "<end_of_utterance>", "<|eom_id|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<eos>", "<turn|>", "<|tool_response>", "[e~[",
      "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>",
      "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|fim_pad|>",
      "<fim-pad>", "<fim_pad>", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>"};
  return names.contains(text);
}
bool is_visible_name(std::string_view text) {
  return text == "<|channel|>" || text == "<|message|>" || text == "<|start|>" || text == "<|constrain|>";
}

class Builder {
 public:
  Builder(GgufVocab vocab, std::string_view what) : v_(std::move(vocab)), what_(what) {
    if (v_.tokens.empty()) fail(what_, ": tokenizer.ggml.tokens is missing or empty");
    if (v_.tokens.size() >= static_cast<std::size_t>(max_token_id)) fail(what_, ": tokenizer.ggml.tokens has too many entries");
    same_size("scores", v_.scores.size());
    same_size("token_type", v_.types.size());
    pieces_.resize(v_.tokens.size());
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      ScoredPiece& p = pieces_[i];
      p.text = v_.tokens[i].empty() ? cat("[EMPTY_", i, "]") : v_.tokens[i];
      if (!utf8::is_valid(p.text)) p.text = utf8::replace_invalid(p.text);
      if (!v_.scores.empty()) p.score = v_.scores[i];
      if (!v_.types.empty()) p.type = v_.types[i] >= 0 && v_.types[i] <= 6 ? static_cast<PieceType>(v_.types[i]) : PieceType::undefined;
      if (is_control_name(p.text) || (p.text == "</s>" && p.type == PieceType::user_defined)) p.type = PieceType::control;
      if (is_visible_name(p.text)) p.type = PieceType::user_defined;
    }
    parts_ = std::make_unique<TokenizerParts>();
    parts_->invalid_text = InvalidText::replace_bytes;
  }

  Tokenizer build() {
    if (v_.model == "llama") {
      build_llama();
    } else if (v_.model == "gpt2" || v_.model == "gemma4") {
      build_bpe();
    } else if (v_.model == "bert") {
      build_bert();
    } else if (v_.model == "t5") {
      build_t5();
    } else if (v_.model == "rwkv") {
      build_world();
    } else {
      fail(what_, ": tokenizer.ggml.model '", v_.model, "' is not supported (gpt2, llama, bert, t5, rwkv and gemma4 are)");
    }
    add_tokens();
    return Tokenizer(std::move(parts_));
  }

 private:
  void same_size(std::string_view key, std::size_t size) const {
    if (size != 0 && size != v_.tokens.size()) {
      fail(what_, ": tokenizer.ggml.", key, " has ", size, " entries, tokenizer.ggml.tokens has ", v_.tokens.size());
    }
  }
  std::optional<TokenId> known(std::optional<std::int64_t> given, std::int64_t fallback) const {
    const auto inside = [&](std::int64_t id) { return id >= 0 && id < static_cast<std::int64_t>(pieces_.size()); };
    if (given && inside(*given)) return static_cast<TokenId>(*given);
    if (inside(fallback)) return static_cast<TokenId>(fallback);
    return std::nullopt;
  }
  std::optional<std::pair<TokenId, std::string>> named(std::optional<TokenId> id) const {
    if (!id) return std::nullopt;
    return std::pair(*id, pieces_[static_cast<std::size_t>(*id)].text);
  }
  // Ids of the special tokens, where the file is silent the model's customary ones (-1: none).
  void special_ids(std::int64_t bos, std::int64_t eos, std::int64_t unk, std::int64_t pad) {
    parts_->bos = known(v_.bos, bos);
    parts_->eos = known(v_.eos, eos);
    parts_->unk = known(v_.unk, unk);
    parts_->pad = known(v_.pad, pad);
  }
  void begin_and_end(bool add_bos, bool add_eos) {
    const bool first = v_.add_bos.value_or(add_bos), last = v_.add_eos.value_or(add_eos);
    parts_->post_processor = around(first ? named(parts_->bos) : std::nullopt, last ? named(parts_->eos) : std::nullopt);
    read_policy(*parts_);
  }
  void piece_decoder(bool byte_level, bool strip_first_space) {
    PieceDecoderConfig decoder;
    decoder.pieces = pieces_;
    decoder.byte_level = byte_level;
    decoder.strip_first_space = strip_first_space;
    decoder.replace_by_byte = false;
    parts_->decoder.push_back(make_piece_decoder(std::move(decoder)));
  }
  ScoredConfig scored_config(bool byte_fallback) {
    ScoredConfig config;
    config.pieces = pieces_;
    config.unk = parts_->unk;
    config.byte_fallback = byte_fallback;
    config.llama_cpp = true;
    return config;
  }

  void build_llama() {
    special_ids(1, 2, 0, -1);
    SpNormalizerConfig normalizer;
    normalizer.add_dummy_prefix = v_.add_space_prefix.value_or(true);
    normalizer.remove_extra_whitespaces = false;
    normalizer.keep_invalid = true;
    piece_decoder(false, normalizer.add_dummy_prefix);
    parts_->normalizer = make_sp_normalizer(std::move(normalizer));
    parts_->invalid_text = InvalidText::keep;  // unknown bytes have tokens
    parts_->model = make_scored_bpe(scored_config(true), what_);
    begin_and_end(true, false);
  }

  void build_t5() {
    special_ids(-1, 1, 2, 0);
    SpNormalizerConfig normalizer;
    normalizer.charsmap = CharsMap(v_.precompiled_charsmap, cat(what_, ": tokenizer.ggml"));
    normalizer.add_dummy_prefix = v_.add_space_prefix.value_or(true);
    normalizer.remove_extra_whitespaces = v_.remove_extra_whitespaces.value_or(false);
    for (const ScoredPiece& p : pieces_) {
      if (p.type == PieceType::user_defined) normalizer.user_defined.push_back(p.text);
    }
    piece_decoder(false, normalizer.add_dummy_prefix);
    parts_->normalizer = make_sp_normalizer(std::move(normalizer));
    parts_->invalid_text = InvalidText::keep;
    parts_->model = make_scored_unigram(scored_config(false), what_);
    begin_and_end(false, true);
  }

  // Tokens are spelled as Python spells bytes. Padding entries match nothing, as in the reference's own vocabulary.
  void build_world() {
    special_ids(-1, 0, -1, -1);
    std::vector<std::pair<std::string, TokenId>> tokens;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const bool matched = pieces_[i].type == PieceType::normal || pieces_[i].type == PieceType::byte;
      if (matched && !v_.tokens[i].empty()) tokens.emplace_back(unescape_world_token(v_.tokens[i]), static_cast<TokenId>(i));
    }
    parts_->invalid_text = InvalidText::keep;
    parts_->model = make_longest_match(std::move(tokens), what_);
    parts_->decoder.push_back(byte_level_decoder());
    begin_and_end(false, false);
  }

  void build_bert() {
    special_ids(101, 102, 100, 0);
    if (v_.cls && !v_.bos) parts_->bos = known(v_.cls, 101);
    parts_->eos = known(v_.sep ? v_.sep : v_.eos, 102);
    // The converter writes "##ing" as "ing" and a word's beginning with U+2581.
    WordPieceConfig config;
    constexpr std::string_view mark = "\xE2\x96\x81";
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const std::string& text = pieces_[i].text;
      const bool special = pieces_[i].type == PieceType::control || pieces_[i].type == PieceType::unknown;
      config.vocabulary.add(special ? text : text.starts_with(mark) ? text.substr(mark.size()) : "##" + text, static_cast<TokenId>(i));
    }
    if (parts_->unk) config.unk_token = pieces_[static_cast<std::size_t>(*parts_->unk)].text;
    const bool lower = v_.lowercase.value_or(true);
    Json normalizer;
    normalizer.set("type", "BertNormalizer");
    normalizer.set("clean_text", true);
    normalizer.set("handle_chinese_chars", true);
    normalizer.set("lowercase", lower);
    normalizer.set("strip_accents", v_.strip_accents.value_or(lower));
    parts_->normalizer = make_normalizer(Fields(normalizer, std::string(what_)));
    Json pre;
    pre.set("type", "BertPreTokenizer");
    parts_->pre_tokenizer = make_pre_tokenizer(Fields(pre, std::string(what_)));
    Json decoder;
    decoder.set("type", "WordPiece");
    decoder.set("prefix", "##");
    decoder.set("cleanup", false);
    const Fields decoder_fields(decoder, std::string(what_));
    parts_->decoder = make_decoder(&decoder_fields);
    parts_->model = make_wordpiece(std::move(config));
    parts_->post_processor = around(named(parts_->bos), named(parts_->eos));
    read_policy(*parts_);
  }

  void build_bpe() {
    const std::string name = v_.model == "gemma4" ? "gemma4" : v_.pre;
    const GgufPre* pre = find_gguf_pre(name);
    if (!pre) {
      fail(what_, ": tokenizer.ggml.pre '", name, "' is not known here; convert the model again with a newer converter, or use its Hugging Face folder");
    }
    special_ids(v_.model == "gemma4" ? -1 : 11, v_.model == "gemma4" ? -1 : 11, -1, -1);
    if (v_.merges.empty()) fail(what_, ": tokenizer.ggml.merges is missing or empty");
    BpeConfig config;
    for (std::size_t i = 0; i < pieces_.size(); ++i) config.vocabulary.add(pieces_[i].text, static_cast<TokenId>(i));
    config.merges.reserve(v_.merges.size());
    for (std::size_t i = 0; i < v_.merges.size(); ++i) {
      const std::string& line = v_.merges[i];
      const std::size_t space = line.find(' ', 1);
      if (space == std::string::npos) fail(what_, ": tokenizer.ggml.merges[", i, "] '", line, "' is no pair");
      config.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    }
    config.skip_unknown_merges = true;
    config.ignore_merges = pre->ignore_merges;
    config.byte_fallback = !pre->byte_level;
    config.newline_runs_whole = !pre->byte_level;
    parts_->model = make_bpe(std::move(config), what_);

    std::vector<std::unique_ptr<const PreTokenizer>> steps;
    for (const std::string_view pattern : pre->patterns) {
      steps.push_back(regex_split(Regex(pattern, cat("the pattern of '", name, "'")), SplitBehavior::isolated));
    }
    if (pre->byte_level) {
      steps.push_back(byte_level_pre_tokenizer(false, false));
    } else {
      SpNormalizerConfig normalizer;
      normalizer.add_dummy_prefix = false;
      normalizer.remove_extra_whitespaces = false;
      parts_->normalizer = make_sp_normalizer(std::move(normalizer));
    }
    parts_->pre_tokenizer = pre_tokenizer_sequence(std::move(steps));
    piece_decoder(pre->byte_level, false);
    begin_and_end(pre->add_bos, false);
  }

  void add_tokens() {
    std::string name = v_.general_name;
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool phi3 = name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
    const bool mask_strips = v_.pre == "jina-v2-de" || v_.pre == "jina-v2-es" || v_.pre == "jina-v2-code" || v_.architecture == "nomic-bert-moe" ||
                             v_.architecture == "jina-bert-v3";
    const bool modern_bert = name.find("modern-bert") != std::string::npos;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const ScoredPiece& p = pieces_[i];
      const bool special = p.type == PieceType::control || p.type == PieceType::unknown;
      if (!special && p.type != PieceType::user_defined) continue;
      AddedToken t{.content = p.text, .id = static_cast<TokenId>(i), .normalized = false, .special = special};
      t.lstrip = (mask_strips && p.text == "<mask>") || (modern_bert && p.text == "[MASK]");
      t.rstrip = !mask_strips && phi3 && p.text != "<unk>" && p.text != "<s>" && p.text != "<|endoftext|>";
      parts_->added.add(std::move(t));
    }
    parts_->added.match_longest_first();
    parts_->added.finish(nullptr);
  }

  GgufVocab v_;
  std::string_view what_;
  std::vector<ScoredPiece> pieces_;
  std::unique_ptr<TokenizerParts> parts_;
};

}  // namespace

bool is_known_gguf_pre(std::string_view pre) { return find_gguf_pre(pre) != nullptr; }

Tokenizer tokenizer_from_gguf(GgufVocab vocab, std::string_view what) { return Builder(std::move(vocab), what).build(); }

}  // namespace tashika
