#include "text/decoders.h"

#include <optional>

#include "text/byte_alphabet.h"
#include "text/model.h"
#include "text/regex.h"
#include "text/utf8.h"

namespace tashika {
namespace {

constexpr std::string_view bad = "\xEF\xBF\xBD";

// Puts the parts of a token together, for a stage that needs it whole.
class GatherRun final : public DecodeRun {
 public:
  explicit GatherRun(DecodeRun& next) : next_(next) {}
  void push(std::string text, bool continued) override {
    if (continued && open_) {
      held_ += text;
      return;
    }
    flush();
    held_ = std::move(text);
    open_ = true;
  }
  void finish() override {
    flush();
    next_.finish();
  }

 private:
  void flush() {
    if (open_) next_.push(std::move(held_), false);
    held_.clear();
    open_ = false;
  }
  DecodeRun& next_;
  std::string held_;
  bool open_ = false;
};

// A stage that is handed whole tokens.
class TokenRun : public DecodeRun {
 public:
  explicit TokenRun(DecodeRun& next) : next_(next) {}
  void push(std::string text, bool) final { token(std::move(text)); }
  void finish() final {
    end();
    next_.finish();
  }

 protected:
  virtual void token(std::string text) = 0;
  virtual void end() {}
  DecodeRun& next_;
};

// A decoder that is a function of (token, its number).
using TokenMap = std::function<std::string(std::string, std::size_t)>;
class MapRun final : public TokenRun {
 public:
  MapRun(DecodeRun& next, const TokenMap& map) : TokenRun(next), map_(map) {}

 private:
  void token(std::string text) override { next_.push(map_(std::move(text), index_++), false); }
  const TokenMap& map_;
  std::size_t index_ = 0;
};
class MapDecoder final : public TokenDecoder {
 public:
  explicit MapDecoder(TokenMap map) : map_(std::move(map)) {}
  std::unique_ptr<DecodeRun> start(DecodeRun& next, const DecodeContext&) const override { return std::make_unique<MapRun>(next, map_); }

 private:
  TokenMap map_;
};

class ByteLevelRun final : public TokenRun {
 public:
  ByteLevelRun(DecodeRun& next, bool exact) : TokenRun(next), exact_(exact) {}

 private:
  void token(std::string text) override {
    std::string bytes;
    if (!utf8::is_valid(text) || !ByteAlphabet::get().decode(text, bytes)) bytes = text;
    if (exact_) {
      next_.push(std::move(bytes), started_);
      started_ = true;
      return;
    }
    held_ += bytes;
    const std::size_t tail = utf8::incomplete_tail(held_);
    const std::string ready = held_.substr(0, held_.size() - tail);
    held_.erase(0, ready.size());
    next_.push(utf8::replace_invalid(ready), started_);
    started_ = true;
  }
  void end() override {
    if (!held_.empty()) next_.push(utf8::replace_invalid(held_), started_);
  }
  bool exact_, started_ = false;
  std::string held_;
};
class ByteLevelDecoder final : public TokenDecoder {
 public:
  std::unique_ptr<DecodeRun> start(DecodeRun& next, const DecodeContext& context) const override { return std::make_unique<ByteLevelRun>(next, context.exact); }
  bool joins() const override { return true; }
};

// <0x0A> becomes its byte. A run of byte tokens is one token when it is valid UTF-8; else every byte
// of the run is U+FFFD in the reference, and itself when exact.
class ByteFallbackRun final : public TokenRun {
 public:
  ByteFallbackRun(DecodeRun& next, bool exact) : TokenRun(next), exact_(exact) {}

 private:
  void token(std::string text) override {
    if (const auto byte = parse_byte_token(text)) {
      bytes_.push_back(static_cast<char>(*byte));
      return;
    }
    end();
    next_.push(std::move(text), false);
  }
  void end() override {
    if (bytes_.empty()) return;
    if (utf8::is_valid(bytes_)) {
      next_.push(bytes_, false);
    } else {
      for (const char c : bytes_) next_.push(exact_ ? std::string(1, c) : std::string(bad), false);
    }
    bytes_.clear();
  }
  std::string bytes_;
  bool exact_;
};
// Nobody asks where tokens end: bytes need not wait for the end of their run.
std::string byte_of(std::string text, std::size_t) {
  if (const auto byte = parse_byte_token(text)) text.assign(1, static_cast<char>(*byte));
  return text;
}
class ByteFallbackDecoder final : public TokenDecoder {
 public:
  std::unique_ptr<DecodeRun> start(DecodeRun& next, const DecodeContext& context) const override {
    if (context.exact && !context.boundaries) return std::make_unique<MapRun>(next, eager_);
    return std::make_unique<ByteFallbackRun>(next, context.exact);
  }

