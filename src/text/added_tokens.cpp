#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace tashika {
namespace {

// Texts for SentencePiece keep their invalid bytes until its normalizer: each counts as U+FFFD here.
utf8::Decoded character(std::string_view text, std::size_t at) {
  return utf8::scan(text, at).valid ? utf8::decode(text, at) : utf8::Decoded{0xFFFD, 1};
}

}  // namespace

void AddedTokens::add(AddedToken token) {
  if (token.content.empty()) return;
  limit_ = std::max(limit_, token.id + 1);
  if (token.special) {
    special_.insert(token.content);
    if (!token.shown) skipped_.insert(token.content);
  }
  const auto same = by_id_.find(token.id);
  std::size_t place = tokens_.size();
  if (same != by_id_.end()) {
    place = same->second;
    tokens_[place] = token;
  } else {
    tokens_.push_back(token);
    by_id_[token.id] = place;
  }
  by_content_[token.content] = place;
}

void AddedTokens::finish(const Normalizer* normalizer) {
  normalized_.clear();
  RegexScratch scratch;
  std::vector<std::pair<std::string_view, std::uint32_t>> raw, normalized;
  normalized_.reserve(tokens_.size());
  for (const AddedToken& t : tokens_) {
    normalized_.push_back(t.content);
    if (t.normalized && normalizer) {
      Piece piece = Piece::whole(t.content);
      normalizer->apply(piece, scratch);
      normalized_.back() = std::move(piece.text);
    }
  }
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (!normalized_[i].empty()) (tokens_[i].normalized ? normalized : raw).emplace_back(normalized_[i], static_cast<std::uint32_t>(i));
  }
  raw_trie_ = ByteTrie(std::move(raw));
  normalized_trie_ = ByteTrie(std::move(normalized));
}

const AddedToken* AddedTokens::find(TokenId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}
const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(std::string(content));
  return found == by_content_.end() ? nullptr : &tokens_[found->second];
}
const std::string* AddedTokens::spelling(TokenId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &normalized_[found->second];
}

void AddedTokens::split(const Piece& piece, const ByteTrie& trie, bool special_as_text, const OnToken& on_token,
                        const OnText& on_text) const {
  const std::string_view text = piece.text;
  if (text.empty()) return;
  const CodeSet &word = unicode::rust_word(), &white = unicode::white_space();
  // Where the text not handed on yet starts. A match that strips spaces to its right may move it
  // past the start of the next match, which counts all the same (as in the reference).
  std::size_t rest = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (!trie.starts(text[at])) {
      ++at;
      continue;
    }
    const ByteTrie::Hit hit = trie.longest(text.substr(at));
    if (hit.length == 0) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + hit.length;
    at = end;
    const AddedToken& token = tokens_[hit.value];
    if (special_as_text && special_.contains(token.content)) continue;
    if (token.single_word) {
      const bool left = begin > 0 && word.contains(character(text, utf8::previous(text, begin)).code);
      const bool right = end < text.size() && word.contains(character(text, end).code);
      if (left || right) continue;
    }
    if (token.lstrip) {
      while (begin > 0) {
        const std::size_t before = utf8::previous(text, begin);
        if (before < rest || !white.contains(character(text, before).code)) break;
        begin = before;
      }
      begin = std::max(begin, rest);
    }
    if (token.rstrip) {
      while (end < text.size()) {
        const utf8::Decoded c = character(text, end);
        if (!white.contains(c.code)) break;
        end += c.size;
      }
    }
    if (rest < begin) on_text(piece.slice(rest, begin));
    on_token(token, text.substr(begin, end - begin));
    rest = end;
  }
  if (rest < text.size()) on_text(piece.slice(rest, text.size()));
}

void AddedTokens::split_longest_first(std::string_view text, const Normalizer* normalizer, bool special_as_text, RegexScratch& scratch,
                                      const OnToken& on_token, const OnText& on_text) const {
  // Which tokens occur at all, so that each need not search the whole text.
  std::vector<char> occurs(tokens_.size(), 0);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (raw_trie_.starts(text[at])) raw_trie_.prefixes(text.substr(at), [&](std::size_t, std::uint32_t i) { occurs[i] = 1; });
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (occurs[i] && !(special_as_text && tokens_[i].special)) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return tokens_[a].content.size() > tokens_[b].content.size(); });

  constexpr std::size_t no_token = ~std::size_t{0};
  struct Part {
    std::size_t begin, end, token;
  };
  const auto is_space = [&](std::size_t at) { return text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r'); };
  std::vector<Part> parts, next;
  if (!text.empty()) parts.push_back({0, text.size(), no_token});
  for (const std::size_t i : order) {
    const AddedToken& token = tokens_[i];
    next.clear();
    for (const Part& part : parts) {
      if (part.token != no_token) {
        next.push_back(part);
        continue;
      }
      std::size_t begin = part.begin;
      while (begin < part.end) {
        const std::size_t found = text.substr(0, part.end).find(token.content, begin);
        if (found == std::string_view::npos) break;
        std::size_t left = found;
        while (token.lstrip && left > begin && is_space(left - 1)) --left;
        if (left > begin) next.push_back({begin, left, no_token});
        begin = found + token.content.size();
        next.push_back({found, begin, i});
        while (token.rstrip && begin < part.end && is_space(begin)) ++begin;
      }
      if (begin < part.end) next.push_back({begin, part.end, no_token});
    }
    parts.swap(next);
  }
  for (const Part& part : parts) {
    const std::string_view s = text.substr(part.begin, part.end - part.begin);
    if (part.token != no_token) {
      on_token(tokens_[part.token], s);
      continue;
    }
    Piece piece = Piece::whole(s);
    piece.at_start = part.begin == 0;
    if (normalizer) normalizer->apply(piece, scratch);
    if (!piece.text.empty()) on_text(std::move(piece));
  }
}

void AddedTokens::extract(std::string_view text, const Normalizer* normalizer, bool special_as_text, RegexScratch& scratch,
                          const OnToken& on_token, const OnText& on_text) const {
  if (longest_first_) {
    split_longest_first(text, normalizer, special_as_text, scratch, on_token, on_text);
    return;
  }
  split(Piece::whole(text), raw_trie_, special_as_text, on_token, [&](Piece&& piece) {
    if (normalizer) normalizer->apply(piece, scratch);
    if (piece.text.empty()) return;
    split(piece, normalized_trie_, special_as_text, on_token, on_text);
  });
}

}  // namespace tashika
