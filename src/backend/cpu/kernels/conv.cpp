// conv2d as an implicit product: each output position's window is a row of activations, gathered for a few hundred
// positions at a time into the packed layout of isa/matmul.h; the weights are the rows [o][kh][kw][c]. The image is
// converted once, to channels-last f32 or, for bf16 weights in fast mode, bf16. Depthwise convolutions walk the
// channels in the lanes instead.
#include "backend/contract/conv.h"

#include <algorithm>
#include <cstring>

#include "backend/contract/elementwise.h"
#include "backend/cpu/isa/rows.h"
#include "backend/cpu/matmul_jobs.h"
#include "backend/cpu/rows.h"

namespace tashika::cpu {

extern const KernelFile conv;

namespace {

struct Geometry {
  std::int64_t n, h, w, c;           // of x
  std::int64_t o, cg, kh, kw;        // of the weight
  std::int64_t oh, ow;
  Conv2dAttrs a;
  std::int64_t positions() const { return n * oh * ow; }
};

Geometry geometry(const Call& call) {
  const Tensor &x = call.in[0], &w = call.in[1], &y = call.out[0];
  return {x.size(0), x.size(2), x.size(3), x.size(1), w.size(0), w.size(1), w.size(2), w.size(3), y.size(2), y.size(3), call.attr<Conv2dAttrs>()};
}

// A contiguous tensor of `dtype` with t's values in the order of the view given.
Tensor copied(const Call& call, const Tensor& t, DType dtype) {
  if (t.dtype() == dtype && t.is_contiguous()) return t;
  Tensor out = Tensor::empty(call.rt, t.shape(), dtype);
  const Call copy{call.rt, {&t, 1}, {&out, 1}, nullptr};
  call.rt.kernels().find(copy_op, copy)->run(copy);
  return out;
}

// A row of packed activations (isa/matmul.h), filled from k = 0 on.
class PackedRow {
 public:
  PackedRow(std::byte* act, std::int64_t k, std::int64_t chunk, std::int64_t step, std::int64_t width, std::int64_t row, std::int64_t rows)
      : act_(act), k_(k), chunk_(chunk), step_(step), width_(width), row_(row), rows_(rows) {}

  void put(const std::byte* from, std::int64_t n) {  // null: zeros
    while (n > 0) {
      const std::int64_t begin = at_ / chunk_ * chunk_, here = std::min(n, begin + chunk_ - at_);
      std::byte* to = act_ + (begin * rows_ + row_ * padded(begin) + at_ - begin) * width_;
      if (from != nullptr) {
        std::memcpy(to, from, static_cast<std::size_t>(here * width_));
        from += here * width_;
      } else {
        std::memset(to, 0, static_cast<std::size_t>(here * width_));
      }
      at_ += here;
      n -= here;
    }
  }
  void finish() {  // zeros after the end of the last chunk
    const std::int64_t begin = (k_ - 1) / chunk_ * chunk_;
    std::byte* to = act_ + (begin * rows_ + row_ * padded(begin) + k_ - begin) * width_;
    std::memset(to, 0, static_cast<std::size_t>((begin + padded(begin) - k_) * width_));
  }

