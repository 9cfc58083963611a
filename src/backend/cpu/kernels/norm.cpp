// rms_norm, layer_norm, softmax and reduce: a row at a time; group_norm in fixed chunks of positions.
#include "backend/contract/norm.h"

#include <algorithm>

#include "backend/contract/elementwise.h"
#include "backend/cpu/isa/rows.h"
#include "backend/cpu/rows.h"

namespace tashika::cpu {

extern const KernelFile norm;

namespace {

// body(row as f32, result) for every row of in[0]; out[0] is contiguous.
template <typename Body>
void for_rows(const Call& call, std::int64_t cost, const Body& body) {
  const ElementwiseFns& fns = elementwise_fns(isa_of(call));
  const Rows rows(call.in[0]);
  const std::int64_t n = rows.n();
  const Tensor& out = call.out[0];
  const bool direct = rows.direct() && out.dtype() == f32;
  if (rows.count() == 0) return;
  const auto go = [&](float* buffer, std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::byte* at = out.data() + out.dtype().row_bytes(r * n);
      float* y = write_target(out.dtype(), at, buffer);
      body(rows.read(fns, r, buffer), y);
      write_f32(fns, out.dtype(), y, at, n);
    }
  };
  if (direct) {
    for_items(call, rows.count(), n * cost, [&](std::int64_t begin, std::int64_t end, int) { go(nullptr, begin, end); });
    return;
  }
  const Scratch scratch = Scratch::per_thread(call.rt, n * static_cast<std::int64_t>(sizeof(float)));
  for_items(call, rows.count(), n * (cost + 2), [&](std::int64_t begin, std::int64_t end, int thread) {
    go(scratch.get<float>(thread), begin, end);
  });
}

void run_rms_norm(const Call& call) {
  const RowFns& fns = row_fns(isa_of(call));
  const Vector weight(call, call.in[1]);
  const float eps = call.attr<NormAttrs>().eps;
  const std::int64_t n = call.in[0].size(-1);
  for_rows(call, 2, [&](const float* x, float* y) { fns.rms_norm(x, weight.data(), eps, y, n); });
}

void run_layer_norm(const Call& call) {
  const RowFns& fns = row_fns(isa_of(call));
  const Vector weight(call, call.in[1]), bias(call, call.in[2]);
  const float eps = call.attr<NormAttrs>().eps;
  const std::int64_t n = call.in[0].size(-1);
  for_rows(call, 3, [&](const float* x, float* y) { fns.layer_norm(x, weight.data(), bias.data(), eps, y, n); });
}

void run_softmax(const Call& call) {
  const RowFns& fns = row_fns(isa_of(call));
  const std::int64_t n = call.in[0].size(-1);
  for_rows(call, 8, [&](const float* x, float* y) { fns.softmax(x, y, n); });
}

void run_reduce(const Call& call) {
  const ElementwiseFns& convert = elementwise_fns(isa_of(call));
  const RowFns& fns = row_fns(isa_of(call));
  const bool is_sum = call.attr<ReduceAttrs>().fn == Reduce::sum;
  const Rows rows(call.in[0]);
  const Tensor& in = call.in[0];
  const Tensor& out = call.out[0];
  for_items(call, out.numel(), rows.n(), [&](std::int64_t begin, std::int64_t end, int) {
    alignas(64) float buffer[walk_piece], lanes[64];
    for (std::int64_t r = begin; r < end; ++r) {
      for (float& lane : lanes) lane = is_sum ? 0.0f : -__builtin_inff();
      const std::byte* at = rows.n() > 0 ? rows.at(r) : nullptr;
      for (std::int64_t i = 0; i < rows.n(); i += walk_piece) {
        const std::int64_t n = std::min(walk_piece, rows.n() - i);
        const float* x = read_f32(convert, in.dtype(), at + in.dtype().row_bytes(i * rows.stride()), rows.stride(), n, buffer);
        (is_sum ? fns.sum_step : fns.max_step)(lanes, x, n);
      }
      float y = is_sum ? fns.sum_finish(lanes) : fns.max_finish(lanes);
      out.dtype()->encode(&y, out.data() + out.dtype().row_bytes(r), 1);
    }
  });
}

// ---- group_norm ----

// Count, mean and sum of squared distances of a part; parts merge in order (Chan et al. 1979).
struct Moments {
  float count = 0, mean = 0, m2 = 0;
  void merge(const Moments& b) {
    if (b.count == 0) return;
    const float n = count + b.count, delta = b.mean - mean;
    mean += delta * (b.count / n);
    m2 += b.m2 + delta * delta * (count * b.count / n);
    count = n;
  }
};

// Copies x into out (any layout) as f32, so that the norm runs in place on a dense tensor.
void copy_in(const Call& call) {
  const ElementwiseFns& fns = elementwise_fns(isa_of(call));
  const Tensor &x = call.in[0], &out = call.out[0];
  const Walk<2> walk({&out, &x});
  for_items(call, walk.units(), walk.unit_elements() * 2, [&](std::int64_t begin, std::int64_t end, int) {
    alignas(64) float buffer[walk_piece];
    for (std::int64_t u = begin; u < end; ++u) {
      const auto piece = walk.unit(u);
      const float* values = read_f32(fns, x.dtype(), piece.at[1], walk.stride(1), piece.n, buffer);
      auto* y = reinterpret_cast<float*>(piece.at[0]);
      for (std::int64_t i = 0; i < piece.n; ++i) y[i * walk.stride(0)] = values[i];
    }
  });
}

// The spatial dimensions as one of even stride, or false.
bool one_stride(const Tensor& t, std::int64_t* stride) {
  std::int64_t step = 0, expected = 0;
  for (int d = t.rank() - 1; d >= 2; --d) {
    if (t.size(d) == 1) continue;
    if (step == 0) step = expected = t.strides()[d];
    if (t.strides()[d] != expected) return false;
    expected *= t.size(d);
  }
  *stride = step == 0 ? 1 : step;
  return true;
}

// Positions of a chunk: fixed, so that sums do not depend on threads; small enough to stay in cache.
std::int64_t chunk_of(std::int64_t channels) { return std::clamp<std::int64_t>(65536 / std::max<std::int64_t>(channels, 1), 8, 1024); }

struct GroupNorm {
  const Call& call;
  const RowFns& fns;
  const float* x;  // dense, laid out as y
  float* y;        // may be x
  std::int64_t images, channels, groups, positions, image_step;
  float eps;
  const float *weight, *bias;

