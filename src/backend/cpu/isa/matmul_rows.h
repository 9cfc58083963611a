// The row kernels of one instruction set, as its table lists them.
#pragma once

#include "backend/cpu/isa/vec.h"
#include "backend/cpu/isa/matmul.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

#define TASHIKA_ROWS(NAME) void NAME(const MatmulTask& task, int64_t begin, int64_t end, void* scratch);
TASHIKA_ROWS(rows_f32)
TASHIKA_ROWS(rows_f16)
TASHIKA_ROWS(rows_bf16_wide)
TASHIKA_ROWS(rows_decoded)
TASHIKA_ROWS(rows_bf16)
TASHIKA_ROWS(rows_q4_0)
TASHIKA_ROWS(rows_q4_1)
TASHIKA_ROWS(rows_q5_0)
TASHIKA_ROWS(rows_q5_1)
TASHIKA_ROWS(rows_q8_0)
TASHIKA_ROWS(rows_iq4_nl)
TASHIKA_ROWS(rows_q2_k)
TASHIKA_ROWS(rows_q3_k)
TASHIKA_ROWS(rows_q4_k)
TASHIKA_ROWS(rows_q5_k)
TASHIKA_ROWS(rows_q6_k)
TASHIKA_ROWS(rows_iq4_xs)
#undef TASHIKA_ROWS

#if defined(__AVX512VNNI__)
// One activation row (avx512vnni/); the results are the panel kernels' bit for bit.
void gemv_q4_k(const MatmulTask& task, int64_t begin, int64_t end);
void gemv_q5_k(const MatmulTask& task, int64_t begin, int64_t end);
void gemv_q6_k(const MatmulTask& task, int64_t begin, int64_t end);
void gemv_q8_0(const MatmulTask& task, int64_t begin, int64_t end);
#define TASHIKA_GEMV(NAME) if (task.m == 1) return NAME(task, begin, end)
#else
#define TASHIKA_GEMV(NAME) (void)0
#endif

void pack_f32(const float* x, int64_t k, float* out, int64_t row, int64_t rows);
void pack_bf16(const float* x, int64_t k, uint16_t* out, int64_t row, int64_t rows);
void pack_q256(const float* x, int64_t k, Act256* out, int64_t rows);
void pack_q32(const float* x, int64_t k, Act32* out, int64_t rows);

}  // namespace tashika::cpu::TASHIKA_ISA_NS
