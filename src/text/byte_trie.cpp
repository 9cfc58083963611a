#include "text/byte_trie.h"

#include <algorithm>

namespace tashika {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, std::uint32_t>> keys) {
  root_.fill(none);
  std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  // Breadth first: a node covers the keys [begin, end), which share their first `depth` bytes.
  struct Work {
    std::uint32_t node;
    std::size_t begin, end, depth;
  };
  std::vector<Work> queue{{none, 0, keys.size(), 0}};
  for (std::size_t q = 0; q < queue.size(); ++q) {
    const Work w = queue[q];
    std::size_t i = w.begin;
    while (i < w.end && keys[i].first.size() == w.depth) {
      if (w.node != none) nodes_[w.node].value = keys[i].second;
      ++i;
    }
    const auto first = static_cast<std::uint32_t>(nodes_.size());
    std::uint16_t count = 0;
    while (i < w.end) {
      const auto label = static_cast<unsigned char>(keys[i].first[w.depth]);
      std::size_t j = i;
      while (j < w.end && static_cast<unsigned char>(keys[j].first[w.depth]) == label) ++j;
      Node node;
      node.label = label;
      nodes_.push_back(node);
      const auto number = static_cast<std::uint32_t>(nodes_.size()) - 1;
      if (w.node == none) root_[label] = number;
      queue.push_back({number, i, j, w.depth + 1});
      ++count;
      i = j;
    }
    if (w.node != none) {
      nodes_[w.node].first = first;
      nodes_[w.node].count = count;
    }
  }
}

}  // namespace tashika
