// The CPU backend: kernels for the instruction set found at run time.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace tashika::cpu {

// Names of the instruction sets that this machine and its operating system can run, lowest first:
// "scalar" (plain x86-64), "avx2" (with FMA and F16C), "avx512" (F, BW, DQ, VL, CD) and
// "avx512vnni" (with VNNI and BF16).
std::vector<std::string_view> available_isas();

// The kernel table for `isa`; empty: the environment's TASHIKA_ISA, or else the best available.
// Throws Error(usage) when the name is unknown or the machine lacks it.
std::shared_ptr<const KernelTable> cpu_kernels(std::string_view isa = "");

}  // namespace tashika::cpu
