// SentencePiece's tokenizer.model: a protobuf message (sentencepiece_model.proto), read with bounds.
#include <bit>
#include <cstring>

#include "text/json_fields.h"
#include "text/sp_model_file.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

namespace tashika {
namespace {

// One message of a protobuf: fields in order, each checked against the bytes that remain.
class Message {
 public:
  Message(std::string_view bytes, std::size_t base, std::string_view what) : bytes_(bytes), base_(base), what_(what) {}

  struct Field {
    std::uint32_t number = 0;
    std::uint64_t value = 0;      // varint and fixed-width fields
    std::string_view bytes;       // length-delimited fields
    std::size_t offset = 0;       // of those bytes in the file
    int wire = 0;
  };
  bool next(Field& f) {
    if (at_ >= bytes_.size()) return false;
    const std::uint64_t key = varint("a field's key");
    f.number = static_cast<std::uint32_t>(key >> 3);
    f.wire = static_cast<int>(key & 7);
    if (f.number == 0 || key >> 3 > 0x1FFFFFFF) error("a field's number is 0 or too large");
    switch (f.wire) {
      case 0: f.value = varint("a field's value"); break;
      case 1: f.value = fixed(8); break;
      case 5: f.value = fixed(4); break;
      case 2: {
        const std::uint64_t size = varint("a field's length");
        if (size > bytes_.size() - at_) error(cat("a field of ", size, " bytes, but ", bytes_.size() - at_, " remain"));
        f.offset = base_ + at_;
        f.bytes = bytes_.substr(at_, static_cast<std::size_t>(size));
        at_ += static_cast<std::size_t>(size);
        break;
      }
      default: error(cat("wire type ", f.wire, " is not supported"));
    }
    return true;
  }
  Message inner(const Field& f) const {
    if (f.wire != 2) error(cat("field ", f.number, " is no message"));
    return Message(f.bytes, f.offset, what_);
  }
  [[noreturn]] void error(std::string_view message) const {
    fail(what_, ": not a SentencePiece model: ", message, " at offset ", base_ + at_);
  }

 private:
  std::uint64_t varint(std::string_view name) {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ >= bytes_.size()) error(cat(name, " is cut short"));
      const auto b = static_cast<unsigned char>(bytes_[at_++]);
      if (shift < 64) value |= std::uint64_t(b & 127) << shift;
      if (b < 128) return value;
    }
    error(cat(name, " is longer than ten bytes"));
  }
  std::uint64_t fixed(std::size_t size) {
    if (size > bytes_.size() - at_) error("a number is cut short");
    std::uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + at_, size);
    at_ += size;
    return value;
  }
  std::string_view bytes_;
  std::size_t at_ = 0, base_;
  std::string_view what_;
};

void read_piece(Message m, SpModel& model) {
  ScoredPiece piece;
  Message::Field f;
  while (m.next(f)) {
    if (f.number == 1) piece.text = std::string(f.bytes);
    if (f.number == 2 && f.wire == 5) piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(f.value));
    if (f.number == 3) {
      if (f.value < 1 || f.value > 6) m.error(cat("piece type ", f.value, " is unknown"));
      piece.type = static_cast<PieceType>(f.value);
    }
  }
  if (piece.text.empty()) m.error(cat("piece ", model.pieces.size(), " is empty"));
  model.pieces.push_back(std::move(piece));
}

void read_trainer(Message m, SpModel& model) {
  Message::Field f;
  while (m.next(f)) {
    switch (f.number) {
      case 3: model.model_type = static_cast<int>(std::min<std::uint64_t>(f.value, 99)); break;
      case 24: model.whitespace_as_suffix = f.value != 0; break;
      case 35: model.byte_fallback = f.value != 0; break;
      case 44: model.unk_surface = std::string(f.bytes); break;
      case 45: model.unk_piece = std::string(f.bytes); break;
      case 46: model.bos_piece = std::string(f.bytes); break;
      case 47: model.eos_piece = std::string(f.bytes); break;
      case 48: model.pad_piece = std::string(f.bytes); break;
      default: break;
    }
  }
}

