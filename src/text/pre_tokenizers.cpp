#include "text/pre_tokenizers.h"

#include <vector>

#include "text/byte_alphabet.h"
#include "text/unicode.h"

namespace tashika {
namespace {

// Turns matches and the text between them into pieces, the delimiters treated as `behavior` says.
class Cutter {
 public:
  Cutter(const Piece& piece, SplitBehavior behavior, const PieceSink& sink) : piece_(piece), behavior_(behavior), sink_(sink) {}

  void add(std::size_t begin, std::size_t end, bool match) {
    switch (behavior_) {
      case SplitBehavior::isolated: emit(begin, end); break;
      case SplitBehavior::removed:
        if (!match) emit(begin, end);
        break;
      case SplitBehavior::contiguous:
        if (match != previous_ || !open_) {
          flush();
          start_ = begin;
          open_ = true;
        }
        end_ = end;
        break;
      case SplitBehavior::merged_with_previous:
        if (!(match && !previous_ && open_)) {
          flush();
          start_ = begin;
          open_ = true;
        }
        end_ = end;
        break;
      case SplitBehavior::merged_with_next:
        // A delimiter waits for what follows it; only text takes it in.
        if (!(open_ && previous_ && !match)) {
          flush();
          start_ = begin;
          open_ = true;
        }
        end_ = end;
        break;
    }
    previous_ = match;
  }
  void flush() {
    if (open_) emit(start_, end_);
    open_ = false;
  }

 private:
  void emit(std::size_t begin, std::size_t end) {
    if (begin < end) sink_(piece_.slice(begin, end));
  }
  const Piece& piece_;
  SplitBehavior behavior_;
  const PieceSink& sink_;
  bool previous_ = false, open_ = false;
  std::size_t start_ = 0, end_ = 0;
};

void split_by_regex(const Piece& piece, const Regex& regex, SplitBehavior behavior, bool invert, RegexScratch& scratch,
                    const PieceSink& sink) {
  if (piece.text.empty()) return;
  Cutter cutter(piece, behavior, sink);
  std::size_t last = 0;
  regex.for_each(piece.text, scratch, [&](const Regex::Match& m) {
    if (last != m.begin) cutter.add(last, m.begin, invert);
    cutter.add(m.begin, m.end, !invert);
    last = m.end;
  });
  if (last != piece.text.size()) cutter.add(last, piece.text.size(), invert);
  cutter.flush();
}

// Every character for which `is_delimiter` holds is a match of its own.
template <typename F>
void split_by_char(const Piece& piece, SplitBehavior behavior, const PieceSink& sink, F&& is_delimiter) {
  Cutter cutter(piece, behavior, sink);
  std::size_t last = 0;
  for (std::size_t at = 0; at < piece.text.size();) {
    const utf8::Decoded c = utf8::decode(piece.text, at);
    if (is_delimiter(c.code)) {
      if (last < at) cutter.add(last, at, false);
      cutter.add(at, at + c.size, true);
      last = at + c.size;
    }
    at += c.size;
  }
  if (last < piece.text.size()) cutter.add(last, piece.text.size(), false);
  cutter.flush();
}

class Sequence final : public PreTokenizer {
 public:
  explicit Sequence(std::vector<std::unique_ptr<const PreTokenizer>> parts) : parts_(std::move(parts)) {}
  void split(Piece&& piece, RegexScratch& scratch, const PieceSink& sink) const override { run(0, std::move(piece), scratch, sink); }

 private:
  void run(std::size_t i, Piece&& piece, RegexScratch& scratch, const PieceSink& sink) const {
    if (i == parts_.size()) {
      sink(std::move(piece));
      return;
    }
    parts_[i]->split(std::move(piece), scratch, [&, i](Piece&& part) { run(i + 1, std::move(part), scratch, sink); });
  }
  std::vector<std::unique_ptr<const PreTokenizer>> parts_;
};

class Split final : public PreTokenizer {
 public:
  Split(Regex regex, SplitBehavior behavior, bool invert) : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}
  void split(Piece&& piece, RegexScratch& scratch, const PieceSink& sink) const override {
    split_by_regex(piece, regex_, behavior_, invert_, scratch, sink);
  }

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

constexpr std::string_view gpt2_pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class ByteLevel final : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, bool use_regex)
      : prefix_(add_prefix_space), use_regex_(use_regex), regex_(gpt2_pattern, "the byte-level pattern") {}
  void split(Piece&& piece, RegexScratch& scratch, const PieceSink& sink) const override {
    if (prefix_ && !piece.text.empty() && piece.text[0] != ' ') {
      if (piece.lead > 0) ++piece.lead;
      piece.text.insert(0, " ");
    }
    const auto encode = [&](Piece&& part) {
      const std::string_view text = part.text;
      const std::size_t lead = part.lead == 0 ? 0 : ByteAlphabet::get().encode(text.substr(0, part.lead)).size();
      sink(Piece{ByteAlphabet::get().encode(text), part.at_start, lead});
    };
    if (use_regex_) {
      split_by_regex(piece, regex_, SplitBehavior::isolated, false, scratch, encode);
    } else if (!piece.text.empty()) {
      encode(std::move(piece));
    }
  }

