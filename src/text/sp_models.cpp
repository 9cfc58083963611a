#include "text/sp_models.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <unordered_map>

#include "base/error.h"
#include "text/byte_trie.h"
#include "text/utf8.h"

namespace tashika {
namespace {

Vocabulary vocabulary_of(const ScoredConfig& config) {
  Vocabulary v;
  for (std::size_t i = 0; i < config.pieces.size(); ++i) v.add(config.pieces[i].text, static_cast<TokenId>(i));
  return v;
}

// Pieces that text may become (the others are reserved: control, unknown and byte pieces).
bool is_text(PieceType type) {
  return type == PieceType::normal || type == PieceType::user_defined || type == PieceType::unused;
}
bool is_reserved(PieceType type) { return type == PieceType::control || type == PieceType::unknown; }

class Scored : public Model {
 public:
  std::optional<TokenId> unk() const override { return unk_; }

 protected:
  explicit Scored(ScoredConfig config)
      : Model(vocabulary_of(config)), unk_(config.unk), byte_fallback_(config.byte_fallback), llama_cpp_(config.llama_cpp), pieces_(std::move(config.pieces)) {
    for (int b = 0; b < 256; ++b) bytes_[static_cast<std::size_t>(b)] = vocabulary_.id(byte_token(static_cast<unsigned char>(b)));
    std::vector<std::pair<std::string_view, std::uint32_t>> user;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      if (pieces_[i].type == PieceType::user_defined) user.emplace_back(pieces_[i].text, static_cast<std::uint32_t>(i));
    }
    user_defined_ = ByteTrie(std::move(user));
  }
  PieceType type(TokenId id) const { return pieces_[static_cast<std::size_t>(id)].type; }

  // An unknown piece: its bytes, or the unknown token, once for a run of them.
  void unknown(std::string_view piece, bool& after_unknown, TokenSink& sink) const {
    if (byte_fallback_) {
      for (const char c : piece) {
        const auto byte = static_cast<unsigned char>(c);
        const auto id = bytes_[byte] ? bytes_[byte] : unk_;
        if (!id) fail("the tokenizer's vocabulary has no token for the byte ", int(byte), " and no unknown token");
        sink.add(*id, sink.with_tokens ? byte_token(byte) : std::string{});
      }
      after_unknown = false;
      return;
    }
    if (!unk_) fail("a character has no token, and the tokenizer has no unknown token");
    if (after_unknown) {
      if (sink.with_tokens) sink.out.tokens.back().append(piece);
      return;
    }
    sink.add(*unk_, piece);
    after_unknown = true;
  }

  std::optional<TokenId> unk_;
  bool byte_fallback_, llama_cpp_;
  std::vector<ScoredPiece> pieces_;
  std::array<std::optional<TokenId>, 256> bytes_;
  ByteTrie user_defined_;
};

// Merges the adjacent pair whose union is the piece of the highest score, the leftmost of equals.
class ScoredBpe final : public Scored {
 public:
  explicit ScoredBpe(ScoredConfig config) : Scored(std::move(config)) {}
  std::string_view name() const override { return "BPE"; }