 private:
  TokenMap eager_ = byte_of;
};

class FuseRun final : public DecodeRun {
 public:
  explicit FuseRun(DecodeRun& next) : next_(next) {}
  void push(std::string text, bool) override {
    next_.push(std::move(text), started_);
    started_ = true;
  }
  void finish() override {
    if (!started_) next_.push("", false);
    next_.finish();
  }

 private:
  DecodeRun& next_;
  bool started_ = false;
};
class FuseDecoder final : public TokenDecoder {
 public:
  std::unique_ptr<DecodeRun> start(DecodeRun& next, const DecodeContext&) const override { return std::make_unique<FuseRun>(next); }
  bool joins() const override { return true; }
  bool takes_parts() const override { return true; }
};

// Takes up to `start` characters `content` off the beginning of each token and up to `stop` off its
// end; works on parts of a token as they come.
class StripRun final : public DecodeRun {
 public:
  StripRun(DecodeRun& next, std::string content, std::size_t start, std::size_t stop)
      : next_(next), content_(std::move(content)), start_(start), stop_(stop) {}
  void push(std::string text, bool continued) override {
    if (!(continued && open_)) {
      flush();
      open_ = true;
      left_ = start_;
      sent_ = false;
    }
    held_ += text;
    std::size_t at = 0;
    while (left_ > 0 && held_.compare(at, content_.size(), content_) == 0) {
      at += content_.size();
      --left_;
    }
    if (left_ > 0 && held_.size() > at) left_ = 0;
    held_.erase(0, at);
    // What may still have to go at the end waits.
    std::size_t keep = held_.size();
    for (std::size_t n = 0; n < stop_ && ends_with(keep); ++n) keep -= content_.size();
    emit(held_.substr(0, keep));
    held_.erase(0, keep);
  }
  void finish() override {
    flush();
    next_.finish();
  }

 private:
  bool ends_with(std::size_t size) const {
    return size >= content_.size() && held_.compare(size - content_.size(), content_.size(), content_) == 0;
  }
  void emit(std::string text) {
    next_.push(std::move(text), sent_);
    sent_ = true;
  }
  // The part held back is content_ at most stop_ times: it goes.
  void flush() {
    if (!open_) return;
    held_.clear();
    if (!sent_) emit("");
    open_ = false;
  }
  DecodeRun& next_;
  std::string content_;
  std::size_t start_, stop_, left_ = 0;
  std::string held_;
  bool open_ = false, sent_ = false;
};
class StripDecoder final : public TokenDecoder {
 public:
  StripDecoder(std::string content, std::size_t start, std::size_t stop) : content_(std::move(content)), start_(start), stop_(stop) {}
  std::unique_ptr<DecodeRun> start(DecodeRun& next, const DecodeContext&) const override { return std::make_unique<StripRun>(next, content_, start_, stop_); }
  bool takes_parts() const override { return true; }

 private:
  std::string content_;
  std::size_t start_, stop_;
};

// "</w>" becomes a space, but nothing in the last token: one token waits.
class BpeDecoderRun final : public TokenRun {
 public:
  BpeDecoderRun(DecodeRun& next, std::string suffix) : TokenRun(next), suffix_(std::move(suffix)) {}