 private:
  bool prefix_, use_regex_;
  Regex regex_;
};

class Metaspace final : public PreTokenizer {
 public:
  enum class Scheme { first, never, always };
  Metaspace(std::string replacement, Scheme scheme, bool split)
      : replacement_(std::move(replacement)), scheme_(scheme), split_(split) {
    code_ = utf8::decode(replacement_, 0).code;
  }
  void split(Piece&& piece, RegexScratch&, const PieceSink& sink) const override {
    PieceWriter out(piece);
    while (!out.done()) {
      const std::size_t space = std::min(piece.text.find(' ', out.at()), piece.text.size());
      out.keep_until(space);
      if (!out.done()) out.replace(replacement_);
    }
    out.finish();
    const bool wanted = scheme_ == Scheme::always || (scheme_ == Scheme::first && piece.at_start);
    if (wanted && !piece.text.empty() && !piece.text.starts_with(replacement_)) {
      if (piece.lead > 0) piece.lead += replacement_.size();
      piece.text.insert(0, replacement_);
    }
    if (split_) {
      split_by_char(piece, SplitBehavior::merged_with_next, sink, [&](char32_t c) { return c == code_; });
    } else if (!piece.text.empty()) {
      sink(std::move(piece));
    }
  }

 private:
  std::string replacement_;
  char32_t code_;
  Scheme scheme_;
  bool split_;
};

// \w+|[^\w\s]+ of Rust's regex crate, white space removed.
class Whitespace final : public PreTokenizer {
 public:
  void split(Piece&& piece, RegexScratch&, const PieceSink& sink) const override {
    enum { space, word, other };
    const CodeSet &words = unicode::rust_word(), &white = unicode::white_space();
    std::size_t start = 0;
    int kind = space;
    for (std::size_t at = 0; at < piece.text.size();) {
      const utf8::Decoded c = utf8::decode(piece.text, at);
      const int now = words.contains(c.code) ? word : white.contains(c.code) ? space : other;
      if (now != kind) {
        if (kind != space && start < at) sink(piece.slice(start, at));
        start = at;
        kind = now;
      }
      at += c.size;
    }
    if (kind != space && start < piece.text.size()) sink(piece.slice(start, piece.text.size()));
  }
};

class WhitespaceSplit final : public PreTokenizer {
 public:
  void split(Piece&& piece, RegexScratch&, const PieceSink& sink) const override {
    split_by_char(piece, SplitBehavior::removed, sink, [](char32_t c) { return unicode::white_space().contains(c); });
  }
};

class Bert final : public PreTokenizer {
 public:
  void split(Piece&& piece, RegexScratch&, const PieceSink& sink) const override {
    split_by_char(
        piece, SplitBehavior::removed,
        [&](Piece&& part) {
          split_by_char(part, SplitBehavior::isolated, sink, [](char32_t c) { return unicode::bert_punctuation().contains(c); });
        },
        [](char32_t c) { return unicode::white_space().contains(c); });
  }
};

class Digits final : public PreTokenizer {
 public:
  explicit Digits(bool individual) : behavior_(individual ? SplitBehavior::isolated : SplitBehavior::contiguous) {}
  void split(Piece&& piece, RegexScratch&, const PieceSink& sink) const override {
    split_by_char(piece, behavior_, sink, [](char32_t c) { return unicode::rust_numeric().contains(c); });
  }

 private:
  SplitBehavior behavior_;
};

class Punctuation final : public PreTokenizer {
 public:
  explicit Punctuation(SplitBehavior behavior) : behavior_(behavior) {}
  void split(Piece&& piece, RegexScratch&, const PieceSink& sink) const override {
    split_by_char(piece, behavior_, sink, [](char32_t c) { return unicode::bert_punctuation().contains(c); });
  }

 private:
  SplitBehavior behavior_;
};

class CharDelimiterSplit final : public PreTokenizer {
 public:
  explicit CharDelimiterSplit(char32_t delimiter) : delimiter_(delimiter) {}
  void split(Piece&& piece, RegexScratch&, const PieceSink& sink) const override {
    split_by_char(piece, SplitBehavior::removed, sink, [&](char32_t c) { return c == delimiter_; });
  }

 private:
  char32_t delimiter_;
};

// Cuts where the script changes. What comes before the first character that has a script is lost,
// as in the reference.
class UnicodeScripts final : public PreTokenizer {
 public:
  void split(Piece&& piece, RegexScratch&, const PieceSink& sink) const override {
    int last = -1;
    std::size_t start = std::string_view::npos;
    for (std::size_t at = 0; at < piece.text.size();) {
      const utf8::Decoded c = utf8::decode(piece.text, at);
      const int script = unicode::hf_script(c.code);
      if (script != 0) {
        if (script != last) {
          if (start != std::string_view::npos && start < at) sink(piece.slice(start, at));
          start = at;
        }
        last = script;
      }
      at += c.size;
    }
    if (start != std::string_view::npos && start < piece.text.size()) sink(piece.slice(start, piece.text.size()));
  }
};