 private:
  std::int64_t padded(std::int64_t begin) const { return (std::min(chunk_, k_ - begin) + step_ - 1) / step_ * step_; }
  std::byte* act_;
  std::int64_t k_, chunk_, step_, width_, row_, rows_;
  std::int64_t at_ = 0;
};

// The window of output position `position`, channels [first, first + cg) of the image.
void gather(const Geometry& g, const std::byte* image, std::int64_t width, std::int64_t first, std::int64_t position, PackedRow row) {
  const std::int64_t n = position / (g.oh * g.ow), i = position / g.ow % g.oh, j = position % g.ow;
  const std::byte* base = image + n * g.h * g.w * g.c * width;
  for (std::int64_t r = 0; r < g.kh; ++r) {
    const std::int64_t y = i * g.a.stride_h - g.a.pad_h + r * g.a.dilation_h;
    if (y < 0 || y >= g.h) {
      row.put(nullptr, g.kw * g.cg);
      continue;
    }
    const std::int64_t x0 = j * g.a.stride_w - g.a.pad_w;
    if (g.a.dilation_w == 1 && g.cg == g.c && x0 >= 0 && x0 + g.kw <= g.w) {
      row.put(base + (y * g.w + x0) * g.c * width, g.kw * g.c);
      continue;
    }
    for (std::int64_t s = 0; s < g.kw; ++s) {
      const std::int64_t x = x0 + s * g.a.dilation_w;
      row.put(x < 0 || x >= g.w ? nullptr : base + ((y * g.w + x) * g.c + first) * width, g.cg);
    }
  }
  row.finish();
}

void run_product(const Call& call) {
  const Geometry g = geometry(call);
  const MatmulFns& fns = matmul_fns(isa_of(call));
  const std::int64_t k = g.kh * g.kw * g.cg, per_group = g.o / g.a.groups;
  const Tensor weight = copied(call, call.in[1].permute({0, 2, 3, 1}), call.in[1].dtype()).view({g.o, k});
  const WeightKernel kernel = weight_kernel(fns, weight.dtype(), exact(call));
  const bool is_bf16 = kernel.act == ActKind::bf16;
  const Tensor image = copied(call, call.in[0].permute({0, 2, 3, 1}), is_bf16 ? bf16 : f32);
  const Vector bias(call, call.in[2]);
  const std::int64_t width = is_bf16 ? 2 : 4, chunk = is_bf16 ? bf16_chunk : float_chunk, step = is_bf16 ? 32 : 16;
  const std::int64_t block = std::min<std::int64_t>(480, g.positions());
  const Scratch packed = Scratch::shared(call.rt, act_bytes(kernel.act, block, k));
  for (std::int64_t first = 0; first < g.positions(); first += block) {
    const std::int64_t rows = std::min(block, g.positions() - first);
    for (std::int64_t group = 0; group < g.a.groups; ++group) {
      for_items(call, rows, k, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t p = begin; p < end; ++p) {
          gather(g, image.data(), width, group * g.cg, first + p, PackedRow(packed.get<std::byte>(), k, chunk, step, width, p, rows));
        }
      });
      MatmulJob job;
      MatmulJobs jobs(call, &job);
      MatmulTask& task = jobs.add(weight.slice(0, group * per_group, (group + 1) * per_group), kernel, packed.get<void>(), rows, rows,
                                  call.out[0].as<float>() + first * g.o + group * per_group, g.o);
      if (bias.data() != nullptr) task.bias = bias.data() + group * per_group;
      jobs.run();
    }
  }
}

// One filter a channel: y[position][channel] sums the window in ascending order.
void run_depthwise(const Call& call) {
  const Geometry g = geometry(call);
  const RowFns& fns = row_fns(isa_of(call));
  const Tensor image = copied(call, call.in[0].permute({0, 2, 3, 1}), f32);
  const Tensor weight = copied(call, call.in[1].permute({1, 2, 3, 0}), f32);  // [1, kh, kw, c]
  const Vector bias(call, call.in[2]);
  for_items(call, g.positions(), g.c * g.kh * g.kw, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t n = p / (g.oh * g.ow), i = p / g.ow % g.oh, j = p % g.ow;
      float* y = call.out[0].as<float>() + p * g.c;
      if (bias.data() != nullptr) std::memcpy(y, bias.data(), static_cast<std::size_t>(g.c) * sizeof(float));
      else std::memset(y, 0, static_cast<std::size_t>(g.c) * sizeof(float));
      for (std::int64_t r = 0; r < g.kh; ++r) {
        for (std::int64_t s = 0; s < g.kw; ++s) {
          const std::int64_t row = i * g.a.stride_h - g.a.pad_h + r * g.a.dilation_h, column = j * g.a.stride_w - g.a.pad_w + s * g.a.dilation_w;
          if (row < 0 || row >= g.h || column < 0 || column >= g.w) continue;
          const float* x = image.as<float>() + ((n * g.h + row) * g.w + column) * g.c;
          fns.multiply_add(x, weight.as<float>() + (r * g.kw + s) * g.c, y, g.c);
        }
      }
    }
  });
}

// The result lies channels-last and dense.
bool accepts(const Call& call) {
  const Tensor &x = call.in[0], &w = call.in[1], &y = call.out[0];
  return computable(x) && !x.dtype().is_block() && w.dtype()->decode != nullptr && !w.dtype().is_block() && w.dtype() != f64 &&
         (!call.in[2].defined() || computable(call.in[2])) && y.dtype() == f32 && y.permute({0, 2, 3, 1}).is_contiguous();
}
bool accepts_depthwise(const Call& call) {
  return accepts(call) && call.in[1].size(1) == 1 && call.in[1].size(0) == call.attr<Conv2dAttrs>().groups;
}

constexpr Kernel kernels[] = {
    {&conv2d_op, accepts_depthwise, run_depthwise, "conv2d depthwise"},
    {&conv2d_op, accepts, run_product, "conv2d"},
};

}  // namespace

const KernelFile conv{kernels};

}  // namespace tashika::cpu
