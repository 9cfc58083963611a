// Types of 32 values a block.
#include "backend/cpu/isa/matmul_int.h"
#include "backend/cpu/isa/matmul_rows.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

void rows_q4_0(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { int_rows<Path32<Q4_0>>(task, begin, end, scratch); }
void rows_q4_1(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { int_rows<Path32<Q4_1>>(task, begin, end, scratch); }
void rows_q5_0(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { int_rows<Path32<Q5_0>>(task, begin, end, scratch); }
void rows_q5_1(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { int_rows<Path32<Q5_1>>(task, begin, end, scratch); }
void rows_q8_0(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  TASHIKA_GEMV(gemv_q8_0);
  int_rows<Path32<Q8_0>>(task, begin, end, scratch);
}
void rows_iq4_nl(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { int_rows<Path32<IQ4NL>>(task, begin, end, scratch); }

}  // namespace tashika::cpu::TASHIKA_ISA_NS
