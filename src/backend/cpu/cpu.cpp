#include "backend/cpu/cpu.h"

#include <cpuid.h>

#include <cstdlib>
#include <span>
#include <string>

#include "backend/cpu/table.h"
#include "base/error.h"

namespace tashika::cpu {

std::span<const KernelFile* const> cpu_kernel_files();  // generated

namespace {

constexpr std::string_view names[] = {"scalar", "avx2", "avx512", "avx512vnni"};

bool bit(unsigned value, int index) { return (value >> index & 1u) != 0; }

std::uint64_t xcr0() {
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<std::uint64_t>(high) << 32 | low;
}

// The highest set that the processor has and the operating system saves the registers of (Intel
// SDM vol. 1, 13-15; AMD APM vol. 3, appendix E).
Isa best_isa() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return Isa::scalar;
  const bool fma = bit(c, 12), osxsave = bit(c, 27), avx = bit(c, 28), f16c = bit(c, 29);
  if (!osxsave || !avx || !fma || !f16c) return Isa::scalar;
  const std::uint64_t saved = xcr0();
  if ((saved & 0x6) != 0x6) return Isa::scalar;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return Isa::scalar;
  if (!bit(b, 5) || !bit(b, 3) || !bit(b, 8)) return Isa::scalar;  // AVX2, BMI1, BMI2
  const bool avx512 = bit(b, 16) && bit(b, 17) && bit(b, 28) && bit(b, 30) && bit(b, 31);  // F DQ CD BW VL
  if (!avx512 || (saved & 0xe6) != 0xe6) return Isa::avx2;
  const bool vnni = bit(c, 11);
  unsigned a1 = 0, b1, c1, d1;
  const bool bf16 = a >= 1 && __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1) && bit(a1, 5);
  return vnni && bf16 ? Isa::avx512vnni : Isa::avx512;
}

std::string listed(std::span<const std::string_view> all) {
  std::string out;
  for (const std::string_view name : all) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

}  // namespace

std::vector<std::string_view> available_isas() {
  return {std::begin(names), std::begin(names) + static_cast<int>(best_isa()) + 1};
}

std::shared_ptr<const KernelTable> cpu_kernels(std::string_view isa) {
  const char* variable = std::getenv("TASHIKA_ISA");
  const bool asked = !isa.empty();
  if (!asked && variable != nullptr) isa = variable;
  const std::vector<std::string_view> have = available_isas();
  if (isa.empty()) isa = have.back();
  const char* from = asked ? "instruction set '" : "TASHIKA_ISA='";
  for (std::size_t i = 0; i < std::size(names); ++i) {
    if (names[i] != isa) continue;
    if (i >= have.size()) {
      fail_with(ErrorKind::usage, cat(from, isa, "': this machine cannot run it; it has ", listed(have)));
    }
    return std::make_shared<const CpuTable>(cpu_kernel_files(), static_cast<Isa>(i), names[i]);
  }
  fail_with(ErrorKind::usage, cat(from, isa, "' is unknown; the sets are ", listed(names)));
}

}  // namespace tashika::cpu