 private:
  void token(std::string text) override {
    release(" ");
    waiting_ = std::move(text);
  }
  void end() override { release(""); }
  void release(std::string_view with) {
    if (!waiting_) return;
    std::string out;
    std::size_t at = 0;
    if (suffix_.empty()) {  // Rust's replace of "": before every character and at the end
      for (; at < waiting_->size();) {
        const std::size_t n = std::min(utf8::length((*waiting_)[at]), waiting_->size() - at);
        out.append(with).append(*waiting_, at, n);
        at += n;
      }
      out.append(with);
    } else {
      for (std::size_t hit; (hit = waiting_->find(suffix_, at)) != std::string::npos; at = hit + suffix_.size()) {
        out.append(*waiting_, at, hit - at).append(with);
      }
      out.append(*waiting_, at);
    }
    next_.push(std::move(out), false);
    waiting_.reset();
  }
  std::string suffix_;
  std::optional<std::string> waiting_;
};
class BpeDecoder final : public TokenDecoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  std::unique_ptr<DecodeRun> start(DecodeRun& next, const DecodeContext&) const override { return std::make_unique<BpeDecoderRun>(next, suffix_); }

 private:
  std::string suffix_;
};

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  if (from.empty()) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t n = std::min(utf8::length(text[at]), text.size() - at);
      out.append(to).append(text, at, n);
      at += n;
    }
    return out.append(to);
  }
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

