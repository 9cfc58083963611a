// Sets of and small maps over code points, with constant-time lookup.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tashika {

struct CodeRange {
  char32_t first, last;  // inclusive
  bool operator==(const CodeRange&) const = default;
};

// An immutable set of code points: sorted ranges, and pages of 256 bits of which equal ones are
// stored once.
class CodeSet {
 public:
  CodeSet() : CodeSet(std::vector<CodeRange>{}) {}
  explicit CodeSet(std::vector<CodeRange> ranges);  // in any order, overlapping allowed

  bool contains(char32_t c) const {
    if (c < 128) return (ascii_[c >> 6] >> (c & 63)) & 1;
    if (c > 0x10FFFF) return false;
    const auto& page = pages_[index_[c >> 8]];
    return (page[(c >> 6) & 3] >> (c & 63)) & 1;
  }
  const std::vector<CodeRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }

  CodeSet complement() const;
  CodeSet with(const CodeSet& other) const;     // union
  CodeSet within(const CodeSet& other) const;   // intersection

 private:
  using Page = std::array<std::uint64_t, 4>;
  std::vector<CodeRange> ranges_;
  std::array<std::uint64_t, 2> ascii_{};
  std::vector<std::uint16_t> index_;
  std::vector<Page> pages_;
};

// A map from code points to small numbers (0 where nothing is said).
class CodeMap {
 public:
  struct Run {
    char32_t first, last;
    std::uint8_t value;
  };
  explicit CodeMap(const std::vector<Run>& runs);
  std::uint8_t operator[](char32_t c) const {
    return c > 0x10FFFF ? 0 : pages_[std::size_t(index_[c >> 8]) * 256 + (c & 255)];
  }
  CodeSet where(std::uint8_t value) const;

 private:
  std::vector<Run> runs_;
  std::vector<std::uint16_t> index_;
  std::vector<std::uint8_t> pages_;
};

}  // namespace tashika
