// The loss a row at a time, sums of squares a block at a time, updates a piece at a time.
#include "backend/contract/training.h"

#include <algorithm>
#include <cmath>

#include "backend/contract/elementwise.h"
#include "backend/cpu/isa/rows.h"
#include "backend/cpu/isa/training.h"
#include "backend/cpu/rows.h"

namespace tashika::cpu {

extern const KernelFile training;

namespace {

constexpr std::int64_t piece = 16384;

bool plain(const Tensor& t) { return t.dtype() == f32 && t.is_contiguous(); }

bool accepts_cross_entropy(const Call& call) { return plain(call.in[0]) && plain(call.out[0]) && plain(call.out[1]); }

void run_cross_entropy(const Call& call) {
  const TrainingFns& fns = training_fns(isa_of(call));
  const std::int64_t n = call.in[0].size(1);
  const auto scale = static_cast<float>(call.attr<CrossEntropyAttrs>().scale);
  const auto* x = call.in[0].as<float>();
  const auto* targets = call.in[1].as<std::int32_t>();
  auto* losses = call.out[0].as<float>();
  auto* grads = call.out[1].as<float>();
  for_items(call, call.in[0].size(0), n * 12, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      losses[r] = 0;
      if (targets[r] < 0) std::fill(grads + r * n, grads + (r + 1) * n, 0.0f);
      else losses[r] = fns.cross_entropy(x + r * n, targets[r], scale, grads + r * n, n);
    }
  });
}

bool accepts_sum_squares(const Call& call) { return plain(call.in[0]) && plain(call.out[0]); }

void run_sum_squares(const Call& call) {
  const TrainingFns& fns = training_fns(isa_of(call));
  const std::int64_t n = call.in[0].numel();
  const auto* x = call.in[0].as<float>();
  auto* out = call.out[0].as<float>();
  for_items(call, call.out[0].numel(), sum_squares_block, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t at = i * sum_squares_block;
      out[i] = fns.sum_squares(x + at, std::min(sum_squares_block, n - at));
    }
  });
}

bool accepts_accumulate(const Call& call) { return call.in[0].dtype()->decode != nullptr && call.in[0].dtype() != f64 && plain(call.out[0]); }

void run_accumulate(const Call& call) {
  const RowFns& fns = row_fns(isa_of(call));
  const ElementwiseFns& convert = elementwise_fns(isa_of(call));
  auto* total = call.out[0].as<float>();
  if (plain(call.in[0])) {
    const std::int64_t n = call.in[0].numel();
    const auto* x = call.in[0].as<float>();
    for_items(call, (n + piece - 1) / piece, piece, [&](std::int64_t begin, std::int64_t end, int) {
      fns.add(x + begin * piece, total + begin * piece, std::min(n, end * piece) - begin * piece);
    });
    return;
  }
  const Rows rows(call.in[0]);
  const std::int64_t n = rows.n();
  const Scratch scratch = Scratch::per_thread(call.rt, n * 4);
  for_items(call, rows.count(), n * 2, [&](std::int64_t begin, std::int64_t end, int thread) {
    for (std::int64_t r = begin; r < end; ++r) fns.add(rows.read(convert, r, scratch.get<float>(thread)), total + r * n, n);
  });
}

bool accepts_adamw(const Call& call) { return plain(call.in[0]) && plain(call.out[0]) && plain(call.out[1]) && plain(call.out[2]); }

