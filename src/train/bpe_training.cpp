#include "train/bpe_training.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/pre_tokenizers.h"
#include "text/utf8.h"

namespace tashika {
namespace {

constexpr std::string_view space_mark = "\xE2\x96\x81";

using Pair = std::pair<std::uint32_t, std::uint32_t>;
struct PairHash {
  std::size_t operator()(const Pair& p) const { return std::hash<std::uint64_t>()(std::uint64_t{p.first} << 32 | p.second); }
};

struct Word {
  std::vector<std::uint32_t> symbols;
  std::int64_t count;
};

struct Candidate {
  Pair pair;
  std::int64_t count;
  std::vector<std::uint32_t> words;  // where it may stand
  bool operator<(const Candidate& other) const { return count != other.count ? count < other.count : pair > other.pair; }
};

class Queue {
 public:
  bool empty() const { return heap_.empty(); }
  void push(Candidate candidate) {
    heap_.push_back(std::move(candidate));
    std::push_heap(heap_.begin(), heap_.end());
  }
  Candidate pop() {
    std::pop_heap(heap_.begin(), heap_.end());
    Candidate out = std::move(heap_.back());
    heap_.pop_back();
    return out;
  }

 private:
  std::vector<Candidate> heap_;
};

class BpeLearner {
 public:
  BpeLearner(const WordCounts& counts, const BpeTraining& options) : options_(options) {
    for (const std::string& token : options.special_tokens) add_token(token);
    add_alphabet(counts);
    add_words(counts);
  }

  TrainedBpe learn() {
    TrainedBpe out;
    Queue queue;
    count_pairs(queue);
    while (static_cast<std::int64_t>(tokens_.size()) < options_.vocab_size && !queue.empty()) {
      Candidate top = queue.pop();
      const std::int64_t now = pair_counts_[top.pair];
      if (top.count != now) {
        top.count = now;
        if (now > 0) queue.push(std::move(top));
        continue;
      }
      if (top.count < 1 || options_.min_frequency > top.count) break;
      const auto& [a, b] = top.pair;
      out.merges.emplace_back(tokens_[a], tokens_[b]);
      merge(top, add_token(tokens_[a] + tokens_[b]), queue);
    }
    out.tokens = std::move(tokens_);
    return out;
  }

 private:
  std::uint32_t add_token(const std::string& token) {
    const auto [it, fresh] = ids_.try_emplace(token, static_cast<std::uint32_t>(tokens_.size()));
    if (fresh) tokens_.push_back(token);
    return it->second;
  }

  void add_alphabet(const WordCounts& counts) {
    std::map<char32_t, std::uint64_t> seen;
    for (const auto& [word, count] : counts) {
      for (const char32_t c : utf8::to_u32(word)) seen[c] += count;
    }
    constexpr std::uint64_t always = ~std::uint64_t{0};
    for (const std::string& c : options_.initial_alphabet) seen[utf8::decode(c, 0).code] = always;
    std::vector<std::pair<std::uint64_t, char32_t>> kept;
    for (const auto& [c, count] : seen) kept.emplace_back(count, c);
    if (options_.limit_alphabet > 0 && static_cast<std::int64_t>(kept.size()) > options_.limit_alphabet) {
      std::stable_sort(kept.begin(), kept.end(), [](const auto& x, const auto& y) { return x.first > y.first; });
      kept.resize(static_cast<std::size_t>(options_.limit_alphabet));
    }
    std::sort(kept.begin(), kept.end(), [](const auto& x, const auto& y) { return x.second < y.second; });
    for (const auto& [count, c] : kept) add_token(utf8::encode(c));
  }

  void add_words(const WordCounts& counts) {
    std::vector<const WordCounts::value_type*> sorted;
    for (const auto& entry : counts) sorted.push_back(&entry);
    std::sort(sorted.begin(), sorted.end(), [](const auto* x, const auto* y) { return x->first < y->first; });
    for (const auto* entry : sorted) {
      Word word{{}, static_cast<std::int64_t>(entry->second)};
      for (const char32_t c : utf8::to_u32(entry->first)) {
        const auto it = ids_.find(utf8::encode(c));  // characters outside the alphabet go
        if (it != ids_.end()) word.symbols.push_back(it->second);
      }
      words_.push_back(std::move(word));
    }
  }

  void count_pairs(Queue& queue) {
    std::map<Pair, std::vector<std::uint32_t>> where;
    for (std::uint32_t w = 0; w < words_.size(); ++w) {
      const std::vector<std::uint32_t>& s = words_[w].symbols;
      for (std::size_t i = 0; i + 1 < s.size(); ++i) {
        const Pair pair{s[i], s[i + 1]};
        pair_counts_[pair] += words_[w].count;
        std::vector<std::uint32_t>& places = where[pair];
        if (places.empty() || places.back() != w) places.push_back(w);
      }
    }
    for (auto& [pair, places] : where) queue.push({pair, pair_counts_[pair], std::move(places)});
  }

