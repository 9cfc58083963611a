// LSTM cells with exponential gates on every instruction set: the reference's numbers, the same bits in steps, chunks and batches; the
// recurrent, chunkwise and parallel forms of the matrix cell agree.
#include "cpu/reference.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/lstm.h"

namespace tashika::test {
namespace {

using Segments = std::vector<RecurrenceSegment>;
const Segments two_sequences = {{0, 5}, {5, 2}};

// q, k, v, i, f of `t` tokens; gates reach far beyond their usual range.
std::vector<Tensor> matrix_inputs(Runtime& rt, std::int64_t t, std::int64_t heads, std::int64_t nk, std::int64_t nv) {
  return {random_tensor(rt, {t, heads, nk}, 1), random_tensor(rt, {t, heads, nk}, 2), random_tensor(rt, {t, heads, nv}, 3),
          random_tensor(rt, {t, heads}, 4, -15, 15), random_tensor(rt, {t, heads}, 5, -40, 15)};
}

TEST(Lstm, MatchesTheReference) {
  same_as_reference([](Runtime& rt) {
    std::vector<Tensor> out;
    const auto keep = [&](const ops::Recurrence& r) {
      out.push_back(r.y);
      out.insert(out.end(), r.states.begin(), r.states.end());
    };
    for (const auto& [nk, nv] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {7, 20}, {16, 64}, {20, 67}, {33, 130}, {64, 16}}) {
      const std::vector<Tensor> in = matrix_inputs(rt, 7, 3, nk, nv);
      const Shape state = {3, nk * nv + nk + 1};
      const Tensor states[] = {random_tensor(rt, state, 6, -0.2f, 0.2f), ops::scale(random_tensor(rt, state, 7), 0.0f)};
      keep(ops::mlstm(in[0], in[1], in[2], in[3], in[4], states, {two_sequences, 0.3f, 1e-6f}));
      // Heads that are slices of a wider row.
      const Tensor parts[] = {ops::reshape(in[0], {7, 3 * nk}), ops::reshape(in[1], {7, 3 * nk})};
      const Tensor wide = ops::concat(parts, 1);
      const auto part = [&](std::int64_t at) { return ops::reshape(ops::slice(wide, 1, at, at + 3 * nk), {7, 3, nk}); };
      keep(ops::mlstm(part(0), part(3 * nk), in[2], in[3], in[4], states, {two_sequences, 0.3f, 1e-6f}));
    }
    for (const std::int64_t d : {1, 5, 16, 37, 64}) {
      const Tensor x = random_tensor(rt, {7, 3, 4, d}, 1, -6, 6), r = random_tensor(rt, {3, d, 4, d}, 2, -0.3f, 0.3f);
      const Segments whole = {{0, 7}};
      const Tensor none = ops::scale(random_tensor(rt, {3, 4, d}, 3), 0.0f);
      const Tensor later = ops::slstm(x, r, {&none, 1}, {whole}).states[0];
      const Tensor states[] = {none, later};
      keep(ops::slstm(x, r, states, {two_sequences}));
    }
    return out;
  }, 3e-5);
}

TEST(Lstm, StepsAreChunks) {
  for (const auto isa : cpu::available_isas()) {
    CpuRuntime cpu(isa, 2, ComputeMode::exact, true);
    Runtime& rt = cpu.rt;
    const std::int64_t t = 9, nk = 12, nv = 36;
    const std::vector<Tensor> in = matrix_inputs(rt, t, 2, nk, nv);
    const Tensor x = random_tensor(rt, {t, 2, 4, nv}, 6, -3, 3), r = random_tensor(rt, {2, nv, 4, nv}, 7, -0.3f, 0.3f);
    const auto run = [&](bool matrix, std::int64_t begin, std::int64_t end, const Tensor& state) {
      const Segments all = {{0, end - begin}};
      if (!matrix) return ops::slstm(x.slice(0, begin, end), r, {&state, 1}, {all});
      Tensor p[5];
      for (std::size_t i = 0; i < 5; ++i) p[i] = in[i].slice(0, begin, end);
      return ops::mlstm(p[0], p[1], p[2], p[3], p[4], {&state, 1}, {all, 0.3f, 1e-6f});
    };
    for (const bool matrix : {true, false}) {
      const Tensor start = Tensor::full(rt, matrix ? Shape{2, nk * nv + nk + 1} : Shape{2, 4, nv}, 0.0f);
      const ops::Recurrence whole = run(matrix, 0, t, start);
      Tensor state = start;
      std::vector<Tensor> y;
      for (std::int64_t i = 0; i < t;) {
        const std::int64_t step = std::min<std::int64_t>(i % 3 + 1, t - i);
        const ops::Recurrence part = run(matrix, i, i + step, state);
        y.push_back(part.y);
        state = part.states[0];
        i += step;
      }
      EXPECT_TRUE(same_bits(ops::concat(y, 0).to_host(), whole.y.to_host())) << isa << " matrix " << matrix;
      EXPECT_TRUE(same_bits(state.to_host(), whole.states[0].to_host())) << isa << " matrix " << matrix;
    }
  }
}

double furthest(const Tensor& a, const Tensor& b) {
  const std::vector<float> x = a.to_host(), y = b.to_host();
  double worst = x.size() == y.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    const double error = std::fabs(static_cast<double>(x[i]) - y[i]) / (1 + std::fabs(y[i]));
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

TEST(Lstm, FormsOfTheMatrixCellAgree) {
  CpuRuntime cpu(cpu::available_isas().back(), 2, ComputeMode::exact, false);
  Runtime& rt = cpu.rt;
  const Segments segments = {{0, 130}, {130, 47}};
  for (const bool extreme : {false, true}) {
    std::vector<Tensor> in = matrix_inputs(rt, 177, 2, 16, 24);
    if (!extreme) {
      in[3] = random_tensor(rt, {177, 2}, 4, -3, 3);
      in[4] = random_tensor(rt, {177, 2}, 5, -1, 6);
    }
    const Tensor state = Tensor::full(rt, {2, 16 * 24 + 17}, 0.0f), states[] = {state, state};
    const MlstmAttrs attrs{segments, 0.25f, 1e-6f};
    const ops::Recurrence steps = ops::mlstm(in[0], in[1], in[2], in[3], in[4], states, attrs);
    for (const std::int64_t chunk : {1, 16, 64, 256}) {  // the last: the parallel form
      const ops::Recurrence chunks = ops::mlstm_chunkwise(in[0], in[1], in[2], in[3], in[4], states, attrs, chunk);
      EXPECT_LE(furthest(chunks.y, steps.y), 1e-5) << "chunks of " << chunk << ", extreme " << extreme;
      for (std::size_t s = 0; s < 2; ++s) EXPECT_LE(furthest(chunks.states[s], steps.states[s]), 1e-5) << "chunks of " << chunk;
    }
  }
}

}  // namespace
}  // namespace tashika::test
