// K types and iq4_xs.
#include "backend/cpu/isa/matmul_int.h"
#include "backend/cpu/isa/matmul_rows.h"

namespace tashika::cpu::TASHIKA_ISA_NS {

void rows_q2_k(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { int_rows<KPath<Q2K>>(task, begin, end, scratch); }
void rows_q3_k(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { int_rows<KPath<Q3K>>(task, begin, end, scratch); }
void rows_q4_k(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  TASHIKA_GEMV(gemv_q4_k);
  int_rows<KPath<Q4K>>(task, begin, end, scratch);
}
void rows_q5_k(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  TASHIKA_GEMV(gemv_q5_k);
  int_rows<KPath<Q5K>>(task, begin, end, scratch);
}
void rows_q6_k(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) {
  TASHIKA_GEMV(gemv_q6_k);
  int_rows<KPath<Q6K>>(task, begin, end, scratch);
}
void rows_iq4_xs(const MatmulTask& task, int64_t begin, int64_t end, void* scratch) { int_rows<KPath<IQ4XS>>(task, begin, end, scratch); }

}  // namespace tashika::cpu::TASHIKA_ISA_NS