  void tokenize(std::string_view text, ModelScratch& scratch, TokenSink& sink) const override {
    std::vector<Symbol> symbols;
    symbols.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      // llama.cpp takes the length that the lead byte claims, whatever follows.
      const std::size_t claimed = llama_cpp_ && static_cast<unsigned char>(text[at]) >= 0xF0 ? 4 : utf8::length(text[at]);
      std::size_t size = std::min(claimed, text.size() - at);
      bool frozen = false;
      if (!llama_cpp_) {
        if (const ByteTrie::Hit hit = user_defined_.longest(text.substr(at)); hit.length > 0) {
          size = hit.length;
          frozen = true;
        }
      }
      const auto n = static_cast<std::int32_t>(symbols.size());
      if (n > 0) symbols.back().next = n;
      symbols.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size), n - 1, -1, frozen});
      at += size;
    }
    Splits splits;
    merge(text, symbols, splits, scratch);
    bool after_unknown = false;
    for (std::int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[static_cast<std::size_t>(i)].next) {
      const Symbol& s = symbols[static_cast<std::size_t>(i)];
      emit(text.substr(s.at, s.size), splits, after_unknown, sink);
    }
  }

 private:
  struct Symbol {
    std::uint32_t at, size;
    std::int32_t prev, next;
    bool frozen;
  };
  struct Pair {
    float score;
    std::uint32_t left, size;
  };
  // Where the unused pieces of a text were joined.
  using Splits = std::unordered_map<std::string, std::uint32_t>;

  std::optional<TokenId> piece(std::string_view text) const {
    const auto id = vocabulary_.id(text);
    return id && (llama_cpp_ ? !is_reserved(type(*id)) : is_text(type(*id))) ? id : std::nullopt;
  }

  void merge(std::string_view text, std::vector<Symbol>& symbols, Splits& splits, ModelScratch& scratch) const {
    std::vector<Pair> heap;
    const auto worse = [](const Pair& a, const Pair& b) { return a.score != b.score ? a.score < b.score : a.left > b.left; };
    const auto consider = [&](std::int32_t left, std::int32_t right, bool push) {
      if (left < 0 || right < 0) return;
      const Symbol &a = symbols[static_cast<std::size_t>(left)], &b = symbols[static_cast<std::size_t>(right)];
      if (a.frozen || b.frozen || a.size + b.size > vocabulary_.longest()) return;
      ++scratch.work;
      const std::string_view both = text.substr(a.at, a.size + b.size);
      const auto id = piece(both);
      if (!id) return;
      heap.push_back({pieces_[static_cast<std::size_t>(*id)].score, static_cast<std::uint32_t>(left), a.size + b.size});
      if (push) std::push_heap(heap.begin(), heap.end(), worse);
      if (!llama_cpp_ && type(*id) == PieceType::unused) splits[std::string(both)] = a.size;
    };
    for (std::size_t i = 1; i < symbols.size(); ++i) consider(static_cast<std::int32_t>(i) - 1, static_cast<std::int32_t>(i), false);
    std::make_heap(heap.begin(), heap.end(), worse);
    while (!heap.empty()) {
      ++scratch.work;
      std::pop_heap(heap.begin(), heap.end(), worse);
      const Pair top = heap.back();
      heap.pop_back();
      Symbol& left = symbols[top.left];
      if (left.size == 0 || left.next < 0) continue;
      Symbol& right = symbols[static_cast<std::size_t>(left.next)];
      if (left.size + right.size != top.size) continue;
      left.size += right.size;
      left.next = right.next;
      right.size = 0;
      if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].prev = static_cast<std::int32_t>(top.left);
      consider(left.prev, static_cast<std::int32_t>(top.left), true);
      consider(static_cast<std::int32_t>(top.left), left.next, true);
    }
  }

  // A piece as a token; unused pieces are taken apart again the way they were put together.
  void emit(std::string_view text, const Splits& splits, bool& after_unknown, TokenSink& sink) const {
    std::vector<std::string_view> todo{text};
    while (!todo.empty()) {
      const std::string_view part = todo.back();
      todo.pop_back();
      const auto id = vocabulary_.id(part);
      if (!id || type(*id) == PieceType::unknown) {
        unknown(part, after_unknown, sink);
        continue;
      }
      if (!llama_cpp_ && type(*id) == PieceType::unused) {
        if (const auto split = splits.find(std::string(part)); split != splits.end()) {
          todo.push_back(part.substr(split->second));
          todo.push_back(part.substr(0, split->second));
          continue;
        }
      }
      sink.add(*id, part);
      after_unknown = false;
    }
  }
};

class ScoredUnigram final : public Scored {
 public:
  explicit ScoredUnigram(ScoredConfig config) : Scored(std::move(config)) {
    float least = FLT_MAX;
    most_ = llama_cpp_ ? -FLT_MAX : FLT_MIN;
    std::vector<std::pair<std::string_view, std::uint32_t>> keys;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      if (pieces_[i].type == PieceType::normal) {
        least = std::min(least, pieces_[i].score);
        most_ = std::max(most_, pieces_[i].score);
      }
      if (is_text(pieces_[i].type)) keys.emplace_back(pieces_[i].text, static_cast<std::uint32_t>(i));
    }
    unknown_score_ = least - 10.0f;
    trie_ = ByteTrie(std::move(keys));
  }
  std::string_view name() const override { return "Unigram"; }

  void tokenize(std::string_view text, ModelScratch& scratch, TokenSink& sink) const override {
    struct Best {
      double score = 0;  // SentencePiece keeps a float here, llama.cpp a double
      std::uint32_t start = none;
      TokenId id = -1;
    };
    std::vector<Best> best(text.size() + 1);
    for (std::size_t at = 0; at < text.size();) {
      const double here = best[at].score;
      const std::size_t size = std::min(utf8::length(text[at]), text.size() - at);
      bool whole_character = false;
      const auto offer = [&](std::size_t end, double score, TokenId id) {
        Best& b = best[end];
        if (b.start == none || score > b.score) b = {llama_cpp_ ? score : static_cast<double>(static_cast<float>(score)), static_cast<std::uint32_t>(at), id};
      };
      scratch.work += trie_.prefixes(text.substr(at), [&](std::size_t length, std::uint32_t id) {
        const ScoredPiece& p = pieces_[id];
        if (p.type == PieceType::unused && !llama_cpp_) return;
        double score = p.score;
        if (p.type == PieceType::user_defined) score = llama_cpp_ ? 0.0 : static_cast<double>(static_cast<float>(length) * most_) - 0.1;
        offer(at + length, score + here, static_cast<TokenId>(id));
        whole_character |= length == size;
      });
      if (!whole_character) {
        // In SentencePiece this sum is one of floats.
        const double score = llama_cpp_ ? unknown_score_ + here : static_cast<double>(unknown_score_ + static_cast<float>(here));
        offer(at + size, score, -1);
      }
      at += size;
    }
    std::vector<std::pair<std::uint32_t, std::uint32_t>> path;
    for (std::size_t end = text.size(); end > 0; end = best[end].start) path.emplace_back(best[end].start, end);
    bool after_unknown = false;
    for (auto p = path.rbegin(); p != path.rend(); ++p) {
      const std::string_view piece = text.substr(p->first, p->second - p->first);
      const TokenId id = best[p->second].id;
      if (id < 0 || id == unk_) {
        unknown(piece, after_unknown, sink);
      } else {
        sink.add(id, piece);
        after_unknown = false;
      }
    }
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  float most_ = 0, unknown_score_ = 0;
  ByteTrie trie_;
};