void read_normalizer(Message m, SpModel& model) {
  Message::Field f;
  while (m.next(f)) {
    switch (f.number) {
      case 2: model.charsmap = std::string(f.bytes); break;
      case 3: model.add_dummy_prefix = f.value != 0; break;
      case 4: model.remove_extra_whitespaces = f.value != 0; break;
      case 5: model.escape_whitespaces = f.value != 0; break;
      default: break;
    }
  }
}

SpModel read_fields(std::string_view bytes, std::string_view what) {
  SpModel model;
  Message m(bytes, 0, what);
  Message::Field f;
  while (m.next(f)) {
    if (f.number == 1) read_piece(m.inner(f), model);
    if (f.number == 2) read_trainer(m.inner(f), model);
    if (f.number == 3) read_normalizer(m.inner(f), model);
  }
  if (model.pieces.empty()) fail(what, ": not a SentencePiece model: it has no pieces");
  return model;
}

void check_model(const SpModel& model, std::string_view what) {
  if (model.model_type != 1 && model.model_type != 2) {
    fail(what, ": SentencePiece model type ", model.model_type, " is not supported (1, Unigram, and 2, BPE, are)");
  }
  std::size_t unknown = 0, bytes = 0;
  std::unordered_map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const ScoredPiece& p = model.pieces[i];
    if (!utf8::is_valid(p.text)) fail(what, ": piece ", i, " is not valid UTF-8");
    if (const auto [other, added] = seen.emplace(p.text, i); !added) {
      fail(what, ": pieces ", other->second, " and ", i, " are both '", p.text, "'");
    }
    unknown += p.type == PieceType::unknown;
    if (p.type == PieceType::byte) {
      ++bytes;
      if (!parse_byte_token(p.text)) fail(what, ": byte piece ", i, " is '", p.text, "', expected <0x00> to <0xFF>");
    }
  }
  if (unknown != 1) fail(what, ": ", unknown, " unknown pieces, expected one");
  if (model.byte_fallback && bytes != 256) fail(what, ": byte_fallback is set, but there are ", bytes, " byte pieces and not 256");
}

std::optional<bool> flag(const Json* config, std::string_view key) {
  const Json* value = config ? config->find(key) : nullptr;
  return value && value->is_bool() ? std::optional(value->as_bool()) : std::nullopt;
}

void read_config_tokens(const Json& config, TokenizerParts& parts, std::string_view what) {
  const Json* list = config.find("added_tokens_decoder");
  if (!list || !list->is_object()) return;
  for (const auto& [key, value] : list->as_object().entries()) {
    const Fields f(value, cat(what, ": added_tokens_decoder['", key, "']"));
    std::int64_t id = 0;
    for (const char c : key) {
      if (c < '0' || c > '9' || id > max_token_id / 10) fail(f.where(), ": the key is no token id");
      id = id * 10 + (c - '0');
    }
    if (key.empty() || id >= max_token_id) fail(f.where(), ": the key is no token id");
    AddedToken t;
    t.content = f.string("content");
    t.id = static_cast<TokenId>(id);
    t.lstrip = f.boolean_or("lstrip", false);
    t.rstrip = f.boolean_or("rstrip", false);
    t.single_word = f.boolean_or("single_word", false);
    t.special = f.boolean_or("special", false);
    t.normalized = false;
    parts.added.add(std::move(t));
  }
}

}  // namespace

SpModel read_sp_model(std::string_view bytes, std::string_view what) {
  SpModel model = read_fields(bytes, what);
  check_model(model, what);
  return model;
}

