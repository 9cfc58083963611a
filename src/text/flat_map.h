// Open-addressing hash maps for vocabularies and merges: filled once, looked up millions of times.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace tashika {

inline std::uint64_t mix_bits(std::uint64_t x) {
  x ^= x >> 32;
  x *= 0x9E3779B97F4A7C15ULL;
  x ^= x >> 29;
  x *= 0xBF58476D1CE4E5B9ULL;
  return x ^ (x >> 32);
}

// 64-bit keys (not ~0) to V.
template <typename V>
class FlatMap {
 public:
  explicit FlatMap(std::size_t expected = 0) { resize(expected); }
  std::size_t size() const { return size_; }

  // The value of `key`, inserted default-made when absent.
  V& operator[](std::uint64_t key) {
    if ((size_ + 1) * 3 > slots_.size() * 2) resize(size_ * 2 + 8);
    Slot& s = slots_[place(key)];
    if (s.key == none) {
      s.key = key;
      ++size_;
    }
    return s.value;
  }
  const V* find(std::uint64_t key) const {
    const Slot& s = slots_[place(key)];
    return s.key == none ? nullptr : &s.value;
  }

 private:
  static constexpr std::uint64_t none = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = none;
    V value{};
  };
  std::size_t place(std::uint64_t key) const {
    std::size_t i = mix_bits(key) & (slots_.size() - 1);
    while (slots_[i].key != none && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
    return i;
  }
  void resize(std::size_t expected) {
    std::size_t n = 16;
    while (n * 2 < expected * 3 + 3) n *= 2;
    std::vector<Slot> old(n);
    old.swap(slots_);
    for (Slot& s : old) {
      if (s.key != none) slots_[place(s.key)] = std::move(s);
    }
  }
  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

// Strings held elsewhere (by number) to those numbers.
class StringIndex {
 public:
  // `text(i)` gives string number i.
  template <typename F>
  std::uint32_t* insert(std::string_view key, std::uint32_t number, F&& text) {
    if ((size_ + 1) * 3 > slots_.size() * 2) grow(text);
    const std::size_t i = place(key, text);
    if (slots_[i] != none) return &slots_[i];  // already there
    slots_[i] = number;
    ++size_;
    return nullptr;
  }
  template <typename F>
  std::uint32_t find(std::string_view key, F&& text) const {
    return slots_.empty() ? none : slots_[place(key, text)];
  }
  static constexpr std::uint32_t none = ~std::uint32_t{0};

 private:
  template <typename F>
  std::size_t place(std::string_view key, F&& text) const {
    std::size_t i = std::hash<std::string_view>{}(key) & (slots_.size() - 1);
    while (slots_[i] != none && text(slots_[i]) != key) i = (i + 1) & (slots_.size() - 1);
    return i;
  }
  template <typename F>
  void grow(F&& text) {
    std::vector<std::uint32_t> old(slots_.empty() ? 16 : slots_.size() * 2, none);
    old.swap(slots_);
    for (const std::uint32_t n : old) {
      if (n != none) slots_[place(text(n), text)] = n;
    }
  }
  std::vector<std::uint32_t> slots_;
  std::size_t size_ = 0;
};

}  // namespace tashika
