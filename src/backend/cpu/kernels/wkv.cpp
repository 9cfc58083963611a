// The WKV recurrences: every head (or run of channels) of every sequence is one task.
#include "backend/contract/wkv.h"

#include <algorithm>

#include "backend/cpu/isa/wkv.h"
#include "backend/cpu/table.h"

namespace tashika::cpu {

extern const KernelFile wkv;

namespace {

constexpr std::int64_t channel_run = 64;

bool is_f32(const Tensor& t) { return t.dtype() == f32; }

bool accepts_wkv4(const Call& call) {
  if (!std::ranges::all_of(call.in, is_f32)) return false;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const bool rows = i < 2 && call.in[i].strides()[-1] == 1;
    if (!rows && !call.in[i].is_contiguous()) return false;
  }
  return true;
}

// The first `rows` inputs may have strides over tokens; all else is contiguous.
bool accepts_heads(const Call& call, std::size_t rows) {
  if (!std::ranges::all_of(call.in, is_f32)) return false;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const Tensor& t = call.in[i];
    const bool heads = i < rows && (t.strides()[2] == 1 || t.size(2) == 1) && (t.strides()[1] == t.size(2) || t.size(1) == 1);
    if (!heads && !t.is_contiguous()) return false;
  }
  return true;
}
bool accepts_wkv6(const Call& call) { return accepts_heads(call, 4); }
bool accepts_wkv7(const Call& call) { return accepts_heads(call, 6); }

std::int64_t longest(std::span<const RecurrenceSegment> segments) {
  std::int64_t rows = 1;
  for (const RecurrenceSegment& s : segments) rows = std::max(rows, s.rows);
  return rows;
}

void run_wkv4(const Call& call) {
  const auto segments = call.attr<WkvAttrs>().segments;
  const WkvFns& fns = wkv_fns(isa_of(call));
  const Tensor &k = call.in[0], &v = call.in[1], &y = call.out[0];
  const std::int64_t channels = k.size(1), runs = (channels + channel_run - 1) / channel_run;
  const auto count = static_cast<std::int64_t>(segments.size()) * runs;
  for_items(call, count, channel_run * longest(segments) * 32, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t u = begin; u < end; ++u) {
      const auto s = static_cast<std::size_t>(u / runs);
      const std::int64_t c = u % runs * channel_run, row = segments[s].row;
      const auto at = [&](const Tensor& t) { return WkvRows{t.as<float>() + row * t.strides()[0] + c, t.strides()[0]}; };
      fns.wkv4(at(k), at(v), call.in[2].as<float>() + c, call.in[3].as<float>() + c, call.in[4 + s].as<float>() + c,
               call.out[1 + s].as<float>() + c, channels, y.as<float>() + row * channels + c, channels, segments[s].rows,
               std::min(channel_run, channels - c));
    }
  });
}

// body(segment, head, rows of input i of that head, first y) for every head.
template <typename Body>
void each_head(const Call& call, std::int64_t work, const Body& body) {
  const auto segments = call.attr<WkvAttrs>().segments;
  const Tensor& y = call.out[0];
  const std::int64_t heads = y.size(1), n = y.size(2);
  const auto count = static_cast<std::int64_t>(segments.size()) * heads;
  for_items(call, count, n * n * longest(segments) * work, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t u = begin; u < end; ++u) {
      const auto s = static_cast<std::size_t>(u / heads);
      const std::int64_t h = u % heads, row = segments[s].row;
      const auto at = [&](std::size_t i) {
        const Tensor& t = call.in[i];
        return WkvRows{t.as<float>() + row * t.strides()[0] + h * n, t.strides()[0]};
      };
      body(s, h, segments[s].rows, at, y.as<float>() + (row * heads + h) * n);
    }
  });
}

void run_wkv6(const Call& call) {
  const WkvFns& fns = wkv_fns(isa_of(call));
  const std::int64_t heads = call.out[0].size(1), n = call.out[0].size(2);
  each_head(call, 3, [&](std::size_t s, std::int64_t h, std::int64_t rows, const auto& at, float* y) {
    fns.wkv6(at(0), at(1), at(2), at(3), call.in[4].as<float>() + h * n, call.in[5 + s].as<float>() + h * n * n,
             call.out[1 + s].as<float>() + h * n * n, y, heads * n, rows, n);
  });
}

void run_wkv7(const Call& call) {
  const WkvFns& fns = wkv_fns(isa_of(call));
  const std::int64_t heads = call.out[0].size(1), n = call.out[0].size(2);
  each_head(call, 4, [&](std::size_t s, std::int64_t h, std::int64_t rows, const auto& at, float* y) {
    fns.wkv7(at(0), at(1), at(2), at(3), at(4), at(5), call.in[6 + s].as<float>() + h * n * n, call.out[1 + s].as<float>() + h * n * n, y,
             heads * n, rows, n);
  });
}

constexpr Kernel kernels[] = {
    {&wkv4_op, accepts_wkv4, run_wkv4, "wkv4"},
    {&wkv6_op, accepts_wkv6, run_wkv6, "wkv6"},
    {&wkv7_op, accepts_wkv7, run_wkv7, "wkv7"},
};

}  // namespace

const KernelFile wkv{kernels};

}  // namespace tashika::cpu