void run_adamw(const Call& call) {
  const TrainingFns& fns = training_fns(isa_of(call));
  const auto& a = call.attr<AdamWAttrs>();
  const double t = static_cast<double>(a.step);
  const AdamWFactors f{static_cast<float>(1 - a.lr * a.decay),
                       static_cast<float>(1 - a.beta1),
                       static_cast<float>(a.beta2),
                       static_cast<float>(1 - a.beta2),
                       static_cast<float>(std::sqrt(1 - std::pow(a.beta2, t))),
                       static_cast<float>(a.eps),
                       static_cast<float>(a.lr / (1 - std::pow(a.beta1, t))),
                       static_cast<float>(a.gradient_scale)};
  const std::int64_t n = call.in[0].numel();
  const auto* g = call.in[0].as<float>();
  float *p = call.out[0].as<float>(), *m = call.out[1].as<float>(), *v = call.out[2].as<float>();
  for_items(call, (n + piece - 1) / piece, piece * 4, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t at = begin * piece;
    fns.adamw(f, g + at, p + at, m + at, v + at, std::min(n, end * piece) - at);
  });
}

bool all_plain(std::span<const Tensor> tensors) {
  for (const Tensor& t : tensors) {
    if (t.defined() && !plain(t)) return false;
  }
  return true;
}

bool accepts_norm_grad(const Call& call) { return all_plain(call.in) && all_plain(call.out); }

void run_rms_norm_grad(const Call& call) {
  const TrainingFns& fns = training_fns(isa_of(call));
  const RowFns& rows_of = row_fns(isa_of(call));
  const std::int64_t n = call.in[0].size(-1), rows = n == 0 ? 0 : call.in[0].numel() / n;
  const bool weighted = call.in[1].defined();
  const auto *x = call.in[0].as<float>(), *g = call.in[2].as<float>();
  const float* weight = weighted ? call.in[1].as<float>() : nullptr;
  auto* dx = call.out[0].as<float>();
  const float eps = call.attr<NormGradAttrs>().eps;
  constexpr std::int64_t block = 64;
  const std::int64_t blocks = (rows + block - 1) / block;
  const Scratch sums = Scratch::shared(call.rt, weighted ? blocks * n * 4 : 0);
  for_items(call, blocks, block * n * 6, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t b = begin; b < end; ++b) {
      float* sum = weighted ? sums.get<float>() + b * n : nullptr;
      if (weighted) std::fill(sum, sum + n, 0.0f);
      for (std::int64_t r = b * block; r < std::min(rows, (b + 1) * block); ++r) {
        fns.rms_norm_grad(x + r * n, weight, g + r * n, eps, dx + r * n, sum, n);
      }
    }
  });
  if (weighted) rows_of.column_sum(sums.get<float>(), n, blocks, call.out[1].as<float>(), n);
}

bool accepts_gated_grad(const Call& call) {
  return all_plain(call.in) && all_plain(call.out) && call.attr<GatedAttrs>().act == Unary::silu;
}

void run_gated_grad(const Call& call) {
  const TrainingFns& fns = training_fns(isa_of(call));
  const std::int64_t n = call.in[0].numel();
  const auto *gate = call.in[0].as<float>(), *up = call.in[1].as<float>(), *g = call.in[2].as<float>();
  auto *dgate = call.out[0].as<float>(), *dup = call.out[1].as<float>();
  for_items(call, (n + piece - 1) / piece, piece * 12, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t at = begin * piece;
    fns.silu_gated_grad(gate + at, up + at, g + at, dgate + at, dup + at, std::min(n, end * piece) - at);
  });
}

bool accepts_attention(const Call& call) {
  return all_plain(call.in) && all_plain(call.out) && call.attr<SequenceAttentionAttrs>().softcap == 0;
}

