// Byte-pair encoding as the `tokenizers` library does it: merges by rank, leftmost first, from a
// heap with entries checked when they come up: O(n log n) in the length of a word.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/model.h"
#include "text/utf8.h"

namespace tashika {

std::string byte_token(unsigned char byte) {
  static constexpr char digits[] = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
}

std::optional<unsigned char> parse_byte_token(std::string_view t) {
  if (t.size() != 6 || !t.starts_with("<0x") || t[5] != '>') return std::nullopt;
  int value = 0;
  for (const char c : t.substr(3, 2)) {
    const int d = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (d < 0) return std::nullopt;
    value = value * 16 + d;
  }
  return static_cast<unsigned char>(value);
}

namespace {

constexpr std::size_t max_cached_word = 256, max_cached_words = 16384;

class Bpe final : public Model {
 public:
  Bpe(BpeConfig config, std::string_view what)
      : Model(std::move(config.vocabulary)),
        merges_(config.merges.size()),
        prefix_(std::move(config.continuing_subword_prefix)),
        suffix_(std::move(config.end_of_word_suffix)),
        fuse_unk_(config.fuse_unk),
        byte_fallback_(config.byte_fallback),
        ignore_merges_(config.ignore_merges),
        newline_runs_whole_(config.newline_runs_whole) {
    if (config.unk_token) {
      unk_text_ = *config.unk_token;
      unk_ = vocabulary_.id(unk_text_);
      has_unk_ = true;
    }
    for (int b = 0; b < 256; ++b) byte_ids_[static_cast<std::size_t>(b)] = vocabulary_.id(byte_token(static_cast<unsigned char>(b)));
    std::string both;
    for (std::size_t i = 0; i < config.merges.size(); ++i) {
      const auto& [a, b] = config.merges[i];
      const auto a_id = vocabulary_.id(a), b_id = vocabulary_.id(b);
      std::optional<TokenId> id;
      if (b.size() >= prefix_.size()) {
        both.assign(a);
        both.append(b, prefix_.size());
        id = vocabulary_.id(both);
      }
      if (!a_id || !b_id || !id) {
        if (config.skip_unknown_merges) continue;
        fail(what, ".merges[", i, "]: '", !a_id ? a : !b_id ? b : both, "' is not in the vocabulary");
      }
      if (config.skip_unknown_merges && merges_.find(key(*a_id, *b_id))) continue;
      merges_[key(*a_id, *b_id)] = {static_cast<std::uint32_t>(i), *id};
    }
  }

  std::string_view name() const override { return "BPE"; }
  std::optional<TokenId> unk() const override { return unk_; }

  void tokenize(std::string_view word, ModelScratch& scratch, TokenSink& sink) const override {
    if (ignore_merges_ || (newline_runs_whole_ && word.find_first_not_of('\n') == std::string_view::npos)) {
      if (const auto id = vocabulary_.id(word)) {
        sink.add(*id, word);
        return;
      }
    }
    const bool cached = word.size() <= max_cached_word;
    std::string key;
    if (cached) {
      key.assign(word);
      if (const auto found = scratch.cache.find(key); found != scratch.cache.end()) {
        for (const TokenId id : found->second) sink.add(id, text(id));
        return;
      }
    }
    split(word, scratch);
    merge(scratch);
    std::vector<TokenId> ids;
    for (const auto& s : scratch.symbols) {
      if (s.length == 0) continue;
      sink.add(s.id, text(s.id));
      if (cached) ids.push_back(s.id);
    }
    if (cached && scratch.cache.size() < max_cached_words) scratch.cache.emplace(std::move(key), std::move(ids));
  }

