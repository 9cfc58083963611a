#include "text/normalizers.h"

#include <functional>
#include <vector>

#include "text/base64.h"
#include "text/byte_alphabet.h"
#include "text/charsmap.h"
#include "text/unicode.h"

namespace tashika {
namespace {

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

class SequenceNormalizer final : public Normalizer {
 public:
  std::vector<std::unique_ptr<const Normalizer>> parts;
  void apply(Piece& piece, RegexScratch& scratch) const override {
    for (const auto& p : parts) p->apply(piece, scratch);
  }
};

void normalize_form(Piece& piece, unicode::Form form) {
  if (is_ascii(piece.text)) return;
  const std::u32string text = utf8::to_u32(piece.text);
  std::size_t lead = utf8::count(std::string_view(piece.text).substr(0, piece.lead));
  const std::u32string result = unicode::normalize(form, text, lead);
  std::string out;
  out.reserve(piece.text.size());
  piece.lead = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    utf8::append(out, result[i]);
    if (i + 1 == lead) piece.lead = out.size();
  }
  piece.text = std::move(out);
}

class FormNormalizer final : public Normalizer {
 public:
  explicit FormNormalizer(unicode::Form form) : form_(form) {}
  void apply(Piece& piece, RegexScratch&) const override { normalize_form(piece, form_); }

 private:
  unicode::Form form_;
};

// Characters that `drop` names go; `map` may change those that stay.
template <typename Drop, typename Map>
void filter(Piece& piece, Drop&& drop, Map&& map) {
  PieceWriter out(piece);
  std::string buffer;
  while (!out.done()) {
    const char32_t c = utf8::decode(piece.text, out.at()).code;
    if (drop(c)) {
      out.skip();
      continue;
    }
    const char32_t to = map(c);
    if (to == c) {
      out.keep();
    } else {
      buffer.clear();
      utf8::append(buffer, to);
      out.replace(buffer);
    }
  }
  out.finish();
}

void lowercase(Piece& piece) {
  PieceWriter out(piece);
  std::string buffer;
  while (!out.done()) {
    const char32_t c = utf8::decode(piece.text, out.at()).code;
    const std::u32string_view to = unicode::lower(c);
    if (to.empty()) {
      out.keep();
      continue;
    }
    for (std::size_t i = 0; i < to.size(); ++i) {
      buffer.clear();
      utf8::append(buffer, to[i]);
      i == 0 ? out.replace(buffer) : out.insert(buffer);
    }
  }
  out.finish();
}

class LowercaseNormalizer final : public Normalizer {
 public:
  void apply(Piece& piece, RegexScratch&) const override { lowercase(piece); }
};

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void apply(Piece& piece, RegexScratch&) const override {
    const CodeSet& white = unicode::white_space();
    std::size_t begin = 0, end = piece.text.size();
    while (left_ && begin < end) {
      const utf8::Decoded c = utf8::decode(piece.text, begin);
      if (!white.contains(c.code)) break;
      begin += c.size;
    }
    while (right_ && end > begin) {
      const std::size_t last = utf8::previous(piece.text, end);
      if (!white.contains(utf8::decode(piece.text, last).code)) break;
      end = last;
    }
    piece.lead = std::min(std::max(piece.lead, begin), end) - begin;
    piece.text = piece.text.substr(begin, end - begin);
  }

 private:
  bool left_, right_;
};

class StripAccentsNormalizer final : public Normalizer {
 public:
  void apply(Piece& piece, RegexScratch&) const override {
    filter(piece, [](char32_t c) { return unicode::combining_mark().contains(c); }, [](char32_t c) { return c; });
  }
};

class NmtNormalizer final : public Normalizer {
 public:
  void apply(Piece& piece, RegexScratch&) const override {
    filter(
        piece,
        [](char32_t c) {
          return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
        },
        [](char32_t c) -> char32_t {
          const bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                             c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
          return space ? ' ' : c;
        });
  }
};

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(const Fields& f)
      : clean_(f.boolean("clean_text")), chinese_(f.boolean("handle_chinese_chars")), lower_(f.boolean("lowercase")) {
    accents_ = f.boolean_or("strip_accents", lower_);
  }
  void apply(Piece& piece, RegexScratch&) const override {
    const CodeSet& white = unicode::white_space();
    if (clean_) {
      filter(
          piece,
          [](char32_t c) {
            if (c == '\t' || c == '\n' || c == '\r') return false;
            return c == 0 || c == 0xFFFD || unicode::bert_control().contains(c);
          },
          [&](char32_t c) -> char32_t { return white.contains(c) ? ' ' : c; });
    }
    if (chinese_) separate_ideographs(piece);
    if (accents_) {
      normalize_form(piece, unicode::Form::nfd);
      filter(piece, [](char32_t c) { return unicode::bert_mark().contains(c); }, [](char32_t c) { return c; });
    }
    if (lower_) lowercase(piece);
  }

 private:
  static bool is_ideograph(char32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
  }
  static void separate_ideographs(Piece& piece) {
    PieceWriter out(piece);
    while (!out.done()) {
      const utf8::Decoded c = utf8::decode(piece.text, out.at());
      if (!is_ideograph(c.code)) {
        out.keep();
        continue;
      }
      const std::string self = piece.text.substr(out.at(), c.size);
      out.replace(" ");
      out.insert(self);
      out.insert(" ");
    }
    out.finish();
  }
  bool clean_, chinese_, lower_, accents_ = false;
};

