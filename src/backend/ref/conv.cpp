#include "backend/contract/conv.h"

#include "backend/ref/ref.h"

namespace tashika::ref {
namespace {

void run_conv2d(const Call& call) {
  const auto& a = call.attr<Conv2dAttrs>();
  const Tensor &xt = call.in[0], &wt = call.in[1];
  const std::vector<double> x = values(xt), w = values(wt);
  const std::vector<double> bias = call.in[2].defined() ? values(call.in[2]) : std::vector<double>(static_cast<std::size_t>(wt.size(0)));
  const std::int64_t c = xt.size(1), h = xt.size(2), width = xt.size(3);
  const std::int64_t o = wt.size(0), cg = wt.size(1), kh = wt.size(2), kw = wt.size(3);
  const std::int64_t oh = call.out[0].size(2), ow = call.out[0].size(3);
  std::vector<double> y;
  for (std::int64_t n = 0; n < xt.size(0); ++n) {
    for (std::int64_t f = 0; f < o; ++f) {
      const std::int64_t first = f / (o / a.groups) * cg;  // first input channel of the group
      for (std::int64_t i = 0; i < oh; ++i) {
        for (std::int64_t j = 0; j < ow; ++j) {
          double total = 0;
          for (std::int64_t ch = 0; ch < cg; ++ch) {
            for (std::int64_t r = 0; r < kh; ++r) {
              for (std::int64_t s = 0; s < kw; ++s) {
                const std::int64_t row = i * a.stride_h - a.pad_h + r * a.dilation_h;
                const std::int64_t col = j * a.stride_w - a.pad_w + s * a.dilation_w;
                if (row < 0 || row >= h || col < 0 || col >= width) continue;
                total += x[static_cast<std::size_t>(((n * c + first + ch) * h + row) * width + col)] *
                         w[static_cast<std::size_t>(((f * cg + ch) * kh + r) * kw + s)];
              }
            }
          }
          y.push_back(total + bias[static_cast<std::size_t>(f)]);
        }
      }
    }
  }
  store(call.out[0], y);
}

constexpr Kernel kernels[] = {{&conv2d_op, nullptr, run_conv2d}};

}  // namespace

extern const KernelFile conv;
const KernelFile conv{kernels};

}  // namespace tashika::ref
