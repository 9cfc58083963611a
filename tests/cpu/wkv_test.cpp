// The recurrences of RWKV on every instruction set: the reference's numbers, the same bits in steps, chunks and batches.
#include "cpu/reference.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/wkv.h"

namespace tashika::test {
namespace {

using Segments = std::vector<RecurrenceSegment>;

// Head sizes that fill and straddle a register and four of them.
constexpr std::int64_t head_sizes[] = {1, 7, 16, 20, 64, 67, 80, 128};
const Segments two_sequences = {{0, 5}, {5, 2}};

Tensor decay(Runtime& rt, const Shape& shape, int seed) { return ops::sigmoid(random_tensor(rt, shape, seed, -2, 6)); }

TEST(Wkv, MatchesTheReference) {
  same_as_reference([](Runtime& rt) {
    std::vector<Tensor> out;
    const auto keep = [&](const ops::Recurrence& r) {
      out.push_back(r.y);
      out.insert(out.end(), r.states.begin(), r.states.end());
    };
    for (const std::int64_t n : head_sizes) {
      const Shape rows = {7, 3, n}, state = {3, n, n};
      const Tensor r = random_tensor(rt, rows, 1), k = random_tensor(rt, rows, 2), v = random_tensor(rt, rows, 3), w = decay(rt, rows, 4);
      const Tensor a = random_tensor(rt, rows, 5, -0.3f, 0.3f), b = random_tensor(rt, rows, 6, -0.3f, 0.3f), u = random_tensor(rt, {3, n}, 7);
      const Tensor states[] = {random_tensor(rt, state, 8), random_tensor(rt, state, 9)};
      keep(ops::wkv6(r, k, v, w, u, states, two_sequences));
      keep(ops::wkv6(r, k, v, ops::slice(w, 0, 0, 1), u, states, two_sequences));
      keep(ops::wkv7(r, w, k, v, a, b, states, two_sequences));
    }
    for (const std::int64_t c : {1, 15, 16, 64, 65, 200}) {
      const Tensor k = random_tensor(rt, {7, c}, 1, -9, 9), v = random_tensor(rt, {7, c}, 2), w = random_tensor(rt, {c}, 3, -4, -0.01f);
      const Tensor counted = random_tensor(rt, {2, c}, 5, 0.1f, 1.0f), none = ops::scale(counted, 0.0f);
      const Tensor old[] = {counted, random_tensor(rt, {1, c}, 6, -3, 3)}, fresh[] = {none, Tensor::full(rt, {1, c}, -1e30f)};
      const Tensor states[] = {ops::concat(old, 0), ops::concat(fresh, 0)};
      keep(ops::wkv4(k, v, w, random_tensor(rt, {c}, 4, -2, 2), states, two_sequences));
    }
    return out;
  }, 3e-5);
}

TEST(Wkv, StepsAreChunks) {
  for (const auto isa : cpu::available_isas()) {
    CpuRuntime cpu(isa, 2, ComputeMode::exact, true);
    Runtime& rt = cpu.rt;
    const std::int64_t t = 9, n = 36;
    const Shape rows = {t, 2, n};
    const Tensor in[] = {random_tensor(rt, rows, 1), decay(rt, rows, 2),          random_tensor(rt, rows, 3),
                         random_tensor(rt, rows, 4), random_tensor(rt, rows, 5, -0.3f, 0.3f), random_tensor(rt, rows, 6, -0.3f, 0.3f)};
    const Tensor start = random_tensor(rt, {2, n, n}, 7), u = random_tensor(rt, {2, n}, 8);
    const auto run = [&](int version, std::int64_t begin, std::int64_t end, const Tensor& state) {
      Tensor p[6];
      for (int i = 0; i < 6; ++i) p[i] = in[i].slice(0, begin, end);
      const Segments all = {{0, end - begin}};
      return version == 6 ? ops::wkv6(p[0], p[2], p[3], p[1], u, {&state, 1}, all) : ops::wkv7(p[0], p[1], p[2], p[3], p[4], p[5], {&state, 1}, all);
    };
    for (const int version : {6, 7}) {
      const ops::Recurrence whole = run(version, 0, t, start);
      Tensor state = start;
      std::vector<Tensor> y;
      for (std::int64_t i = 0; i < t;) {
        const std::int64_t step = std::min<std::int64_t>(i % 3 + 1, t - i);
        const ops::Recurrence part = run(version, i, i + step, state);
        y.push_back(part.y);
        state = part.states[0];
        i += step;
      }
      EXPECT_TRUE(same_bits(ops::concat(y, 0).to_host(), whole.y.to_host())) << isa << " wkv" << version;
      EXPECT_TRUE(same_bits(state.to_host(), whole.states[0].to_host())) << isa << " wkv" << version;
    }
  }
}

}  // namespace
}  // namespace tashika::test
