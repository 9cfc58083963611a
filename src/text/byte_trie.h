// A trie over bytes, for matching vocabulary entries at a place of the text.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace tashika {

class ByteTrie {
 public:
  ByteTrie() { root_.fill(none); }
  // Keys in any order; of equal keys the last value counts. Empty keys are left out.
  explicit ByteTrie(std::vector<std::pair<std::string_view, std::uint32_t>> keys);

  static constexpr std::uint32_t none = ~std::uint32_t{0};

  // Calls on_key(length, value) for every key that is a prefix of `text`, shortest first. Returns
  // the bytes looked at.
  template <typename F>
  std::size_t prefixes(std::string_view text, F&& on_key) const {
    if (text.empty()) return 0;
    std::uint32_t node = root_[static_cast<unsigned char>(text[0])];
    std::size_t i = 1;
    while (node != none) {
      if (nodes_[node].value != none) on_key(i, nodes_[node].value);
      if (i >= text.size()) break;
      node = child(node, static_cast<unsigned char>(text[i]));
      ++i;
    }
    return i;
  }
  struct Hit {
    std::size_t length = 0;  // 0: nothing matched
    std::uint32_t value = none;
  };
  Hit longest(std::string_view text) const {
    Hit hit;
    prefixes(text, [&](std::size_t length, std::uint32_t value) { hit = {length, value}; });
    return hit;
  }
  bool starts(char c) const { return root_[static_cast<unsigned char>(c)] != none; }
  bool empty() const { return nodes_.empty(); }

 private:
  struct Node {
    std::uint32_t value = none;
    std::uint32_t first = 0;  // children are nodes first … first + count - 1, in order of their label
    std::uint16_t count = 0;
    std::uint8_t label = 0;
  };
  std::uint32_t child(std::uint32_t node, unsigned char label) const {
    std::uint32_t low = nodes_[node].first, high = low + nodes_[node].count;
    while (low < high) {
      const std::uint32_t middle = (low + high) / 2;
      (nodes_[middle].label < label ? low : high) = nodes_[middle].label < label ? middle + 1 : middle;
    }
    return low < nodes_[node].first + nodes_[node].count && nodes_[low].label == label ? low : none;
  }
  std::array<std::uint32_t, 256> root_;
  std::vector<Node> nodes_;
};

}  // namespace tashika