class FixedLength final : public PreTokenizer {
 public:
  explicit FixedLength(std::size_t length) : length_(length) {}
  void split(Piece&& piece, RegexScratch&, const PieceSink& sink) const override {
    std::size_t start = 0, count = 0;
    for (std::size_t at = 0; at < piece.text.size();) {
      at += utf8::length(piece.text[at]);
      if (++count == length_) {
        sink(piece.slice(start, at));
        start = at;
        count = 0;
      }
    }
    if (start < piece.text.size()) sink(piece.slice(start, piece.text.size()));
  }

 private:
  std::size_t length_;
};

SplitBehavior behavior_of(const Fields& f, bool optional) {
  const std::string name = optional ? f.string_or("behavior", "Isolated") : f.string("behavior");
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  fail(f.place("behavior"), ": unknown behavior '", name, "'");
}

std::string one_character(const Fields& f, std::string_view key) {
  const std::string& text = f.string(key);
  if (utf8::count(text) != 1) fail(f.place(key), ": expected one character");
  return text;
}

std::unique_ptr<const PreTokenizer> make_metaspace(const Fields& f) {
  using Scheme = Metaspace::Scheme;
  Scheme scheme = Scheme::always;
  if (f.find("prepend_scheme")) {
    const std::string& name = f.string("prepend_scheme");
    if (name == "first") scheme = Scheme::first;
    else if (name == "never") scheme = Scheme::never;
    else if (name != "always") fail(f.place("prepend_scheme"), ": unknown scheme '", name, "'");
  }
  if (!f.boolean_or("add_prefix_space", true)) {  // files from before prepend_scheme
    if (f.find("prepend_scheme") && scheme != Scheme::never) {
      fail(f.place("add_prefix_space"), ": does not match the declared prepend_scheme");
    }
    scheme = Scheme::never;
  }
  return std::make_unique<Metaspace>(one_character(f, "replacement"), scheme, f.boolean_or("split", true));
}

}  // namespace

std::unique_ptr<const PreTokenizer> regex_split(Regex regex, SplitBehavior behavior) {
  return std::make_unique<Split>(std::move(regex), behavior, false);
}
std::unique_ptr<const PreTokenizer> byte_level_pre_tokenizer(bool add_prefix_space, bool use_regex) {
  return std::make_unique<ByteLevel>(add_prefix_space, use_regex);
}
std::unique_ptr<const PreTokenizer> pre_tokenizer_sequence(std::vector<std::unique_ptr<const PreTokenizer>> parts) {
  return std::make_unique<Sequence>(std::move(parts));
}

std::unique_ptr<const PreTokenizer> make_pre_tokenizer(const Fields& f, int depth) {
  if (depth > max_component_depth) fail(f.where(), ": sequences nested more than ", max_component_depth, " deep");
  const std::string& type = f.string("type");
  if (type == "Sequence") {
    std::vector<std::unique_ptr<const PreTokenizer>> parts;
    const JsonArray& list = f.array("pretokenizers");
    for (std::size_t i = 0; i < list.size(); ++i) {
      parts.push_back(make_pre_tokenizer(Fields(list[i], cat(f.place("pretokenizers"), "[", i, "]")), depth + 1));
    }
    if (parts.size() > 256) fail(f.place("pretokenizers"), ": more than 256 parts");
    return pre_tokenizer_sequence(std::move(parts));
  }
  if (type == "ByteLevel") return byte_level_pre_tokenizer(f.boolean("add_prefix_space"), f.boolean_or("use_regex", true));
  if (type == "Split") {
    const Fields pattern = f.fields("pattern");
    const bool literal = pattern.find("String") != nullptr;
    if (!literal && !pattern.find("Regex")) fail(pattern.where(), ": expected {\"String\": …} or {\"Regex\": …}");
    Regex regex(literal ? regex_escape(pattern.string("String")) : pattern.string("Regex"), pattern.where());
    return std::make_unique<Split>(std::move(regex), behavior_of(f, false), f.boolean("invert"));
  }
  if (type == "Metaspace") return make_metaspace(f);
  if (type == "Whitespace") return std::make_unique<Whitespace>();
  if (type == "WhitespaceSplit") return std::make_unique<WhitespaceSplit>();
  if (type == "BertPreTokenizer") return std::make_unique<Bert>();
  if (type == "Digits") return std::make_unique<Digits>(f.boolean("individual_digits"));
  if (type == "Punctuation") return std::make_unique<Punctuation>(behavior_of(f, true));
  if (type == "CharDelimiterSplit" || type == "Delimiter") {
    return std::make_unique<CharDelimiterSplit>(utf8::decode(one_character(f, "delimiter"), 0).code);
  }
  if (type == "UnicodeScripts") return std::make_unique<UnicodeScripts>();
  if (type == "FixedLength") return std::make_unique<FixedLength>(static_cast<std::size_t>(f.integer_or("length", 5, 1, 1 << 30)));
  fail(f.where(), ": unknown pre-tokenizer type '", type, "'");
}

}  // namespace tashika
