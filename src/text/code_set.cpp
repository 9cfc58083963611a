#include "text/code_set.h"

#include <algorithm>
#include <map>

namespace tashika {
namespace {
constexpr std::size_t page_count = 0x110000 / 256;
}

CodeSet::CodeSet(std::vector<CodeRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const CodeRange& a, const CodeRange& b) { return a.first < b.first; });
  for (const CodeRange& r : ranges) {
    if (r.first > r.last) continue;
    if (!ranges_.empty() && r.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, r.last);
    } else {
      ranges_.push_back(r);
    }
  }
  pages_ = {Page{}, Page{~0ULL, ~0ULL, ~0ULL, ~0ULL}};  // page 0: nothing, page 1: everything
  index_.assign(page_count, 0);
  std::map<std::size_t, Page> partial;
  for (CodeRange& r : ranges_) {
    r.last = std::min<char32_t>(r.last, 0x10FFFF);
    for (std::size_t page = r.first >> 8; page <= r.last >> 8; ++page) {
      const auto begin = static_cast<char32_t>(page << 8);
      const char32_t first = std::max(begin, r.first), last = std::min<char32_t>(begin + 255, r.last);
      if (last - first == 255) {
        index_[page] = 1;
        continue;
      }
      Page& bits = partial[page];
      for (char32_t c = first; c <= last; ++c) bits[(c >> 6) & 3] |= 1ULL << (c & 63);
    }
  }
  std::map<Page, std::uint16_t> known;
  for (const auto& [page, bits] : partial) {
    const auto [slot, added] = known.try_emplace(bits, static_cast<std::uint16_t>(pages_.size()));
    if (added) pages_.push_back(bits);
    index_[page] = slot->second;
  }
  ascii_ = {pages_[index_[0]][0], pages_[index_[0]][1]};
}

CodeSet CodeSet::complement() const {
  std::vector<CodeRange> out;
  char32_t next = 0;
  for (const CodeRange& r : ranges_) {
    if (r.first > next) out.push_back({next, r.first - 1});
    next = r.last + 1;
  }
  if (next <= 0x10FFFF) out.push_back({next, 0x10FFFF});
  return CodeSet(std::move(out));
}

CodeSet CodeSet::with(const CodeSet& other) const {
  std::vector<CodeRange> all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return CodeSet(std::move(all));
}

CodeSet CodeSet::within(const CodeSet& other) const {
  std::vector<CodeRange> out;
  std::size_t i = 0, j = 0;
  while (i < ranges_.size() && j < other.ranges_.size()) {
    const CodeRange &a = ranges_[i], &b = other.ranges_[j];
    const char32_t first = std::max(a.first, b.first), last = std::min(a.last, b.last);
    if (first <= last) out.push_back({first, last});
    (a.last < b.last ? i : j)++;
  }
  return CodeSet(std::move(out));
}

CodeMap::CodeMap(const std::vector<Run>& runs) : runs_(runs), index_(page_count, 0), pages_(256, 0) {
  std::map<std::array<std::uint8_t, 256>, std::uint16_t> known{{{}, 0}};
  std::size_t r = 0;
  for (std::size_t page = 0; page < page_count; ++page) {
    std::array<std::uint8_t, 256> bytes{};
    const auto begin = static_cast<char32_t>(page << 8);
    const char32_t end = begin + 255;
    while (r < runs_.size() && runs_[r].last < begin) ++r;
    for (std::size_t s = r; s < runs_.size() && runs_[s].first <= end; ++s) {
      for (char32_t c = std::max(begin, runs_[s].first); c <= std::min(end, runs_[s].last); ++c) {
        bytes[c & 255] = runs_[s].value;
      }
    }
    const auto [slot, added] = known.try_emplace(bytes, static_cast<std::uint16_t>(pages_.size() / 256));
    if (added) pages_.insert(pages_.end(), bytes.begin(), bytes.end());
    index_[page] = slot->second;
  }
}

CodeSet CodeMap::where(std::uint8_t value) const {
  std::vector<CodeRange> out;
  for (const Run& r : runs_) {
    if (r.value == value) out.push_back({r.first, r.last});
  }
  return CodeSet(std::move(out));
}

}  // namespace tashika