class SpNormalizer final : public Normalizer {
 public:
  explicit SpNormalizer(SpNormalizerConfig config) : c_(std::move(config)) {
    std::vector<std::pair<std::string_view, std::uint32_t>> keys;
    for (const std::string& s : c_.user_defined) keys.emplace_back(s, 0);
    user_defined_ = ByteTrie(std::move(keys));
  }

  void apply(Piece& piece, RegexScratch&) const override {
    const std::string_view space = c_.escape_whitespaces ? "\xE2\x96\x81" : " ";
    const bool dummy = c_.add_dummy_prefix && (piece.at_start || !c_.dummy_prefix_first_only);
    std::string_view input = piece.text;
    std::string out;
    if (c_.remove_extra_whitespaces) {
      while (!input.empty()) {
        const auto [text, used] = prefix(input);
        if (text != " ") break;
        input.remove_prefix(used);
      }
    }
    if (!input.empty()) {
      out.reserve(input.size() + input.size() / 4 + 8);
      if (dummy && !c_.whitespace_as_suffix) out += space;
      bool after_space = c_.remove_extra_whitespaces;
      while (!input.empty()) {
        auto [text, used] = prefix(input);
        while (after_space && text.starts_with(' ')) text.remove_prefix(1);
        if (!text.empty()) {
          for (const char c : text) {
            if (c == ' ') {
              out += space;
            } else {
              out += c;
            }
          }
          after_space = text.ends_with(' ');
        }
        input.remove_prefix(used);
        if (!c_.remove_extra_whitespaces) after_space = false;
      }
      if (c_.remove_extra_whitespaces) {
        while (out.ends_with(space)) out.resize(out.size() - space.size());
      }
      if (dummy && c_.whitespace_as_suffix) out += space;
    }
    piece.text = std::move(out);
    piece.lead = 0;
  }

 private:
  std::pair<std::string_view, std::size_t> prefix(std::string_view input) const {
    if (!user_defined_.empty()) {
      if (const ByteTrie::Hit hit = user_defined_.longest(input); hit.length > 0) return {input.substr(0, hit.length), hit.length};
    }
    if (const auto hit = c_.charsmap.longest(input)) return {hit->text, hit->length};
    const utf8::Scanned s = utf8::scan(input, 0);
    if (!s.valid && c_.keep_invalid) return {input.substr(0, 1), 1};
    if (!s.valid) return {"\xEF\xBF\xBD", 1};  // not mapped further
    return {input.substr(0, s.size), s.size};
  }
  SpNormalizerConfig c_;
  ByteTrie user_defined_;
};

}  // namespace

std::unique_ptr<const Model> make_scored_bpe(ScoredConfig config, std::string_view) { return std::make_unique<ScoredBpe>(std::move(config)); }
std::unique_ptr<const Model> make_scored_unigram(ScoredConfig config, std::string_view) {
  return std::make_unique<ScoredUnigram>(std::move(config));
}
std::unique_ptr<const Normalizer> make_sp_normalizer(SpNormalizerConfig config) { return std::make_unique<SpNormalizer>(std::move(config)); }

}  // namespace tashika
