// How kernels/ reach the code of one instruction set.
//
// isa/*.cpp is compiled once for each set, into the namespace tashika::cpu::SET. An op family
// declares a struct of function pointers and, by TASHIKA_ISA_TABLES, one constant of it in each
// namespace:
//
//   struct NormFns { void (*rms_norm)(...); };
//   TASHIKA_ISA_TABLES(NormFns, norm_fns)      // norm_fns(Isa) gives the table
//
// The sources of isa/ include nothing but intrinsics, <cstdint>, <cstddef> and headers of this
// folder whose inline functions lie inside the set's own namespace: an inline function shared with
// other objects could be linked in its AVX-512 form for everyone (tools/check_isa_symbols.sh).
#pragma once

namespace tashika::cpu {

enum class Isa { scalar, avx2, avx512, avx512vnni };

}  // namespace tashika::cpu

// Declares the four constants and the function that picks one.
#define TASHIKA_ISA_TABLES(TYPE, NAME)                                                             \
  namespace scalar { extern const TYPE NAME; }                                                     \
  namespace avx2 { extern const TYPE NAME; }                                                       \
  namespace avx512 { extern const TYPE NAME; }                                                     \
  namespace avx512vnni { extern const TYPE NAME; }                                                 \
  static inline const TYPE& NAME(Isa isa) {                                                        \
    return isa == Isa::avx512vnni ? avx512vnni::NAME                                               \
           : isa == Isa::avx512   ? avx512::NAME                                                   \
           : isa == Isa::avx2     ? avx2::NAME                                                     \
                                  : scalar::NAME;                                                  \
  }
