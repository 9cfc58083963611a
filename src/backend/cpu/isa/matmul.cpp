// The table of one instruction set's matrix kernels.
#include "backend/cpu/isa/matmul_rows.h"

namespace tashika::cpu::TASHIKA_ISA_NS {
namespace {

// GGUF ids name the formats; kernels/linear.cpp checks the block sizes against quant/.
constexpr MatmulFormat formats[] = {
    {2, ActKind::q32, 18, &rows_q4_0},
    {3, ActKind::q32, 20, &rows_q4_1},
    {6, ActKind::q32, 22, &rows_q5_0},
    {7, ActKind::q32, 24, &rows_q5_1},
    {8, ActKind::q32, 34, &rows_q8_0},
    {20, ActKind::q32, 18, &rows_iq4_nl},
    {10, ActKind::q256, 84, &rows_q2_k},
    {11, ActKind::q256, 110, &rows_q3_k},
    {12, ActKind::q256, 144, &rows_q4_k},
    {13, ActKind::q256, 176, &rows_q5_k},
    {14, ActKind::q256, 210, &rows_q6_k},
    {23, ActKind::q256, 136, &rows_iq4_xs},
#if defined(__AVX512BF16__)
    {30, ActKind::bf16, 2, &rows_bf16},
#endif
};

}  // namespace

extern const MatmulFns matmul_fns;
const MatmulFns matmul_fns{formats,       sizeof formats / sizeof formats[0],
                           &rows_f32,     &rows_f16,
                           &rows_bf16_wide, &rows_decoded,
                           &pack_f32,     &pack_bf16,
                           &pack_q256,    &pack_q32};

}  // namespace tashika::cpu::TASHIKA_ISA_NS