  std::int64_t width() const { return channels / groups; }

  // Channels innermost: `step` floats between positions.
  void channels_last(std::int64_t step) const {
    const std::int64_t chunk = chunk_of(channels), chunks = (positions + chunk - 1) / chunk;
    const Scratch partial = Scratch::shared(call.rt, images * chunks * groups * static_cast<std::int64_t>(sizeof(Moments)));
    const Scratch rows = Scratch::per_thread(call.rt, 3 * channels * static_cast<std::int64_t>(sizeof(float)));
    auto* moments = partial.get<Moments>();
    for_items(call, images * chunks, chunk * channels, [&](std::int64_t begin, std::int64_t end, int thread) {
      float* sums = rows.get<float>(thread);
      float* centre = sums + channels;
      for (std::int64_t u = begin; u < end; ++u) {
        const std::int64_t image = u / chunks, first = u % chunks * chunk, n = std::min(chunk, positions - first);
        const float* at = x + image * image_step + first * step;
        fns.column_sum(at, step, n, sums, channels);
        for (std::int64_t g = 0; g < groups; ++g) {
          float total = 0;
          for (std::int64_t c = g * width(); c < (g + 1) * width(); ++c) total += sums[c];
          const float count = static_cast<float>(n * width());
          moments[u * groups + g] = {count, total / count, 0};
          for (std::int64_t c = g * width(); c < (g + 1) * width(); ++c) centre[c] = total / count;
        }
        fns.column_squares(at, step, n, centre, sums, channels);
        for (std::int64_t g = 0; g < groups; ++g) {
          float total = 0;
          for (std::int64_t c = g * width(); c < (g + 1) * width(); ++c) total += sums[c];
          moments[u * groups + g].m2 = total;
        }
      }
    });
    const Scratch factors = Scratch::shared(call.rt, images * 2 * channels * static_cast<std::int64_t>(sizeof(float)));
    float* scale = factors.get<float>();
    float* shift = scale + images * channels;
    for (std::int64_t image = 0; image < images; ++image) {
      for (std::int64_t g = 0; g < groups; ++g) {
        Moments all;
        for (std::int64_t k = 0; k < chunks; ++k) all.merge(moments[(image * chunks + k) * groups + g]);
        for (std::int64_t c = g * width(); c < (g + 1) * width(); ++c) factor(all, c, &scale[image * channels + c], &shift[image * channels + c]);
      }
    }
    for_items(call, images * chunks, chunk * channels, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t u = begin; u < end; ++u) {
        const std::int64_t image = u / chunks, first = u % chunks * chunk, n = std::min(chunk, positions - first);
        const float* at = x + image * image_step + first * step;
        fns.column_affine(at, step, n, scale + image * channels, shift + image * channels, y + (at - x), channels);
      }
    });
  }

  // Any other order: `channel_step` between channels, positions `step` apart.
  void channels_first(std::int64_t channel_step, std::int64_t step) const {
    for_items(call, images * groups, width() * positions * 2, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t u = begin; u < end; ++u) {
        const float* base = x + u / groups * image_step;
        const std::int64_t first = u % groups * width();
        Moments all;
        for (std::int64_t c = first; c < first + width(); ++c) {
          for (std::int64_t p = 0; p < positions; p += 4096) {
            all.merge(moments_of(base + c * channel_step + p * step, step, std::min<std::int64_t>(4096, positions - p)));
          }
        }
        for (std::int64_t c = first; c < first + width(); ++c) {
          float scale, shift;
          factor(all, c, &scale, &shift);
          const float* at = base + c * channel_step;
          float* to = y + (at - x);
          if (step == 1) {
            fns.scale_shift(at, scale, shift, to, positions);
          } else {
            for (std::int64_t p = 0; p < positions; ++p) fns.scale_shift(at + p * step, scale, shift, to + p * step, 1);
          }
        }
      }
    });
  }

  Moments moments_of(const float* at, std::int64_t step, std::int64_t n) const {
    alignas(64) float lanes[64] = {};
    float gathered[4096];
    if (step != 1) {
      for (std::int64_t i = 0; i < n; ++i) gathered[i] = at[i * step];
      at = gathered;
    }
    fns.sum_step(lanes, at, n);
    const float mean = fns.sum_finish(lanes) / static_cast<float>(n);
    return {static_cast<float>(n), mean, fns.squares(at, mean, n)};
  }

  // (x - mean) rsqrt(var + eps) w + b as x·scale + shift.
  void factor(const Moments& m, std::int64_t c, float* scale, float* shift) const {
    const float inverse = 1.0f / __builtin_sqrtf(m.m2 / m.count + eps);
    *scale = inverse * (weight != nullptr ? weight[c] : 1.0f);
    *shift = (bias != nullptr ? bias[c] : 0.0f) - m.mean * *scale;
  }
};