Tokenizer tokenizer_from_sentencepiece(std::string_view bytes, const Json* config, std::string_view what) {
  SpModel model = read_sp_model(bytes, what);
  auto parts = std::make_unique<TokenizerParts>();
  parts->invalid_text = InvalidText::keep;  // the normalizer knows what to do
  const std::string tokenizer_class = config && config->find("tokenizer_class") && (*config)["tokenizer_class"].is_string() ? (*config)["tokenizer_class"].as_string() : "";

  ScoredConfig scored;
  SpNormalizerConfig normalizer;
  PieceDecoderConfig decoder;
  std::optional<TokenId> bos, eos, pad;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const ScoredPiece& p = model.pieces[i];
    const auto id = static_cast<TokenId>(i);
    if (p.type == PieceType::unknown) scored.unk = id;
    if (p.type == PieceType::user_defined) normalizer.user_defined.push_back(p.text);
    if (p.type == PieceType::control) {
      if (p.text == model.bos_piece) bos = id;
      if (p.text == model.eos_piece) eos = id;
      if (p.text == model.pad_piece) pad = id;
    }
    if (p.type == PieceType::control || p.type == PieceType::unknown) {
      parts->added.add({.content = p.text, .id = id, .normalized = false, .special = true, .shown = p.type == PieceType::unknown});
    }
  }
  normalizer.charsmap = CharsMap(model.charsmap, what);
  normalizer.add_dummy_prefix = model.add_dummy_prefix && flag(config, "add_prefix_space").value_or(true);
  // `legacy` of transformers: every part between special tokens gets its own space, or only the text's start.
  normalizer.dummy_prefix_first_only = !flag(config, "legacy").value_or(true);
  normalizer.remove_extra_whitespaces = model.remove_extra_whitespaces;
  normalizer.escape_whitespaces = model.escape_whitespaces;
  normalizer.whitespace_as_suffix = model.whitespace_as_suffix;
  decoder.pieces = model.pieces;
  decoder.strip_first_space = model.add_dummy_prefix || model.remove_extra_whitespaces;
  decoder.strip_all_spaces = model.remove_extra_whitespaces;
  decoder.unk_surface = model.unk_surface;
  parts->normalizer = make_sp_normalizer(std::move(normalizer));
  parts->decoder.push_back(make_piece_decoder(std::move(decoder)));

  scored.byte_fallback = model.byte_fallback;
  scored.pieces = std::move(model.pieces);
  parts->unk = scored.unk;
  parts->model = model.model_type == 2 ? make_scored_bpe(std::move(scored), what) : make_scored_unigram(std::move(scored), what);
  if (config) read_config_tokens(*config, *parts, "tokenizer_config.json");
  parts->added.finish(nullptr);

  const auto named = [&](std::string_view key, std::optional<TokenId> fallback) -> std::optional<TokenId> {
    const Json* value = config ? config->find(key) : nullptr;
    if (value && value->is_object()) value = value->find("content");
    if (!value || !value->is_string()) return fallback;
    if (const AddedToken* added = parts->added.find(value->as_string())) return added->id;
    return parts->model->vocabulary().id(value->as_string());
  };
  parts->bos = named("bos_token", bos);
  parts->eos = named("eos_token", eos);
  parts->pad = named("pad_token", pad);
  // Who says nothing means what the class does by default: T5 ends its texts, the Llama kind begins them.
  const bool t5 = tokenizer_class.starts_with("T5") || (tokenizer_class.empty() && !parts->bos);
  const bool add_bos = flag(config, "add_bos_token").value_or(!t5 && model.model_type == 2);
  const bool add_eos = flag(config, "add_eos_token").value_or(t5);
  const auto token = [&](std::optional<TokenId> id, bool wanted) -> std::optional<std::pair<TokenId, std::string>> {
    if (!id || !wanted) return std::nullopt;
    const std::string* text = parts->model->vocabulary().token(*id);
    return std::pair(*id, text ? *text : std::string{});
  };
  parts->post_processor = around(token(parts->bos, add_bos), token(parts->eos, add_eos));
  read_policy(*parts);
  return Tokenizer(std::move(parts));
}

}  // namespace tashika
