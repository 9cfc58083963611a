// unary, binary, gated and affine: one loop of isa/elementwise.cpp over the pieces of the operands.
#include "backend/contract/elementwise.h"

#include "backend/cpu/walk.h"

namespace tashika::cpu {

extern const KernelFile elementwise;

namespace {

// Functions that cost about this many additions an element: decides when a fork pays.
std::int64_t cost_of(Unary fn) {
  switch (fn) {
    case Unary::sin:
    case Unary::cos: return 64;
    case Unary::neg:
    case Unary::abs:
    case Unary::relu:
    case Unary::square: return 1;
    default: return 8;
  }
}

// body(inputs as f32, output as f32, n) for each piece; `direct` operands are used where they lie.
template <int inputs, typename Body>
void for_pieces(const Call& call, std::int64_t cost, const Body& body) {
  const ElementwiseFns& fns = elementwise_fns(isa_of(call));
  std::array<const Tensor*, inputs + 1> tensors{&call.out[0]};
  bool direct = call.out[0].dtype() == f32;
  for (int k = 0; k < inputs; ++k) tensors[k + 1] = &call.in[k];
  const Walk<inputs + 1> walk(tensors);
  if (walk.inner() == 0) return;
  for (int k = 0; k < inputs; ++k) {
    const bool step = walk.stride(k + 1) == 1 || walk.stride(k + 1) == 0;
    direct = direct && call.in[k].dtype() == f32 && step;
  }
  std::array<std::int64_t, inputs> steps;
  for (int k = 0; k < inputs; ++k) steps[k] = walk.stride(k + 1) == 0 ? 0 : 1;
  if (direct && walk.rows() == 1) {  // the usual case: one run, cut anywhere
    const auto first = walk.unit(0);
    for_items(call, walk.inner(), cost, [&](std::int64_t begin, std::int64_t end, int) {
      std::array<const float*, inputs> in;
      for (int k = 0; k < inputs; ++k) in[k] = reinterpret_cast<const float*>(first.at[k + 1]) + begin * steps[k];
      body(fns, in, steps, reinterpret_cast<float*>(first.at[0]) + begin, end - begin);
    });
    return;
  }
  for_items(call, walk.units(), walk.unit_elements() * (cost + 2) + 16, [&](std::int64_t begin, std::int64_t end, int) {
    alignas(64) float buffer[inputs + 1][walk_piece];
    for (std::int64_t u = begin; u < end; ++u) {
      const auto piece = walk.unit(u);
      std::array<const float*, inputs> in;
      std::array<std::int64_t, inputs> step;
      for (int k = 0; k < inputs; ++k) {
        const bool repeat = steps[k] == 0;
        step[k] = repeat ? 0 : 1;
        in[k] = read_f32(fns, tensors[k + 1]->dtype(), piece.at[k + 1], walk.stride(k + 1), repeat ? 1 : piece.n, buffer[k + 1]);
      }
      float* y = write_target(tensors[0]->dtype(), piece.at[0], buffer[0]);
      body(fns, in, step, y, piece.n);
      write_f32(fns, tensors[0]->dtype(), y, piece.at[0], piece.n);
    }
  });
}

void run_unary(const Call& call) {
  const Unary fn = call.attr<UnaryAttrs>().fn;
  for_pieces<1>(call, cost_of(fn), [fn](const ElementwiseFns& fns, const auto& in, const auto& step, float* y, std::int64_t n) {
    if (step[0] != 0) {
      fns.unary[static_cast<int>(fn)](in[0], y, n);
    } else if (n > 0) {
      fns.unary[static_cast<int>(fn)](in[0], y, 1);
      for (std::int64_t i = 1; i < n; ++i) y[i] = y[0];
    }
  });
}

void run_binary(const Call& call) {
  const Binary fn = call.attr<BinaryAttrs>().fn;
  for_pieces<2>(call, fn == Binary::pow ? 128 : 1,
                [fn](const ElementwiseFns& fns, const auto& in, const auto& step, float* y, std::int64_t n) {
                  fns.binary[static_cast<int>(fn)](in[0], step[0], in[1], step[1], y, n);
                });
}

void run_gated(const Call& call) {
  const Unary act = call.attr<GatedAttrs>().act;
  for_pieces<2>(call, cost_of(act), [act](const ElementwiseFns& fns, const auto& in, const auto& step, float* y, std::int64_t n) {
    if (step[0] != 0 && step[1] != 0) {
      fns.gated[static_cast<int>(act)](in[0], in[1], y, n);
    } else {
      for (std::int64_t i = 0; i < n; ++i) fns.gated[static_cast<int>(act)](in[0] + i * step[0], in[1] + i * step[1], y + i, 1);
    }
  });
}

void run_affine(const Call& call) {
  const AffineAttrs& a = call.attr<AffineAttrs>();
  for_pieces<1>(call, 1, [&a](const ElementwiseFns& fns, const auto& in, const auto& step, float* y, std::int64_t n) {
    if (step[0] != 0) {
      fns.affine(in[0], a.scale, a.offset, y, n);
    } else {
      for (std::int64_t i = 0; i < n; ++i) fns.affine(in[0], a.scale, a.offset, y + i, 1);
    }
  });
}

bool accepts(const Call& call) {
  for (const Tensor& t : call.in) {
    if (!computable(t)) return false;
  }
  return writable(call.out[0]);
}

constexpr Kernel kernels[] = {
    {&unary_op, accepts, run_unary, "unary"},
    {&binary_op, accepts, run_binary, "binary"},
    {&gated_op, accepts, run_gated, "gated"},
    {&affine_op, accepts, run_affine, "affine"},
};

}  // namespace

const KernelFile elementwise{kernels};

}  // namespace tashika::cpu
