// LSTM cells with exponential gates. Of the matrix cell, every head's gates and normaliser are one task, then every run of its value
// channels; of the scalar cell, every head.
#include "backend/contract/lstm.h"

#include <algorithm>

#include "backend/cpu/isa/lstm.h"
#include "backend/cpu/table.h"

namespace tashika::cpu {

extern const KernelFile lstm;

namespace {

constexpr std::int64_t channel_run = 64;

bool is_f32(const Tensor& t) { return t.dtype() == f32; }

// Rows that may be strided, whose heads lie one after the other.
bool heads_in_rows(const Tensor& t) { return (t.strides()[2] == 1 || t.size(2) == 1) && (t.strides()[1] == t.size(2) || t.size(1) == 1); }

bool accepts_mlstm(const Call& call) {
  if (!std::ranges::all_of(call.in, is_f32)) return false;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const Tensor& t = call.in[i];
    const bool rows = i < 3 ? heads_in_rows(t) : i < 5 && (t.strides()[1] == 1 || t.size(1) == 1);
    if (!rows && !t.is_contiguous()) return false;
  }
  return true;
}

bool accepts_slstm(const Call& call) {
  return std::ranges::all_of(call.in, [](const Tensor& t) { return is_f32(t) && t.is_contiguous(); });
}

std::int64_t longest(std::span<const RecurrenceSegment> segments) {
  std::int64_t rows = 1;
  for (const RecurrenceSegment& s : segments) rows = std::max(rows, s.rows);
  return rows;
}

void run_mlstm(const Call& call) {
  const auto& attrs = call.attr<MlstmAttrs>();
  const auto segments = attrs.segments;
  const LstmFns& fns = lstm_fns(isa_of(call));
  const std::int64_t tokens = call.in[0].size(0), heads = call.in[0].size(1), nk = call.in[0].size(2), nv = call.in[2].size(2);
  const std::int64_t width = nk * nv + nk + 1, all = static_cast<std::int64_t>(segments.size()) * heads;
  const Scratch scratch = Scratch::shared(call.rt, 3 * tokens * heads * static_cast<std::int64_t>(sizeof(float)));
  float* const factors = scratch.get<float>();
  const auto rows = [&](std::size_t input, std::int64_t row, std::int64_t h) {
    const Tensor& t = call.in[input];
    const std::int64_t each = input < 3 ? t.size(2) : 1;
    return LstmRows{t.as<float>() + row * t.strides()[0] + h * each, t.strides()[0]};
  };
  for_items(call, all, longest(segments) * (nk * 3 + 64), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t u = begin; u < end; ++u) {
      const auto s = static_cast<std::size_t>(u / heads);
      const std::int64_t h = u % heads, row = segments[s].row, at = h * width + nk * nv;
      fns.mlstm_norm(rows(0, row, h), rows(1, row, h), rows(3, row, h), rows(4, row, h), attrs.scale, attrs.eps,
                     call.in[5 + s].as<float>() + at, call.out[1 + s].as<float>() + at, factors + 3 * (row * heads + h * segments[s].rows),
                     segments[s].rows, nk);
    }
  });
  const std::int64_t runs = (nv + channel_run - 1) / channel_run;
  for_items(call, all * runs, longest(segments) * nk * std::min(nv, channel_run) * 2, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t u = begin; u < end; ++u) {
      const auto s = static_cast<std::size_t>(u / runs / heads);
      const std::int64_t h = u / runs % heads, c = u % runs * channel_run, row = segments[s].row, at = h * width + c;
      LstmRows v = rows(2, row, h);
      v.p += c;
      fns.mlstm(rows(0, row, h), rows(1, row, h), v, factors + 3 * (row * heads + h * segments[s].rows), call.in[5 + s].as<float>() + at,
                call.out[1 + s].as<float>() + at, nv, call.out[0].as<float>() + (row * heads + h) * nv + c, heads * nv, segments[s].rows,
                nk, std::min(channel_run, nv - c));
    }
  });
}

void run_slstm(const Call& call) {
  const auto segments = call.attr<SlstmAttrs>().segments;
  const LstmFns& fns = lstm_fns(isa_of(call));
  const Tensor& x = call.in[0];
  const std::int64_t heads = x.size(1), d = x.size(3);
  const Scratch scratch = Scratch::per_thread(call.rt, 4 * d * static_cast<std::int64_t>(sizeof(float)));
  for_items(call, static_cast<std::int64_t>(segments.size()) * heads, longest(segments) * d * (4 * d + 64),
            [&](std::int64_t begin, std::int64_t end, int thread) {
              for (std::int64_t u = begin; u < end; ++u) {
                const auto s = static_cast<std::size_t>(u / heads);
                const std::int64_t h = u % heads, row = segments[s].row;
                fns.slstm({x.as<float>() + (row * heads + h) * 4 * d, heads * 4 * d}, call.in[1].as<float>() + h * 4 * d * d,
                          call.in[2 + s].as<float>() + h * 4 * d, call.out[1 + s].as<float>() + h * 4 * d, scratch.get<float>(thread),
                          call.out[0].as<float>() + (row * heads + h) * d, heads * d, segments[s].rows, d);
              }
            });
}

constexpr Kernel kernels[] = {
    {&mlstm_op, accepts_mlstm, run_mlstm, "mlstm"},
    {&slstm_op, accepts_slstm, run_slstm, "slstm"},
};

}  // namespace

const KernelFile lstm{kernels};

}  // namespace tashika::cpu
