// experts: only the chosen experts' weights are read; the rows that chose an expert go through it together.
//
// Rows are ordered by expert, then by (token, slot). Every row's result is the same as alone, and a token's slots are
// added in order, so that neither the batch nor the threads change a bit.
#include <algorithm>

#include "backend/contract/elementwise.h"
#include "backend/contract/matmul.h"
#include "backend/cpu/isa/elementwise.h"
#include "backend/cpu/matmul_jobs.h"

namespace tashika::cpu {

extern const KernelFile experts;

namespace {

bool accepts(const Call& call) {
  const Tensor &x = call.in[0], &ids = call.in[1], &weights = call.in[2];
  if (x.dtype() != f32 || x.rank() != 2 || (x.strides()[1] != 1 && x.size(1) != 1)) return false;
  if (ids.dtype() != i32 || !ids.is_contiguous() || weights.dtype() != f32 || !weights.is_contiguous()) return false;
  for (std::size_t i = 3; i < call.in.size(); ++i) {
    if (!takes_weight(call.in[i])) return false;
  }
  return true;
}

struct Group {  // the rows of one expert, at most act_rows_max of them
  std::int64_t expert, first, rows;
};

class Layout {
 public:
  std::int64_t reserve(std::int64_t n) {
    const std::int64_t at = bytes_;
    bytes_ += (n + 63) / 64 * 64;
    return at;
  }
  template <typename T>
  std::int64_t reserve_of(std::int64_t n) {
    return reserve(n * static_cast<std::int64_t>(sizeof(T)));
  }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::int64_t bytes_ = 0;
};

void run(const Call& call) {
  const auto& attrs = call.attr<ExpertsAttrs>();
  const MatmulFns& fns = matmul_fns(isa_of(call));
  const ElementwiseFns& elementwise = elementwise_fns(isa_of(call));
  const Tensor& x = call.in[0];
  const std::int64_t tokens = x.size(0), d = x.size(1), slots = call.in[1].size(1), total = tokens * slots;
  const std::int64_t experts_count = attrs.experts;
  const auto* ids = call.in[1].as<std::int32_t>();
  const auto* mix = call.in[2].as<float>();
  if (tokens == 0) return;
  const auto weight = [&](std::int64_t e, int part) -> const Tensor& { return call.in[static_cast<std::size_t>(3 + 3 * e + part)]; };

  Layout layout;
  const std::int64_t begins_at = layout.reserve_of<std::int64_t>(experts_count + 1);
  const std::int64_t order_at = layout.reserve_of<std::int64_t>(total);     // row -> token * slots + slot
  const std::int64_t place_at = layout.reserve_of<std::int64_t>(total);     // and back
  const std::int64_t groups_at = layout.reserve_of<Group>(total);
  const std::int64_t jobs_at = layout.reserve_of<MatmulJob>(2 * total);
  const Scratch lists = Scratch::shared(call.rt, layout.bytes());
  auto* base = lists.get<std::byte>();
  auto* begins = reinterpret_cast<std::int64_t*>(base + begins_at);
  auto* order = reinterpret_cast<std::int64_t*>(base + order_at);
  auto* place = reinterpret_cast<std::int64_t*>(base + place_at);
  auto* groups = reinterpret_cast<Group*>(base + groups_at);
  auto* jobs_room = reinterpret_cast<MatmulJob*>(base + jobs_at);

  std::fill(begins, begins + experts_count + 1, 0);
  for (std::int64_t i = 0; i < total; ++i) ++begins[ids[i] + 1];
  for (std::int64_t e = 0; e < experts_count; ++e) begins[e + 1] += begins[e];
  for (std::int64_t i = 0; i < total; ++i) {
    place[i] = begins[ids[i]]++;
    order[place[i]] = i;
  }
  std::int64_t group_count = 0, hidden = 0, gate_up_bytes = 0, down_bytes = 0;
  std::int64_t first = 0;
  for (std::int64_t e = 0; e < experts_count; ++e) {  // begins[e] is now e's end
    for (; first < begins[e]; first += groups[group_count - 1].rows) {
      groups[group_count++] = {e, first, std::min(act_rows_max, begins[e] - first)};
      hidden = std::max(hidden, weight(e, 0).size(0));
    }
  }
  // Activations of a group lie together; each form that gate or up needs has its own place.
  const auto kernel = [&](std::int64_t e, int part) { return weight_kernel(fns, weight(e, part).dtype(), exact(call)); };
  const auto slot_bytes = [](std::int64_t n) { return (n + 63) / 64 * 64; };
  for (std::int64_t g = 0; g < group_count; ++g) {
    for (int part = 0; part < 2; ++part) gate_up_bytes += slot_bytes(act_bytes(kernel(groups[g].expert, part).act, groups[g].rows, d));
    down_bytes += slot_bytes(act_bytes(kernel(groups[g].expert, 2).act, groups[g].rows, hidden));
  }
  Layout big;
  const std::int64_t acts_at = big.reserve(std::max(gate_up_bytes, down_bytes));
  const std::int64_t gate_at = big.reserve_of<float>(total * hidden), up_at = big.reserve_of<float>(total * hidden);
  const std::int64_t down_at = big.reserve_of<float>(total * d);
  const Scratch buffers = Scratch::shared(call.rt, big.bytes());
  auto* acts = buffers.get<std::byte>() + acts_at;
  auto* gate = reinterpret_cast<float*>(buffers.get<std::byte>() + gate_at);
  auto* up = reinterpret_cast<float*>(buffers.get<std::byte>() + up_at);
  auto* down = reinterpret_cast<float*>(buffers.get<std::byte>() + down_at);

  // The group of a row: groups are few, rows ascend.
  const auto group_of = [&](std::int64_t row) {
    return std::upper_bound(groups, groups + group_count, row, [](std::int64_t r, const Group& g) { return r < g.first; }) - groups - 1;
  };
  const auto act_offset = [&](std::int64_t group, int part) {  // of gate (0), up (1)
    std::int64_t at = 0;
    for (std::int64_t g = 0; g < group; ++g) {
      for (int p = 0; p < 2; ++p) at += slot_bytes(act_bytes(kernel(groups[g].expert, p).act, groups[g].rows, d));
    }
    return part == 0 ? at : at + slot_bytes(act_bytes(kernel(groups[group].expert, 0).act, groups[group].rows, d));
  };
  for_items(call, total, d * 2, [&](std::int64_t begin, std::int64_t end, int) {
    std::int64_t g = -1, offset[2] = {};
    for (std::int64_t row = begin; row < end; ++row) {
      if (g < 0 || row >= groups[g].first + groups[g].rows) {
        g = group_of(row);
        offset[0] = act_offset(g, 0);
        offset[1] = act_offset(g, 1);
      }
      const float* source = x.as<float>() + order[row] / slots * x.strides()[0];
      const WeightKernel both[2] = {kernel(groups[g].expert, 0), kernel(groups[g].expert, 1)};
      for (int part = 0; part < (both[0].act == both[1].act ? 1 : 2); ++part) {
        pack_row(fns, both[part].act, source, d, acts + offset[part], row - groups[g].first, groups[g].rows);
      }
    }
  });
  MatmulJobs gates(call, jobs_room);
  std::int64_t at = 0;
  for (std::int64_t g = 0; g < group_count; ++g) {
    const Group& group = groups[g];
    const WeightKernel both[2] = {kernel(group.expert, 0), kernel(group.expert, 1)};
    const std::byte* act[2] = {acts + at, acts + at};
    at += slot_bytes(act_bytes(both[0].act, group.rows, d));
    if (both[0].act != both[1].act) act[1] = acts + at;
    at += slot_bytes(act_bytes(both[1].act, group.rows, d));
    gates.add(weight(group.expert, 0), both[0], act[0], group.rows, group.rows, gate + group.first * hidden, hidden);
    gates.add(weight(group.expert, 1), both[1], act[1], group.rows, group.rows, up + group.first * hidden, hidden);
  }
  gates.run();

  MatmulJobs downs(call, jobs_room);
  at = 0;
  for (std::int64_t g = 0; g < group_count; ++g) {
    const Group& group = groups[g];
    const WeightKernel k = kernel(group.expert, 2);
    const std::int64_t width = weight(group.expert, 0).size(0);
    std::byte* act = acts + at;
    for_items(call, group.rows, width * 16, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) {
        float* h = gate + (group.first + row) * hidden;
        elementwise.gated[attrs.act](h, up + (group.first + row) * hidden, h, width);
        pack_row(fns, k.act, h, width, act, row, group.rows);
      }
    });
    downs.add(weight(group.expert, 2), k, act, group.rows, group.rows, down + group.first * d, d);
    at += slot_bytes(act_bytes(k.act, group.rows, hidden));
  }
  downs.run();

  auto* out = call.out[0].as<float>();
  for_items(call, tokens, d * slots, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t t = begin; t < end; ++t) {
      float* y = out + t * d;
      std::fill(y, y + d, 0.0f);
      for (std::int64_t j = 0; j < slots; ++j) {
        const float* part = down + place[t * slots + j] * d;
        const float scale = mix[t * slots + j];
        for (std::int64_t i = 0; i < d; ++i) y[i] += scale * part[i];
      }
    }
  });
}

constexpr Kernel kernels[] = {{&experts_op, accepts, run}};

}  // namespace

const KernelFile experts{kernels};

}  // namespace tashika::cpu
