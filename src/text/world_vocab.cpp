#include "text/world_vocab.h"

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/byte_trie.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

namespace tashika {
namespace {

constexpr TokenId largest_id = 1 << 24;

class LongestMatch final : public Model {
 public:
  LongestMatch(Vocabulary vocabulary, ByteTrie trie, std::string what)
      : Model(std::move(vocabulary)), trie_(std::move(trie)), what_(std::move(what)) {}
  void tokenize(std::string_view word, ModelScratch& scratch, TokenSink& sink) const override {
    while (!word.empty()) {
      ByteTrie::Hit hit;
      scratch.work += trie_.prefixes(word, [&](std::size_t length, std::uint32_t value) { hit = {length, value}; });
      if (hit.length == 0) fail(what_, ": no token begins with byte ", static_cast<int>(static_cast<unsigned char>(word[0])));
      const auto id = static_cast<TokenId>(hit.value);
      sink.add(id, text(id));
      word.remove_prefix(hit.length);
    }
  }
  std::string_view name() const override { return "World"; }
  std::optional<TokenId> unk() const override { return std::nullopt; }

 private:
  ByteTrie trie_;
  std::string what_;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A line of the file.
class Line {
 public:
  Line(std::string_view line, std::size_t number, std::string_view what) : line_(line), number_(number), what_(what) {}

  std::pair<std::string, TokenId> read() {
    const std::size_t first = line_.find(' '), last = line_.rfind(' ');
    if (first == std::string_view::npos || first == last) bad("is not `id token length`");
    const std::int64_t id = number(line_.substr(0, first)), length = number(line_.substr(last + 1));
    if (id < 1 || id > largest_id) bad("has the id ", id, ", outside 1…", largest_id);
    std::string token = literal(line_.substr(first + 1, last - first - 1));
    if (token.empty()) bad("has an empty token");
    if (static_cast<std::int64_t>(token.size()) != length) bad("says ", length, " bytes, its token has ", token.size());
    return {std::move(token), static_cast<TokenId>(id)};
  }

 private:
  template <typename... Args>
  [[noreturn]] void bad(const Args&... problem) const {
    fail(what_, ": line ", number_, " ", problem...);
  }
  std::int64_t number(std::string_view text) const {
    std::int64_t n = 0;
    for (const char c : text) {
      if (c < '0' || c > '9' || n > largest_id) bad("has \"", printable(text, 40), "\" where a number belongs");
      n = 10 * n + (c - '0');
    }
    if (text.empty()) bad("lacks a number");
    return n;
  }

  std::string literal(std::string_view text) const {
    const bool bytes = text.starts_with('b');
    if (bytes) text.remove_prefix(1);
    if (text.size() < 2 || (text.front() != '\'' && text.front() != '"') || text.back() != text.front()) bad("has a token that is no quoted text");
    const char quote = text.front();
    text = text.substr(1, text.size() - 2);
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
      const char c = text[i++];
      if (c == quote) bad("has a quote within its token");
      if (c != '\\') {
        if (bytes && static_cast<unsigned char>(c) >= 0x80) bad("has bytes that are no ASCII");
        out += c;
        continue;
      }
      if (i >= text.size()) bad("ends in a backslash");
      const char kind = text[i++];
      switch (kind) {
        case 'n': out += '\n'; break;
        case 't': out += '\t'; break;
        case 'r': out += '\r'; break;
        case 'a': out += '\a'; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'v': out += '\v'; break;
        case '\\':
        case '\'':
        case '"': out += kind; break;
        case 'x':
        case 'u':
        case 'U': {
          if (bytes && kind != 'x') bad("has the escape \\", kind, " in bytes");
          const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : 8;
          const std::uint32_t code = hex(text, i, digits);
          i += digits;
          if (bytes) {
            out += static_cast<char>(code);
          } else {
            if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) bad("has the code point ", code);
            utf8::append(out, code);
          }
          break;
        }
        default: bad("has the unknown escape \\", printable(std::string_view(&kind, 1)));
      }
    }
    return out;
  }
  std::uint32_t hex(std::string_view text, std::size_t at, std::size_t digits) const {
    std::uint32_t code = 0;
    for (std::size_t k = 0; k < digits; ++k) {
      const int digit = at + k < text.size() ? hex_digit(text[at + k]) : -1;
      if (digit < 0) bad("has a hexadecimal escape that is cut short");
      code = code << 4 | static_cast<std::uint32_t>(digit);
    }
    return code;
  }

  std::string_view line_;
  std::size_t number_;
  std::string_view what_;
};

}  // namespace

std::unique_ptr<const Model> make_longest_match(std::vector<std::pair<std::string, TokenId>> tokens, std::string_view what) {
  std::vector<std::pair<std::string_view, std::uint32_t>> keys;
  Vocabulary vocabulary;
  for (const auto& [token, id] : tokens) {
    keys.emplace_back(token, static_cast<std::uint32_t>(id));
    vocabulary.add(ByteAlphabet::get().encode(token), id);
  }
  return std::make_unique<LongestMatch>(std::move(vocabulary), ByteTrie(std::move(keys)), std::string(what));
}

Tokenizer tokenizer_from_world(std::string_view file, std::string_view what) {
  std::vector<std::pair<std::string, TokenId>> tokens;
  for (std::size_t number = 1; !file.empty(); ++number) {
    const std::size_t end = std::min(file.find('\n'), file.size());
    std::string_view line = file.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) tokens.push_back(Line(line, number, what).read());
    file.remove_prefix(std::min(end + 1, file.size()));
  }
  if (tokens.empty()) fail(what, ": holds no token");
  auto parts = std::make_unique<TokenizerParts>();
  parts->invalid_text = InvalidText::keep;  // every byte has a token
  parts->model = make_longest_match(std::move(tokens), what);
  parts->decoder.push_back(byte_level_decoder());
  parts->added.add({.content = "<|endoftext|>", .id = 0, .normalized = false, .special = true});
  parts->added.finish(nullptr);
  parts->eos = 0;
  read_policy(*parts);
  return Tokenizer(std::move(parts));
}

std::string unescape_world_token(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1, low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (c == 'x' && high >= 0 && low >= 0) {
      out += static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
    }
  }
  return out;
}

}  // namespace tashika
