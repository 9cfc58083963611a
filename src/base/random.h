// Counter-based random numbers: a draw is a function of its key and of nothing else.
//
// Philox-4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011). The key is the seed; the counter is (purpose, sequence, position): draws neither
// depend on their order nor on who else draws, so rollback, batches and speculation change none.
#pragma once

#include <array>
#include <cstdint>

namespace tashika {

using Philox = std::array<std::uint32_t, 4>;

// One block of 128 random bits.
constexpr Philox philox(Philox counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// What a draw is for. The numbers are part of what makes a seed reproducible: never renumber.
enum class Draw : std::uint32_t { token = 1, bench = 2, weights = 3, shuffle = 4 };

constexpr Philox draw(std::uint64_t seed, Draw purpose, std::uint32_t sequence, std::uint64_t position) {
  return philox({static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32), sequence,
                 static_cast<std::uint32_t>(purpose)},
                {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

// Uniform in [0, 1) with 53 bits.
constexpr double draw_uniform(std::uint64_t seed, Draw purpose, std::uint32_t sequence, std::uint64_t position) {
  const Philox bits = draw(seed, purpose, sequence, position);
  return static_cast<double>((std::uint64_t{bits[0]} << 32 | bits[1]) >> 11) * 0x1p-53;
}

}  // namespace tashika