  void merge(const Candidate& top, std::uint32_t joined, Queue& queue) {
    std::map<Pair, std::vector<std::uint32_t>> where;
    for (const std::uint32_t w : top.words) {
      Word& word = words_[w];
      std::vector<std::uint32_t>& s = word.symbols;
      std::size_t out = 0;
      const auto change = [&](std::uint32_t a, std::uint32_t b, std::int64_t by) {
        pair_counts_[{a, b}] += by * word.count;
        if (by < 0) return;
        std::vector<std::uint32_t>& places = where[{a, b}];
        if (places.empty() || places.back() != w) places.push_back(w);
      };
      for (std::size_t i = 0; i < s.size(); ++i) {
        if (i + 1 < s.size() && s[i] == top.pair.first && s[i + 1] == top.pair.second) {
          if (out > 0) {
            change(s[out - 1], s[i], -1);
            change(s[out - 1], joined, 1);
          }
          if (i + 2 < s.size()) {
            change(s[i + 1], s[i + 2], -1);
            change(joined, s[i + 2], 1);
          }
          s[out++] = joined;
          ++i;
        } else {
          s[out++] = s[i];
        }
      }
      s.resize(out);
    }
    for (auto& [pair, places] : where) {
      const std::int64_t count = pair_counts_[pair];
      if (count > 0) queue.push({pair, count, std::move(places)});
    }
  }

  const BpeTraining& options_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::vector<Word> words_;
  std::unordered_map<Pair, std::int64_t, PairHash> pair_counts_;
};

}  // namespace

TrainedBpe train_bpe(const WordCounts& words, const BpeTraining& options) { return BpeLearner(words, options).learn(); }

struct WordCounter::Cutter {
  std::unique_ptr<const PreTokenizer> pre;
  RegexScratch scratch;
};

WordCounter::WordCounter(TokenizerKind kind) : cutter_(std::make_unique<Cutter>()) {
  if (kind == TokenizerKind::byte_level) {
    cutter_->pre = byte_level_pre_tokenizer(false, true);
  } else {
    const Json description = parse_json("{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":\"always\",\"split\":true}", "Metaspace");
    cutter_->pre = make_pre_tokenizer(Fields(description, "Metaspace"));
  }
}
WordCounter::~WordCounter() = default;

void WordCounter::add(std::string_view text) {
  const std::string valid = utf8::is_valid(text) ? std::string(text) : utf8::replace_invalid(text);
  cutter_->scratch.steps = 0;
  cutter_->scratch.budget = 40'000'000 + 300 * static_cast<std::uint64_t>(valid.size());
  cutter_->pre->split(Piece::whole(valid), cutter_->scratch, [this](Piece&& piece) {
    if (!piece.text.empty()) ++counts_[piece.text];
  });
}

TrainedBpe train_tokenizer(const WordCounts& words, TokenizerKind kind, BpeTraining options) {
  if (kind == TokenizerKind::byte_level) {
    for (int b = 0; b < 256; ++b) options.initial_alphabet.emplace_back(ByteAlphabet::get().character(static_cast<unsigned char>(b)));
  }
  return train_bpe(words, options);
}

Json tokenizer_json(const TrainedBpe& trained, TokenizerKind kind, const std::vector<std::string>& special_tokens) {
  const auto part = [](const char* text) { return parse_json(text, "tokenizer"); };
  Json out, model;
  out.set("version", "1.0");
  out.set("truncation", nullptr);
  out.set("padding", nullptr);
  JsonArray added;
  for (const std::string& token : special_tokens) {
    Json entry;
    entry.set("id", std::distance(trained.tokens.begin(), std::find(trained.tokens.begin(), trained.tokens.end(), token)));
    entry.set("content", token);
    for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) entry.set(flag, false);
    entry.set("special", true);
    added.push_back(std::move(entry));
  }
  out.set("added_tokens", std::move(added));
  out.set("normalizer", nullptr);
  if (kind == TokenizerKind::byte_level) {
    out.set("pre_tokenizer", part(R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})"));
    out.set("post_processor", nullptr);
    out.set("decoder", part(R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})"));
  } else {
    const std::string metaspace = cat(R"({"type":"Metaspace","replacement":")", space_mark, R"(","prepend_scheme":"always","split":true})");
    out.set("pre_tokenizer", part(metaspace.c_str()));
    out.set("post_processor", nullptr);
    out.set("decoder", part(metaspace.c_str()));
  }
  model.set("type", "BPE");
  model.set("dropout", nullptr);
  const bool unknown = std::find(special_tokens.begin(), special_tokens.end(), "<unk>") != special_tokens.end();
  model.set("unk_token", kind == TokenizerKind::sentencepiece && unknown ? Json("<unk>") : Json());
  model.set("continuing_subword_prefix", nullptr);
  model.set("end_of_word_suffix", nullptr);
  model.set("fuse_unk", false);
  model.set("byte_fallback", false);
  model.set("ignore_merges", false);
  JsonObject vocab;
  for (std::size_t i = 0; i < trained.tokens.size(); ++i) vocab[trained.tokens[i]] = static_cast<std::int64_t>(i);
  model.set("vocab", std::move(vocab));
  JsonArray merges;
  for (const auto& [a, b] : trained.merges) merges.push_back(JsonArray{a, b});
  model.set("merges", std::move(merges));
  out.set("model", std::move(model));
  return out;
}

}  // namespace tashika
