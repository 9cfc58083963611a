// A vocabulary's tokens as a tree of bytes, and masks over it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/grammar/grammar.h"
#include "text/grammar/program.h"

namespace tashika::grammar {

// How a special token is spelled among bytes: a byte that no UTF-8 has, and the id.
std::string special_spelling(std::int32_t id);

// Nodes in the order of a walk; node 0 is the root.
class TokenTrie {
 public:
  TokenTrie(const std::vector<std::string>& tokens, const std::vector<bool>& special);

  struct Node {
    std::uint32_t skip = 0;    // the node behind this one's subtree
    std::uint32_t parent = 0;
    std::uint32_t first = 0;   // its tokens are order()[first … first + count - 1]
    std::uint16_t count = 0;
    std::uint16_t depth = 0;
    std::uint8_t byte = 0;
  };
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const std::int32_t> order() const { return order_; }
  std::string_view bytes(std::int32_t id) const { return bytes_[static_cast<std::size_t>(id)]; }
  std::size_t width() const { return bytes_.size(); }
  std::uint32_t deepest() const { return deepest_; }
  void allow(const Node& node, TokenMask& mask) const {
    for (std::uint32_t i = node.first; i < node.first + node.count; ++i) mask.allow(order_[i]);
  }

 private:
  std::vector<std::string> bytes_;
  std::vector<Node> nodes_;
  std::vector<std::int32_t> order_;
  std::uint32_t deepest_ = 0;
};

// What an automaton's state allows, whatever goes on behind it.
struct StateMask {
  DfaPtr dfa;  // keeps the key's address taken
  TokenMask inside;                  // tokens that end within
  TokenMask closing;                 // tokens that end where the automaton may
  std::vector<std::uint32_t> exits;  // nodes where it may end; 0: it may before any byte
};

class MaskCache {
 public:
  struct Key {
    const Dfa* dfa;
    std::uint32_t state, least, most;
    bool operator==(const Key&) const = default;
  };
  std::shared_ptr<const StateMask> find(const Key& key);
  void add(const Key& key, std::shared_ptr<const StateMask> value);

 private:
  static constexpr std::size_t budget = 96 << 20;
  struct Hash {
    std::size_t operator()(const Key& k) const {
      std::uint64_t h = reinterpret_cast<std::uintptr_t>(k.dfa) * 0x9E3779B97F4A7C15ULL;
      h = (h ^ k.state) * 0xBF58476D1CE4E5B9ULL;
      h = (h ^ (std::uint64_t{k.least} << 32) ^ k.most) * 0x9E3779B97F4A7C15ULL;
      return static_cast<std::size_t>(h ^ (h >> 29));
    }
  };
  std::mutex mutex_;
  std::unordered_map<Key, std::shared_ptr<const StateMask>, Hash> map_;
  std::deque<Key> order_;
  std::size_t bytes_ = 0;
};

// Allows in `out` (already sized) every token after which the machine can go on or end.
void fill_mask(Machine& machine, const TokenTrie& trie, MaskCache& cache, const std::vector<Thread>& threads, const std::string& text, TokenMask& out);

}  // namespace tashika::grammar