void run_group_norm(const Call& call) {
  const auto& attrs = call.attr<GroupNormAttrs>();
  const Tensor& out = call.out[0];
  if (out.numel() == 0) return;
  const bool in_place = call.in[0].dtype() != f32 || !(call.in[0].strides() == out.strides());
  if (in_place) copy_in(call);
  const Vector weight(call, call.in[1]), bias(call, call.in[2]);
  const std::int64_t positions = out.numel() / (out.size(0) * out.size(1));
  const GroupNorm norm_of{call, row_fns(isa_of(call)), in_place ? out.as<float>() : call.in[0].as<float>(), out.as<float>(), out.size(0), out.size(1), attrs.groups, positions,
                          out.strides()[0], attrs.eps, weight.data(), bias.data()};
  std::int64_t step = 1;
  one_stride(out, &step);
  if (out.strides()[1] == 1 && out.size(1) > 1) norm_of.channels_last(step);
  else norm_of.channels_first(out.strides()[1], step);
}

bool computes(const Call& call) {
  for (const Tensor& t : call.in) {
    if (t.defined() && !computable(t)) return false;
  }
  return writable(call.out[0]);
}
bool row_blocks(const Call& call) {  // rows of blocks decode whole
  return computes(call) && call.in[0].rank() > 0 && call.in[0].size(-1) > 0;
}
bool accepts_group_norm(const Call& call) {
  std::int64_t stride;
  return computes(call) && call.out[0].dtype() == f32 && !call.in[0].dtype().is_block() && one_stride(call.out[0], &stride);
}
bool accepts_reduce(const Call& call) { return computes(call) && call.in[0].rank() > 0; }

constexpr Kernel kernels[] = {
    {&rms_norm_op, row_blocks, run_rms_norm, "rms_norm"},
    {&layer_norm_op, row_blocks, run_layer_norm, "layer_norm"},
    {&group_norm_op, accepts_group_norm, run_group_norm, "group_norm"},
    {&softmax_op, row_blocks, run_softmax, "softmax"},
    {&reduce_op, accepts_reduce, run_reduce, "reduce"},
};

}  // namespace

const KernelFile norm{kernels};

}  // namespace tashika::cpu
