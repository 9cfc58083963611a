#include "text/tokenizer.h"

#include "base/error.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

namespace tashika {
namespace {

// The id's spelling that decoding starts from; null when there is no such token.
const std::string* spelling(const TokenizerParts& parts, TokenId id) {
  if (const std::string* added = parts.added.spelling(id)) return added;
  return parts.model->vocabulary().token(id);
}

void encode_into(const TokenizerParts& parts, std::string_view raw, EncodeOptions options, bool with_tokens, Encoding& out) {
  std::string repaired;
  std::string_view text = raw;
  if (parts.invalid_text != InvalidText::keep && !utf8::is_valid(raw)) {
    repaired = parts.invalid_text == InvalidText::replace_bytes ? utf8::replace_invalid_bytes(raw) : utf8::replace_invalid(raw);
    text = repaired;
  }
  if (text.size() > 0x7FFFFFF0) fail_with(ErrorKind::limit, "texts of 2 GiB and more cannot be tokenized at once: split the text");
  RegexScratch regex;
  regex.budget += 40'000'000 + 300 * static_cast<std::uint64_t>(text.size());
  ModelScratch model;
  TokenSink sink{out, with_tokens};
  const PieceSink to_model = [&](Piece&& piece) {
    if (!piece.text.empty()) parts.model->tokenize(piece.text, model, sink);
  };
  parts.added.extract(
      text, parts.normalizer.get(), options.special_as_text, regex,
      [&](const AddedToken& token, std::string_view matched) { sink.add(token.id, matched); },
      [&](Piece&& piece) {
        if (parts.pre_tokenizer) {
          parts.pre_tokenizer->split(std::move(piece), regex, to_model);
        } else {
          to_model(std::move(piece));
        }
      });
  if (parts.post_processor) parts.post_processor->apply(out, options.add_special, with_tokens);
}

}  // namespace

void read_policy(TokenizerParts& parts) {
  Encoding empty;
  if (parts.post_processor) parts.post_processor->apply(empty, true, false);
  parts.adds_bos = parts.bos && !empty.ids.empty() && empty.ids.front() == *parts.bos;
  parts.adds_eos = parts.eos && !empty.ids.empty() && empty.ids.back() == *parts.eos && !(empty.ids.size() == 1 && parts.adds_bos);
}

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  Encoding out;
  encode_into(*parts_, text, options, false, out);
  return std::move(out.ids);
}

Encoding Tokenizer::encode_with_tokens(std::string_view text, EncodeOptions options) const {
  Encoding out;
  encode_into(*parts_, text, options, true, out);
  return out;
}

std::vector<TokenId> Tokenizer::encode_prompt(std::string_view text) const {
  std::vector<TokenId> ids = encode(text, {.add_special = false});
  if (parts_->adds_bos && (ids.empty() || ids.front() != *parts_->bos)) ids.insert(ids.begin(), *parts_->bos);
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special, DecodeErrors errors) const {
  std::string out;
  Decoding decoding(parts_->decoder, errors == DecodeErrors::exact, [&](std::string_view text) { out.append(text); });
  const TokenId limit = id_limit();
  for (const TokenId id : ids) {
    if (id < 0 || id >= limit) fail("token id ", id, " is out of range: this tokenizer's ids go from 0 to ", limit - 1);
    const std::string* token = spelling(*parts_, id);
    if (!token || (skip_special && parts_->added.is_skipped(*token))) continue;
    decoding.push(*token);
  }
  decoding.finish();
  return errors == DecodeErrors::exact || utf8::is_valid(out) ? out : utf8::replace_invalid(out);
}

TokenId Tokenizer::id_limit() const { return std::max(parts_->model->vocabulary().id_limit(), parts_->added.id_limit()); }

std::size_t Tokenizer::vocab_size() const {
  std::size_t n = parts_->model->vocabulary().size();
  for (const AddedToken& t : parts_->added.all()) n += !parts_->model->vocabulary().id(t.content).has_value();
  return n;
}

bool Tokenizer::has(TokenId id) const { return spelling(*parts_, id) != nullptr; }

std::string Tokenizer::token(TokenId id) const {
  if (const AddedToken* added = parts_->added.find(id)) return added->content;
  const std::string* token = parts_->model->vocabulary().token(id);
  return token ? *token : std::string{};
}

std::string Tokenizer::token_bytes(TokenId id) const {
  const std::string* token = spelling(*parts_, id);
  if (!token) return {};
  // Decoders treat the first token differently: put an empty one before it.
  std::string out;
  Decoding decoding(parts_->decoder, true, [&](std::string_view text) { out.append(text); });
  decoding.push("");
  decoding.push("a");
  decoding.push(*token);
  decoding.finish();
  const std::size_t lead = out.find('a');
  return lead == std::string::npos ? out : out.substr(lead + 1);
}

std::optional<TokenId> Tokenizer::id(std::string_view token) const {
  if (const AddedToken* added = parts_->added.find(token)) return added->id;
  return parts_->model->vocabulary().id(token);
}

TokenKind Tokenizer::kind(TokenId id) const {
  TokenKind kind;
  if (const AddedToken* added = parts_->added.find(id)) {
    kind.added = true;
    kind.special = added->special;
  }
  const std::string* token = parts_->model->vocabulary().token(id);
  kind.byte = token && parse_byte_token(*token).has_value();
  kind.unknown = parts_->unk == id;
  return kind;
}

std::optional<TokenId> Tokenizer::bos() const { return parts_->bos; }
std::optional<TokenId> Tokenizer::eos() const { return parts_->eos; }
std::optional<TokenId> Tokenizer::unk() const { return parts_->unk; }
std::optional<TokenId> Tokenizer::pad() const { return parts_->pad; }
bool Tokenizer::adds_bos() const { return parts_->adds_bos; }
bool Tokenizer::adds_eos() const { return parts_->adds_eos; }
std::string_view Tokenizer::model_name() const { return parts_->name.empty() ? parts_->model->name() : std::string_view(parts_->name); }

}  // namespace tashika