std::string clean_up(std::string text) {
  static constexpr std::pair<std::string_view, std::string_view> rules[] = {
      {" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : rules) text = replace_all(std::move(text), from, to);
  return text;
}

class CtcRun final : public TokenRun {
 public:
  CtcRun(DecodeRun& next, std::string pad, std::string delimiter, bool cleanup)
      : TokenRun(next), pad_(std::move(pad)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}

 private:
  void token(std::string text) override {
    if (last_ && *last_ == text) return;
    last_ = text;
    text = replace_all(std::move(text), pad_, "");
    if (cleanup_) text = replace_all(clean_up(std::move(text)), delimiter_, " ");
    if (!text.empty()) next_.push(std::move(text), false);
  }
  std::string pad_, delimiter_;
  bool cleanup_;
  std::optional<std::string> last_;
};
class CtcDecoder final : public TokenDecoder {
 public:
  CtcDecoder(std::string pad, std::string delimiter, bool cleanup) : pad_(std::move(pad)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
  std::unique_ptr<DecodeRun> start(DecodeRun& next, const DecodeContext&) const override { return std::make_unique<CtcRun>(next, pad_, delimiter_, cleanup_); }

 private:
  std::string pad_, delimiter_;
  bool cleanup_;
};

TokenMap metaspace_map(std::string replacement, bool strips_first) {
  return [replacement = std::move(replacement), strips_first](std::string text, std::size_t index) -> std::string {
    return replace_all(std::move(text), replacement, index == 0 && strips_first ? "" : " ");
  };
}

TokenMap wordpiece_map(std::string prefix, bool cleanup) {
  return [prefix = std::move(prefix), cleanup](std::string text, std::size_t index) -> std::string {
    if (index != 0) text = text.starts_with(prefix) ? text.substr(prefix.size()) : " " + text;
    return cleanup ? clean_up(std::move(text)) : std::move(text);
  };
}

TokenMap replace_map(Regex regex, std::string content) {
  return [regex = std::move(regex), content = std::move(content)](std::string text, std::size_t) -> std::string {
    if (text.empty()) return text;
    // Bytes that are no UTF-8 (an exact decoding) pass through between the valid parts.
    std::string out;
    RegexScratch scratch;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t end = at;
      while (end < text.size()) {
        const utf8::Scanned s = utf8::scan(text, end);
        if (!s.valid) break;
        end += s.size;
      }
      const std::string_view part = std::string_view(text).substr(at, end - at);
      std::size_t last = 0;
      if (!part.empty()) {
        regex.for_each(part, scratch, [&](const Regex::Match& m) {
          out.append(part.substr(last, m.begin - last)).append(content);
          last = m.end;
        });
      }
      out.append(part.substr(last));
      if (end < text.size()) out.push_back(text[end++]);
      at = end;
    }
    return out;
  };
}

void add_stages(const Fields& f, DecoderChain& chain, int depth) {
  if (depth > max_component_depth) fail(f.where(), ": sequences nested more than ", max_component_depth, " deep");
  const std::string& type = f.string("type");
  if (type == "Sequence") {
    const JsonArray& parts = f.array("decoders");
    for (std::size_t i = 0; i < parts.size(); ++i) add_stages(Fields(parts[i], cat(f.place("decoders"), "[", i, "]")), chain, depth + 1);
    if (chain.size() > 256) fail(f.place("decoders"), ": more than 256 parts");
    return;
  }
  if (type == "ByteLevel") {
    chain.push_back(std::make_unique<ByteLevelDecoder>());
  } else if (type == "ByteFallback") {
    chain.push_back(std::make_unique<ByteFallbackDecoder>());
  } else if (type == "Fuse") {
    chain.push_back(std::make_unique<FuseDecoder>());
  } else if (type == "Strip") {
    const std::string& content = f.string("content");
    if (utf8::count(content) != 1) fail(f.place("content"), ": expected one character");
    chain.push_back(std::make_unique<StripDecoder>(content, static_cast<std::size_t>(f.integer("start", 0, 1 << 30)),
                                                   static_cast<std::size_t>(f.integer("stop", 0, 1 << 30))));
  } else if (type == "BPEDecoder") {
    chain.push_back(std::make_unique<BpeDecoder>(f.string("suffix")));
  } else if (type == "CTC") {
    chain.push_back(std::make_unique<CtcDecoder>(f.string("pad_token"), f.string("word_delimiter_token"), f.boolean("cleanup")));
  } else if (type == "Metaspace") {
    const std::string& replacement = f.string("replacement");
    if (utf8::count(replacement) != 1) fail(f.place("replacement"), ": expected one character");
    const bool never = f.string_or("prepend_scheme", "always") == "never" || !f.boolean_or("add_prefix_space", true);
    chain.push_back(std::make_unique<MapDecoder>(metaspace_map(replacement, !never)));
  } else if (type == "WordPiece") {
    chain.push_back(std::make_unique<MapDecoder>(wordpiece_map(f.string("prefix"), f.boolean("cleanup"))));
  } else if (type == "Replace") {
    const Fields pattern = f.fields("pattern");
    const bool literal = pattern.find("String") != nullptr;
    if (!literal && !pattern.find("Regex")) fail(pattern.where(), ": expected {\"String\": …} or {\"Regex\": …}");
    Regex regex(literal ? regex_escape(pattern.string("String")) : pattern.string("Regex"), pattern.where());
    chain.push_back(std::make_unique<MapDecoder>(replace_map(std::move(regex), f.string("content"))));
  } else {
    fail(f.where(), ": unknown decoder type '", type, "'");
  }
}

class LastRun final : public DecodeRun {
 public:
  explicit LastRun(TextSink sink) : sink_(std::move(sink)) {}
  void push(std::string text, bool) override { sink_(text); }
  void finish() override {}

 private:
  TextSink sink_;
};

}  // namespace

DecoderChain make_decoder(const Fields* fields) {
  DecoderChain chain;
  if (fields) {
    add_stages(*fields, chain, 0);
  } else {
    chain.push_back(std::make_unique<MapDecoder>(
        [](std::string text, std::size_t index) -> std::string { return index == 0 ? text : " " + text; }));
  }
  return chain;
}

std::unique_ptr<const TokenDecoder> byte_level_decoder() { return std::make_unique<ByteLevelDecoder>(); }
std::unique_ptr<const TokenDecoder> plain_decoder() { return std::make_unique<FuseDecoder>(); }

Decoding::Decoding(const DecoderChain& chain, bool exact, TextSink sink) {
  runs_.push_back(std::make_unique<LastRun>(std::move(sink)));
  std::vector<bool> parts(chain.size() + 1, false);  // may stage i be handed a token in parts?
  for (std::size_t i = 0; i < chain.size(); ++i) parts[i + 1] = chain[i]->joins() || (parts[i] && chain[i]->takes_parts());
  for (std::size_t i = chain.size(); i-- > 0;) {
    const bool boundaries = i + 1 < chain.size() && !chain[i + 1]->joins();
    runs_.push_back(chain[i]->start(*runs_.back(), {exact, boundaries}));
    if (parts[i] && !chain[i]->takes_parts()) runs_.push_back(std::make_unique<GatherRun>(*runs_.back()));
  }
}
Decoding::~Decoding() = default;
void Decoding::push(std::string token) { runs_.back()->push(std::move(token), false); }
void Decoding::finish() { runs_.back()->finish(); }

}  // namespace tashika
