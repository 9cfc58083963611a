// A part of the text on its way through normalizers and pre-tokenizers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace tashika {

// Metaspace with prepend_scheme "first" asks whether a part starts where the text started, after
// whatever normalizers did to it. So a piece keeps how many of its leading bytes stem from there.
struct Piece {
  std::string text;          // valid UTF-8 (SentencePiece and GGUF: before their normalizer, any bytes)
  bool at_start = true;      // it begins at offset 0 of the original text
  std::size_t lead = 0;      // leading bytes of `text` that are aligned with that offset

  static Piece whole(std::string_view text) {
    return {std::string(text), true, text.empty() ? 0 : std::min(utf8::length(text[0]), text.size())};
  }
  Piece slice(std::size_t begin, std::size_t end) const {
    const bool start = at_start && (begin == 0 ? lead > 0 || text.empty() : begin < lead);
    return {text.substr(begin, end - begin), start, start ? std::min(lead, end) - begin : 0};
  }
};

// Writes a new text for a piece, character by character, in the manner of the reference: a
// character replaces the next old one, is added after the last old one, or lets old ones go.
class PieceWriter {
 public:
  explicit PieceWriter(Piece& piece) : piece_(piece) { out_.reserve(piece.text.size() + 8); }
  void skip() { at_ += utf8::length(piece_.text[at_]); }  // an old character goes
  void replace(std::string_view with) {                     // the next old character becomes `with`
    put(with, at_ < piece_.lead);
    skip();
  }
  void insert(std::string_view text) { put(text, at_ == 0 || at_ - 1 < piece_.lead); }
  void keep() {
    const std::size_t size = utf8::length(piece_.text[at_]);
    put(std::string_view(piece_.text).substr(at_, size), at_ < piece_.lead);
    at_ += size;
  }
  void keep_until(std::size_t end) {
    while (at_ < end && at_ < piece_.lead) keep();
    if (at_ < end) put(std::string_view(piece_.text).substr(at_, end - at_), false);
    at_ = end;
  }
  std::size_t at() const { return at_; }
  bool done() const { return at_ >= piece_.text.size(); }
  void finish() {
    piece_.text = std::move(out_);
    piece_.lead = lead_;
  }

 private:
  void put(std::string_view text, bool lead) {
    if (lead && lead_ == out_.size()) lead_ += text.size();
    out_.append(text);
  }
  Piece& piece_;
  std::string out_;
  std::size_t at_ = 0, lead_ = 0;
};

}  // namespace tashika