// One task: all query heads of one key head of one sequence, in order.
void run_heads(const Call& call, bool gradients) {
  const TrainingFns& fns = training_fns(isa_of(call));
  const auto& attrs = call.attr<SequenceAttentionAttrs>();
  const Tensor &q = call.in[0], &k = call.in[1], &v = call.in[2];
  const std::int64_t rows = q.size(0), heads_q = q.size(1), heads = k.size(1), group = heads_q / heads, k_dim = q.size(2), v_dim = v.size(2);
  std::int64_t longest = 0, work = 0;
  for (const SequenceSpan& s : attrs.sequences) {
    longest = std::max(longest, s.rows);
    work += s.rows * s.rows;
  }
  if (longest == 0) return;
  const std::int64_t padded = padded_row(longest);
  const std::int64_t columns = padded * (k_dim + (gradients ? v_dim : 0));
  const Scratch scratch = Scratch::per_thread(call.rt, 4 * (columns + attention_rows * padded * (gradients ? 2 : 1)));
  const auto tasks = static_cast<std::int64_t>(attrs.sequences.size()) * heads;
  const std::int64_t cost = work / static_cast<std::int64_t>(attrs.sequences.size()) * group * (k_dim + v_dim);
  for_items(call, tasks, cost, [&](std::int64_t begin, std::int64_t end, int thread) {
    for (std::int64_t task = begin; task < end; ++task) {
      const SequenceSpan& s = attrs.sequences[static_cast<std::size_t>(task / heads)];
      const std::int64_t head = task % heads;
      if (s.rows == 0) continue;
      HeadAttention a{};
      a.n = s.rows, a.k_dim = k_dim, a.v_dim = v_dim;
      a.q_step = heads_q * k_dim, a.k_step = heads * k_dim, a.v_step = heads * v_dim, a.o_step = heads_q * v_dim;
      a.k = k.as<float>() + s.row * a.k_step + head * k_dim;
      a.v = v.as<float>() + s.row * a.v_step + head * v_dim;
      a.scale = attrs.scale, a.causal = attrs.causal, a.window = attrs.window;
      auto* at = scratch.get<float>(thread);
      fns.to_columns(a.k, a.k_step, s.rows, k_dim, at);
      a.k_columns = at;
      at += k_dim * padded;
      if (gradients) {
        fns.to_columns(a.v, a.v_step, s.rows, v_dim, at);
        a.v_columns = at;
        at += v_dim * padded;
        a.dk = call.out[1].as<float>() + s.row * a.k_step + head * k_dim;
        a.dv = call.out[2].as<float>() + s.row * a.v_step + head * v_dim;
        for (std::int64_t r = 0; r < s.rows; ++r) {
          std::fill_n(a.dk + r * a.k_step, k_dim, 0.0f);
          std::fill_n(a.dv + r * a.v_step, v_dim, 0.0f);
        }
      }
      a.scratch = at;
      for (std::int64_t h = head * group; h < (head + 1) * group; ++h) {
        a.q = q.as<float>() + s.row * a.q_step + h * k_dim;
        const Tensor &o = gradients ? call.in[3] : call.out[0], &log_sum = gradients ? call.in[4] : call.out[1];
        a.o = o.as<float>() + s.row * a.o_step + h * v_dim;
        a.log_sum = log_sum.as<float>() + h * rows + s.row;
        if (!gradients) {
          fns.attention(a);
          continue;
        }
        a.g = call.in[5].as<float>() + s.row * a.o_step + h * v_dim;
        a.dq = call.out[0].as<float>() + s.row * a.q_step + h * k_dim;
        fns.attention_grad(a);
      }
    }
  });
}

void run_attention(const Call& call) { run_heads(call, false); }
void run_attention_grad(const Call& call) { run_heads(call, true); }

constexpr Kernel kernels[] = {{&cross_entropy_op, accepts_cross_entropy, run_cross_entropy, "cross_entropy"},
                              {&sum_squares_op, accepts_sum_squares, run_sum_squares, "sum_squares"},
                              {&accumulate_op, accepts_accumulate, run_accumulate, "accumulate"},
                              {&adamw_op, accepts_adamw, run_adamw, "adamw"},
                              {&rms_norm_grad_op, accepts_norm_grad, run_rms_norm_grad, "rms_norm_grad"},
                              {&gated_grad_op, accepts_gated_grad, run_gated_grad, "gated_grad"},
                              {&sequence_attention_op, accepts_attention, run_attention, "sequence_attention"},
                              {&sequence_attention_grad_op, accepts_attention, run_attention_grad, "sequence_attention_grad"}};

}  // namespace

const KernelFile training{kernels};

}  // namespace tashika::cpu
