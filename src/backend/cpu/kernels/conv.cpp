// conv2d as an implicit product: each output position's window is a row of activations, gathered for a few hundred
// positions at a time and placed in the packed layout of isa/float_layout.h; the weights are the rows [o][kh][kw][c]. The image is
// converted once, to channels-last f32 or, for bf16 weights in fast mode, bf16. Depthwise convolutions walk the
// channels in the lanes instead.
#include "backend/contract/conv.h"

#include <algorithm>
#include <cstring>

#include "backend/contract/elementwise.h"
#include "backend/cpu/isa/place.h"
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

// A gathered row, filled from k = 0 on.
class Line {
 public:
  explicit Line(std::byte* at) : at_(at) {}
  void put(const std::byte* from, std::int64_t bytes) {  // null: zeros
    if (from != nullptr) {
      std::memcpy(at_, from, static_cast<std::size_t>(bytes));
    } else {
      std::memset(at_, 0, static_cast<std::size_t>(bytes));
    }
    at_ += bytes;
  }

 private:
  std::byte* at_;
};

// The window of output position `position`, channels [first, first + cg) of the image.
void gather(const Geometry& g, const std::byte* image, std::int64_t width, std::int64_t first, std::int64_t position, Line row) {
  const std::int64_t n = position / (g.oh * g.ow), i = position / g.ow % g.oh, j = position % g.ow;
  const std::byte* base = image + n * g.h * g.w * g.c * width;
  for (std::int64_t r = 0; r < g.kh; ++r) {
    const std::int64_t y = i * g.a.stride_h - g.a.pad_h + r * g.a.dilation_h;
    if (y < 0 || y >= g.h) {
      row.put(nullptr, g.kw * g.cg * width);
      continue;
    }
    const std::int64_t x0 = j * g.a.stride_w - g.a.pad_w;
    if (g.a.dilation_w == 1 && g.cg == g.c && x0 >= 0 && x0 + g.kw <= g.w) {
      row.put(base + (y * g.w + x0) * g.c * width, g.kw * g.c * width);
      continue;
    }
    for (std::int64_t s = 0; s < g.kw; ++s) {
      const std::int64_t x = x0 + s * g.a.dilation_w;
      row.put(x < 0 || x >= g.w ? nullptr : base + ((y * g.w + x) * g.c + first) * width, g.cg * width);
    }
  }
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
  const std::int64_t width = is_bf16 ? 2 : 4, words = (k * width + 63) / 64 * 16;
  const PlaceFns& place = place_fns(isa_of(call));
  const std::int64_t block = std::min<std::int64_t>(480, g.positions());
  const Scratch packed = Scratch::shared(call.rt, act_bytes(kernel.act, block, k));
  const Scratch lines = Scratch::per_thread(call.rt, words * 4);
  for (std::int64_t first = 0; first < g.positions(); first += block) {
    const std::int64_t rows = std::min(block, g.positions() - first);
    for (std::int64_t group = 0; group < g.a.groups; ++group) {
      for_items(call, rows, k, [&](std::int64_t begin, std::int64_t end, int thread) {
        auto* line = lines.get<std::byte>(thread);
        std::memset(line + k * width, 0, static_cast<std::size_t>(words * 4 - k * width));
        for (std::int64_t p = begin; p < end; ++p) {
          gather(g, image.data(), width, group * g.cg, first + p, Line(line));
          place.row(reinterpret_cast<const std::int32_t*>(line), words, packed.get<std::byte>(), p, rows);
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
