// SentencePiece's precompiled_charsmap: a double-array trie (darts-clone) from text to the offset of
// its replacement in a block of zero-terminated strings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tashika {

class CharsMap {
 public:
  CharsMap() = default;
  // `blob`: little-endian size of the trie in bytes, the trie, the strings. Empty: maps nothing.
  // Throws Error naming `what` when the sizes do not fit.
  CharsMap(std::string_view blob, std::string_view what);

  bool empty() const { return units_.empty(); }

  struct Hit {
    std::size_t length;        // bytes of the key
    std::string_view text;     // what it becomes
  };
  std::optional<Hit> longest(std::string_view text) const;
  std::optional<Hit> shortest(std::string_view text) const;

 private:
  template <typename F>
  void prefixes(std::string_view text, F&& on_hit) const;
  std::string_view replacement(std::uint32_t offset) const;

  std::vector<std::uint32_t> units_;
  std::string strings_;
};

}  // namespace tashika
