// Custom mutators that keep a file's outer structure, so that mutations reach the code behind the first checks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string_view>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max);

namespace tashika {

class MutationRandom {  // splitmix64
 public:
  explicit MutationRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(next() % n); }

 private:
  std::uint64_t state_;
};

inline std::uint64_t interesting_number(MutationRandom& random, std::uint64_t old, std::uint64_t remaining) {
  const std::uint64_t numbers[] = {0,
                                   1,
                                   2,
                                   7,
                                   8,
                                   31,
                                   32,
                                   127,
                                   128,
                                   255,
                                   256,
                                   32767,
                                   65535,
                                   65536,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x100000000,
                                   0x7fffffffffffffff,
                                   0x8000000000000000,
                                   ~std::uint64_t{0},
                                   old + 1,
                                   old - 1,
                                   old * 2,
                                   remaining,
                                   remaining + 1,
                                   remaining - 1,
                                   remaining / 8};
  return numbers[random.below(std::size(numbers))];
}

#ifdef TASHIKA_FUZZ_REPLAY
inline std::size_t mutate_rest(std::uint8_t*, std::size_t size, std::size_t) {
  return size;
}
#else
inline std::size_t mutate_rest(std::uint8_t* data, std::size_t size, std::size_t max) {
  return LLVMFuzzerMutate(data, size, max);
}
#endif

// Little-endian binary files: an integer of 1, 2, 4 or 8 bytes becomes an interesting one, or a range is doubled or
// cut, or libFuzzer mutates it.
inline std::size_t mutate_binary(std::uint8_t* data, std::size_t size, std::size_t max, unsigned seed) {
  MutationRandom random(seed);
  if (size < 32) return mutate_rest(data, size, max);
  switch (random.below(4)) {
    case 0: {
      const std::size_t width = std::size_t{1} << random.below(4);
      const std::size_t at = random.below(size - width);
      std::uint64_t value = 0;
      std::memcpy(&value, data + at, width);
      value = interesting_number(random, value, size - at);
      std::memcpy(data + at, &value, width);
      return size;
    }
    case 1: {  // copy a range over or behind another place
      const std::size_t length = 1 + random.below(std::min<std::size_t>(size / 2, 128));
      const std::size_t from = random.below(size - length);
      const std::size_t to = random.below(size - length);
      if (random.below(2) == 0 || size + length > max) {
        std::memmove(data + to, data + from, length);
        return size;
      }
      std::memmove(data + to + length, data + to, size - to);
      std::memmove(data + to, data + (from >= to ? from + length : from), length);
      return size + length;
    }
    case 2: {
      const std::size_t length = 1 + random.below(std::min<std::size_t>(size / 2, 64));
      const std::size_t from = random.below(size - length);
      std::memmove(data + from, data + from + length, size - from - length);
      return size - length;
    }
    default:
      return mutate_rest(data, size, max);
  }
}

// "u64 length | header | rest": the header is mutated as a text and the length follows, three times out of four.
inline std::size_t mutate_sized_header(std::uint8_t* data, std::size_t size, std::size_t max, unsigned seed) {
  MutationRandom random(seed);
  std::uint64_t length = 0;
  if (size >= 8) std::memcpy(&length, data, 8);
  if (size < 10 || length > size - 8 || max < size + 8 || random.below(4) == 0) return mutate_rest(data, size, max);
  std::uint8_t* header = data + 8;
  std::uint8_t* rest = header + length;
  const std::size_t rest_size = size - 8 - length;
  std::uint8_t kept[256];
  const std::size_t kept_size = std::min(rest_size, sizeof kept);
  std::memcpy(kept, rest, kept_size);
  std::size_t changed = length;
  static constexpr std::string_view words[] = {"\"F32\"",
                                               "\"F64\"",
                                               "\"BF16\"",
                                               "\"U8\"",
                                               "\"BOOL\"",
                                               "[",
                                               "]",
                                               "{",
                                               "}",
                                               ",",
                                               ":",
                                               "\"",
                                               "0",
                                               "1",
                                               "-1",
                                               "1e9",
                                               "true",
                                               "null",
                                               "\"shape\":[",
                                               "\"dtype\":",
                                               "\"data_offsets\":[",
                                               "\"__metadata__\":{",
                                               "\\u0041",
                                               "\\ud83d\\ude00",
                                               "\\n",
                                               "[0,0]",
                                               "[1]",
                                               "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"};
  if (random.below(2) == 0) {
    const std::string_view word = words[random.below(std::size(words))];
    const std::size_t at = random.below(length);
    if (random.below(2) == 0 && at + word.size() <= length) {
      std::memcpy(header + at, word.data(), word.size());
    } else if (8 + length + word.size() + kept_size <= max) {
      std::memmove(header + at + word.size(), header + at, length - at);
      std::memcpy(header + at, word.data(), word.size());
      changed = length + word.size();
    }
  } else {
    changed = mutate_rest(header, length, std::min<std::size_t>(max - 8 - kept_size, length + 64));
  }
  std::memcpy(data, &changed, 8);
  std::memcpy(header + changed, kept, kept_size);
  return 8 + changed + kept_size;
}

}  // namespace tashika
