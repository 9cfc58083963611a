#include "text/charsmap.h"

#include "base/error.h"
#include "text/utf8.h"

namespace tashika {

CharsMap::CharsMap(std::string_view blob, std::string_view what) {
  if (blob.empty()) return;
  if (blob.size() < 4) fail(what, ": precompiled_charsmap has ", blob.size(), " bytes, at least 4 are needed");
  const auto word = [&](std::size_t at) {
    const auto* p = reinterpret_cast<const unsigned char*>(blob.data() + at);
    return std::uint32_t(p[0]) | std::uint32_t(p[1]) << 8 | std::uint32_t(p[2]) << 16 | std::uint32_t(p[3]) << 24;
  };
  const std::uint32_t size = word(0);
  if (size > blob.size() - 4 || size % 4 != 0) {
    fail(what, ": precompiled_charsmap says its trie has ", size, " bytes, but ", blob.size() - 4, " follow");
  }
  units_.resize(size / 4);
  for (std::size_t i = 0; i < units_.size(); ++i) units_[i] = word(4 + 4 * i);
  strings_ = std::string(blob.substr(4 + size));
}

std::string_view CharsMap::replacement(std::uint32_t offset) const {
  if (offset >= strings_.size()) return {};
  const std::string_view rest = std::string_view(strings_).substr(offset);
  const std::string_view text = rest.substr(0, rest.find('\0'));
  return utf8::is_valid(text) ? text : std::string_view("\xEF\xBF\xBD");  // a broken file
}

// darts-clone units: bits 0-7 the label (bit 31 set: a value, which no label equals), bit 8 "has a
// value", bits 10-30 the offset, shifted by 8 more when bit 9 is set.
template <typename F>
void CharsMap::prefixes(std::string_view text, F&& on_hit) const {
  const auto offset = [](std::uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); };
  if (units_.empty()) return;
  std::size_t at = offset(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto label = static_cast<unsigned char>(text[i]);
    if (label == 0) return;
    at ^= label;
    if (at >= units_.size()) return;
    const std::uint32_t unit = units_[at];
    if ((unit & (0x80000000u | 0xFFu)) != label) return;
    at ^= offset(unit);
    if ((unit >> 8) & 1) {
      if (at >= units_.size()) return;
      if (!on_hit(i + 1, units_[at] & 0x7FFFFFFFu)) return;
    }
  }
}

std::optional<CharsMap::Hit> CharsMap::longest(std::string_view text) const {
  std::optional<Hit> best;
  prefixes(text, [&](std::size_t length, std::uint32_t value) {
    best = Hit{length, replacement(value)};
    return true;
  });
  return best;
}

std::optional<CharsMap::Hit> CharsMap::shortest(std::string_view text) const {
  std::optional<Hit> best;
  prefixes(text, [&](std::size_t length, std::uint32_t value) {
    best = Hit{length, replacement(value)};
    return false;
  });
  return best;
}

}  // namespace tashika
