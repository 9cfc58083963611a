#include "text/stream.h"

#include "text/tokenizer_parts.h"
#include "text/utf8.h"

namespace tashika {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer), skip_special_(skip_special), held_(std::make_unique<std::string>()) {
  decoding_ = std::make_unique<Decoding>(tokenizer.parts().decoder, true,
                                         [held = held_.get()](std::string_view text) { held->append(text); });
}
StreamDecoder::~StreamDecoder() = default;
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;

std::string StreamDecoder::take(bool all) {
  const std::size_t tail = all ? 0 : utf8::incomplete_tail(*held_);
  std::string out = held_->substr(0, held_->size() - tail);
  held_->erase(0, out.size());
  return utf8::is_valid(out) ? out : utf8::replace_invalid(out);
}

std::string StreamDecoder::push(TokenId id) {
  const TokenizerParts& parts = tokenizer_->parts();
  const std::string* token = parts.added.spelling(id);
  if (!token) token = parts.model->vocabulary().token(id);
  if (!token || (skip_special_ && parts.added.is_skipped(*token))) return {};
  decoding_->push(*token);
  return take(false);
}

std::string StreamDecoder::finish() {
  decoding_->finish();
  return take(true);
}

}  // namespace tashika