class PrependNormalizer final : public Normalizer {
 public:
  explicit PrependNormalizer(std::string text) : text_(std::move(text)) {}
  void apply(Piece& piece, RegexScratch&) const override {
    if (piece.text.empty()) return;
    if (piece.lead > 0) piece.lead += text_.size();
    piece.text.insert(0, text_);
  }

 private:
  std::string text_;
};

class ReplaceNormalizer final : public Normalizer {
 public:
  ReplaceNormalizer(Regex regex, std::string content) : regex_(std::move(regex)), content_(std::move(content)) {}
  void apply(Piece& piece, RegexScratch& scratch) const override {
    if (piece.text.empty()) return;
    std::string out;
    std::size_t last = 0, lead = 0;
    const std::string_view text = piece.text;
    const auto put = [&](std::string_view part, std::size_t leading) {
      if (lead == out.size()) lead += leading;
      out.append(part);
    };
    regex_.for_each(text, scratch, [&](const Regex::Match& m) {
      put(text.substr(last, m.begin - last), std::min(std::max(piece.lead, last), m.begin) - last);
      put(content_, m.end == 0 || m.end - 1 < piece.lead ? content_.size() : 0);
      last = m.end;
    });
    put(text.substr(last), std::max(piece.lead, last) - last);
    piece.text = std::move(out);
    piece.lead = std::min(lead, piece.text.size());
  }

 private:
  Regex regex_;
  std::string content_;
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void apply(Piece& piece, RegexScratch&) const override {
    const std::string head = ByteAlphabet::get().encode(std::string_view(piece.text).substr(0, piece.lead));
    piece.text = ByteAlphabet::get().encode(piece.text);
    piece.lead = head.size();
  }
};

// SentencePiece's charsmap as the reference applies it: to whole grapheme clusters of less than six
// bytes first (taking the shortest rule, and dropping the rest of the cluster), else by character.
class PrecompiledNormalizer final : public Normalizer {
 public:
  explicit PrecompiledNormalizer(CharsMap map) : map_(std::move(map)) {}
  void apply(Piece& piece, RegexScratch&) const override {
    PieceWriter out(piece);
    const std::string& text = piece.text;
    while (!out.done()) {
      const std::size_t begin = out.at(), end = unicode::grapheme_end(text, begin);
      if (end - begin < 6) {
        if (const auto hit = map_.shortest(std::string_view(text).substr(begin, end - begin))) {
          write(out, end, hit->text);
          continue;
        }
      }
      while (out.at() < end) {
        const std::size_t size = utf8::length(text[out.at()]);
        if (const auto hit = map_.shortest(std::string_view(text).substr(out.at(), size))) {
          write(out, out.at() + size, hit->text);
        } else {
          out.keep();
        }
      }
    }
    out.finish();
  }

 private:
  static void write(PieceWriter& out, std::size_t end, std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t size = std::min(utf8::length(text[at]), text.size() - at);
      out.at() < end ? out.replace(text.substr(at, size)) : out.insert(text.substr(at, size));
      at += size;
    }
    while (out.at() < end) out.skip();
  }
  CharsMap map_;
};

// {"String": "…"} or {"Regex": "…"}
Regex pattern_of(const Fields& fields) {
  const Fields pattern = fields.fields("pattern");
  if (pattern.find("String")) return Regex(regex_escape(pattern.string("String")), fields.place("pattern"));
  if (pattern.find("Regex")) return Regex(pattern.string("Regex"), fields.place("pattern"));
  fail(fields.place("pattern"), ": expected {\"String\": …} or {\"Regex\": …}");
}

}  // namespace

std::unique_ptr<const Normalizer> make_normalizer(const Fields& f, int depth) {
  if (depth > max_component_depth) fail(f.where(), ": sequences nested more than ", max_component_depth, " deep");
  const std::string& type = f.string("type");
  if (type == "Sequence") {
    auto sequence = std::make_unique<SequenceNormalizer>();
    const JsonArray& parts = f.array("normalizers");
    for (std::size_t i = 0; i < parts.size(); ++i) {
      sequence->parts.push_back(make_normalizer(Fields(parts[i], cat(f.place("normalizers"), "[", i, "]")), depth + 1));
    }
    return sequence;
  }
  if (type == "NFC") return std::make_unique<FormNormalizer>(unicode::Form::nfc);
  if (type == "NFD") return std::make_unique<FormNormalizer>(unicode::Form::nfd);
  if (type == "NFKC") return std::make_unique<FormNormalizer>(unicode::Form::nfkc);
  if (type == "NFKD") return std::make_unique<FormNormalizer>(unicode::Form::nfkd);
  if (type == "Lowercase") return std::make_unique<LowercaseNormalizer>();
  if (type == "Strip") return std::make_unique<StripNormalizer>(f.boolean("strip_left"), f.boolean("strip_right"));
  if (type == "StripAccents") return std::make_unique<StripAccentsNormalizer>();
  if (type == "Nmt") return std::make_unique<NmtNormalizer>();
  if (type == "BertNormalizer" || type == "Bert") return std::make_unique<BertNormalizer>(f);
  if (type == "Prepend") return std::make_unique<PrependNormalizer>(f.string("prepend"));
  if (type == "Replace") return std::make_unique<ReplaceNormalizer>(pattern_of(f), f.string("content"));
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  if (type == "Precompiled") {
    const std::string where = f.place("precompiled_charsmap");
    CharsMap map(decode_base64(f.string_or("precompiled_charsmap", ""), where), where);
    return std::make_unique<PrecompiledNormalizer>(std::move(map));
  }
  fail(f.where(), ": unknown normalizer type '", type, "'");
}

}  // namespace tashika