 private:
  struct Merge {
    std::uint32_t rank = 0;
    TokenId id = 0;
  };
  static std::uint64_t key(TokenId a, TokenId b) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(a)) << 32) | static_cast<std::uint32_t>(b);
  }

  // The word's characters as symbols, unknown ones as the unknown token or as bytes.
  void split(std::string_view word, ModelScratch& scratch) const {
    auto& symbols = scratch.symbols;
    symbols.clear();
    const auto add = [&](TokenId id, std::size_t length) {
      const auto n = static_cast<std::int32_t>(symbols.size());
      if (n > 0) symbols.back().next = n;
      symbols.push_back({id, n - 1, -1, static_cast<std::uint32_t>(length)});
    };
    std::size_t unknown = 0;  // bytes of the unknown token not added yet
    std::string spelled;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t size = std::min(utf8::length(word[at]), word.size() - at), next = at + size;
      std::string_view s = word.substr(at, size);
      const bool prefixed = at > 0 && !prefix_.empty(), suffixed = next == word.size() && !suffix_.empty();
      if (prefixed || suffixed) {
        spelled.clear();
        if (prefixed) spelled += prefix_;
        spelled += s;
        if (suffixed) spelled += suffix_;
        s = spelled;
      }
      at = next;
      ++scratch.work;
      if (const auto id = vocabulary_.id(s)) {
        if (unknown > 0) add(*unk_, unknown);
        unknown = 0;
        add(*id, size);
        continue;
      }
      if (byte_fallback_ && std::all_of(s.begin(), s.end(), [&](char c) { return byte_ids_[static_cast<unsigned char>(c)].has_value(); })) {
        // Bytes come before an unknown character that is still waiting, as in the reference.
        for (const char c : s) add(*byte_ids_[static_cast<unsigned char>(c)], 1);
        continue;
      }
      if (!has_unk_) continue;  // dropped, as in the reference
      if (!unk_) fail("the tokenizer's unknown token '", unk_text_, "' is not in its vocabulary");
      if (unknown > 0 && !fuse_unk_) {
        add(*unk_, unknown);
        unknown = 0;
      }
      unknown += size;
    }
    if (unknown > 0) add(*unk_, unknown);
  }

  void merge(ModelScratch& scratch) const {
    auto& symbols = scratch.symbols;
    auto& heap = scratch.heap;
    heap.clear();
    const auto later = [](const ModelScratch::Candidate& a, const ModelScratch::Candidate& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
    };
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      if (const Merge* m = merges_.find(key(symbols[i].id, symbols[i + 1].id))) {
        heap.push_back({m->rank, static_cast<std::uint32_t>(i), m->id});
      }
    }
    std::make_heap(heap.begin(), heap.end(), later);
    const auto consider = [&](std::int32_t left, std::int32_t right) {
      if (left < 0 || right < 0) return;
      const Merge* m = merges_.find(key(symbols[static_cast<std::size_t>(left)].id, symbols[static_cast<std::size_t>(right)].id));
      if (!m) return;
      heap.push_back({m->rank, static_cast<std::uint32_t>(left), m->id});
      std::push_heap(heap.begin(), heap.end(), later);
    };
    while (!heap.empty()) {
      ++scratch.work;
      std::pop_heap(heap.begin(), heap.end(), later);
      const auto top = heap.back();
      heap.pop_back();
      auto& left = symbols[top.left];
      if (left.length == 0 || left.next < 0) continue;
      auto& right = symbols[static_cast<std::size_t>(left.next)];
      // An entry is stale when the pair there no longer makes this token.
      const Merge* m = merges_.find(key(left.id, right.id));
      if (!m || m->id != top.id) continue;
      left.id = top.id;
      left.length += right.length;
      left.next = right.next;
      right.length = 0;
      if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].prev = static_cast<std::int32_t>(top.left);
      consider(left.prev, static_cast<std::int32_t>(top.left));
      consider(static_cast<std::int32_t>(top.left), left.next);
    }
  }

  FlatMap<Merge> merges_;
  std::array<std::optional<TokenId>, 256> byte_ids_;
  std::string prefix_, suffix_, unk_text_;
  std::optional<TokenId> unk_;
  bool has_unk_ = false, fuse_unk_, byte_fallback_, ignore_merges_, newline_runs_whole_;
};

}  // namespace

std::unique_ptr<const Model> make_bpe(BpeConfig config, std::string_view what) {
  return std::make_unique<Bpe>(std::move(config), what);
}

}  // namespace tashika
