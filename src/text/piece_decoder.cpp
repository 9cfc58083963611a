// Decoding SentencePiece and GGUF vocabularies by the kind of each piece.
#include <unordered_map>

#include "text/byte_alphabet.h"
#include "text/sp_models.h"
#include "text/utf8.h"

namespace tashika {
namespace {

constexpr std::string_view space_mark = "\xE2\x96\x81";

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with(space_mark)) {
      out += ' ';
      at += space_mark.size();
    } else {
      out += text[at++];
    }
  }
  return out;
}

struct PieceTable {
  PieceDecoderConfig config;
  std::unordered_map<std::string, PieceType> types;  // of those that are not normal
};

class PieceRun final : public DecodeRun {
 public:
  PieceRun(const PieceTable& table, DecodeRun& next, bool exact) : table_(table), next_(next), exact_(exact) {}

  void push(std::string piece, bool) override {
    const auto& c = table_.config;
    const auto found = table_.types.find(piece);
    const PieceType type = found == table_.types.end() ? PieceType::normal : found->second;
    if (type == PieceType::byte) {
      if (const auto byte = parse_byte_token(piece)) {
        bytes_.push_back(static_cast<char>(*byte));
        if (exact_) flush();
        return;
      }
    }
    // In the byte alphabet a character's bytes may lie in several pieces: they wait for each other.
    const bool own_text = type == PieceType::unknown || type == PieceType::control || type == PieceType::user_defined;
    if (own_text || !c.byte_level || exact_) flush();
    switch (type) {
      case PieceType::unknown: send(c.unk_surface ? *c.unk_surface : std::move(piece)); return;
      case PieceType::control:
      case PieceType::user_defined:
        // SentencePiece reads the space marks of user-defined pieces too; llama.cpp and control pieces do not.
        if (type == PieceType::control || !c.unk_surface) {
          send(std::move(piece));
          return;
        }
        break;
      default: break;
    }
    if (c.byte_level) {
      std::string bytes;
      if (!utf8::is_valid(piece) || !ByteAlphabet::get().decode(piece, bytes)) bytes = std::move(piece);
      if (!exact_) {
        bytes_ += bytes;
        return;
      }
      send(std::move(bytes));
      return;
    }
    std::string_view text = piece;
    if (at_start_ && c.strip_first_space && text.starts_with(space_mark)) {
      text.remove_prefix(space_mark.size());
      if (!c.strip_all_spaces) at_start_ = false;
    }
    send(unescape(text));
  }
  void finish() override {
    flush();
    next_.finish();
  }

 private:
  void flush() {
    if (bytes_.empty()) return;
    std::string text = std::move(bytes_);
    bytes_.clear();
    if (!exact_) text = table_.config.replace_by_byte ? utf8::replace_invalid_bytes(text) : utf8::replace_invalid(text);
    send(std::move(text));
  }
  void send(std::string text) {
    if (!text.empty()) at_start_ = false;
    next_.push(std::move(text), false);
  }
  const PieceTable& table_;
  DecodeRun& next_;
  bool exact_, at_start_ = true;
  std::string bytes_;
};

class PieceDecoder final : public TokenDecoder {
 public:
  explicit PieceDecoder(PieceDecoderConfig config) {
    for (const ScoredPiece& p : config.pieces) {
      if (p.type != PieceType::normal) table_.types[p.text] = p.type;
    }
    config.pieces.clear();
    table_.config = std::move(config);
  }
  std::unique_ptr<DecodeRun> start(DecodeRun& next, const DecodeContext& context) const override {
    return std::make_unique<PieceRun>(table_, next, context.exact);
  }

 private:
  PieceTable table_;
};

}  // namespace

std::unique_ptr<const TokenDecoder> make_piece_decoder(PieceDecoderConfig config) { return std::make_unique<PieceDecoder>(std::move(config)); }

}  // namespace tashika
