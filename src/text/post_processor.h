// Post-processors: the special tokens put around an encoding.
#pragma once

#include <memory>

#include "text/json_fields.h"
#include "text/tokenizer.h"

namespace tashika {

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  virtual void apply(Encoding& encoding, bool add_special, bool with_tokens) const = 0;
};

std::unique_ptr<const PostProcessor> make_post_processor(const Fields& fields, int depth = 0);

// BOS before, EOS after, where given.
std::unique_ptr<const PostProcessor> around(std::optional<std::pair<TokenId, std::string>> before,
                                            std::optional<std::pair<TokenId, std::string>> after);

}  // namespace tashika
