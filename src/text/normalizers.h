// Normalizers: what is done to the text before it is split.
#pragma once

#include <memory>

#include "text/json_fields.h"
#include "text/piece.h"
#include "text/regex.h"

namespace tashika {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(Piece& piece, RegexScratch& scratch) const = 0;
};

// A normalizer as tokenizer.json describes it. Throws Error for an unknown type or a bad field.
std::unique_ptr<const Normalizer> make_normalizer(const Fields& fields, int depth = 0);

}  // namespace tashika
