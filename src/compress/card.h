// The quality card: what was measured of a quantised file, kept in the file itself under tashika.quality.*.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "compress/quality.h"
#include "io/gguf_write.h"

namespace tashika {

struct CardFacts {
  std::string base;                // name of the original
  std::string calibration;         // name of the text
  std::string calibration_sha256;
  std::optional<double> max_kld;   // the limit that a search kept
};

// `quality` holds a divergence.
void add_card(GgufFields& fields, const Quality& quality, const CardFacts& facts);

// The card of a GGUF file's pairs as an object without the keys' prefix; null when there is none.
Json read_card(const Json& gguf_values);

}  // namespace tashika
