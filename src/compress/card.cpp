#include "compress/card.h"

#include <cmath>

#include "base/error.h"

namespace tashika {
namespace {

constexpr std::string_view prefix = "tashika.quality.";

}  // namespace

void add_card(GgufFields& fields, const Quality& quality, const CardFacts& facts) {
  if (!quality.against) fail_with(ErrorKind::internal, "add_card: no divergence");
  const Divergence& d = *quality.against;
  const auto text = [&](std::string_view key, std::string_view value) { fields.add_text(cat(prefix, key), value); };
  const auto real = [&](std::string_view key, double value) { fields.add(cat(prefix, key), value); };
  const auto count = [&](std::string_view key, std::int64_t value) { fields.add(cat(prefix, key), static_cast<std::uint32_t>(value)); };
  text("base", facts.base);
  text("calibration", facts.calibration);
  text("calibration_sha256", facts.calibration_sha256);
  count("chunks", quality.chunks);
  count("context", quality.context);
  count("positions", quality.positions);
  if (facts.max_kld) real("kld_limit", *facts.max_kld);
  real("kld_mean", d.kld.mean);
  real("kld_error", d.kld.error);
  real("kld_median", d.kld_percentile(50));
  real("kld_90", d.kld_percentile(90));
  real("kld_95", d.kld_percentile(95));
  real("kld_99", d.kld_percentile(99));
  real("kld_max", d.kld_percentile(100));
  real("same_top", d.same_top.mean);
  real("perplexity", quality.perplexity());
  real("perplexity_error", quality.perplexity_error());
  real("base_perplexity", std::exp(d.base_nll.mean));
}

Json read_card(const Json& values) {
  Json out;
  if (!values.is_object()) return out;
  for (const auto& [key, value] : values.as_object().entries()) {
    if (key.starts_with(prefix) && !value.is_array()) out.set(std::string_view(key).substr(prefix.size()), value);
  }
  return out;
}

}  // namespace tashika
