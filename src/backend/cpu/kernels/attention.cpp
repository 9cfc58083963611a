// Attention over the paged cache: tasks of one key head, a block of queries and a range of splits.
//
// A row's result does not depend on the tasks (isa/attention.h): blocks and splits are chosen for
// speed alone. Segments with few queries (decoding) hand out their splits and merge the parts
// afterwards; others walk all splits of a block of queries in one task.
#include "backend/contract/attention.h"

#include <algorithm>

#include "backend/cpu/isa/attention.h"
#include "backend/cpu/kv_page.h"
#include "backend/cpu/table.h"

namespace tashika::cpu {

extern const KernelFile attention;

namespace {

constexpr std::int64_t split_positions = attention_split_pages * page_positions;

// Queries [row, row + rows) x [head, head + heads) of a segment, all of one key head.
struct Block {
  const KvSegment* segment;
  std::int64_t kv_head, row, rows, head, heads;
  std::int64_t split_begin, split_end;
  std::int64_t part;  // index of its first part, or -1: computed in one task
  std::int64_t queries() const { return rows * heads; }
};
struct Task {
  std::int64_t block, split;  // split -1: all of them
};

struct Plan {
  std::int64_t group, o_step;
  std::int64_t part_floats;  // of one split of one block: m, l, o of every query
};

std::int64_t first_position(const AttentionAttrs& a, std::int64_t position) {
  return a.window > 0 ? std::max<std::int64_t>(0, position - a.window + 1) : 0;
}
// The last key that a query of the segment sees.
std::int64_t last_position(const AttentionAttrs& a, const KvSegment& s, std::int64_t position) {
  if (a.causal) return position;
  const std::int64_t last = s.position + s.rows - 1;
  return a.window > 0 ? std::min(last, position + a.window - 1) : last;
}

// Calls add(block) for every block of a segment.
template <typename Add>
void cut(const AttentionAttrs& a, const KvSegment& s, std::int64_t group, std::int64_t most, const Add& add) {
  const std::int64_t head_parts = (group + most - 1) / most, heads = (group + head_parts - 1) / head_parts;
  const std::int64_t rows = std::max<std::int64_t>(1, most / heads);
  const std::int64_t blocks = (s.rows + rows - 1) / rows;
  for (std::int64_t b = blocks - 1; b >= 0; --b) {  // the longest first
    const std::int64_t row = b * rows, count = std::min(rows, s.rows - row);
    const std::int64_t begin = first_position(a, s.position + row) / split_positions;
    const std::int64_t end = last_position(a, s, s.position + row + count - 1) / split_positions + 1;
    for (std::int64_t h = 0; h < a.kv.layout.heads; ++h) {
      for (std::int64_t g = 0; g < group; g += heads) {
        add(Block{&s, h, row, count, h * group + g, std::min(heads, group - g), begin, end, -1});
      }
    }
  }
}

struct Runner {
  const Call& call;
  const AttentionAttrs& attrs;
  const AttentionFns& fns;
  KvKind kind;
  Plan plan;

  const KvLayout& layout() const { return attrs.kv.layout; }
  const Tensor& q() const { return call.in[0]; }
  bool has_bias() const { return call.in.size() > 1; }

  std::int64_t pairs_bytes() const { return kind == KvKind::bf16_dots ? (layout().k_dim / 2 * 4 + 63) / 64 * 64 : 0; }
  std::int64_t state_floats() const { return attention_max_queries * (2 + plan.o_step); }
  // Pointers and positions, rounded queries, two states, and what isa/ needs.
  std::int64_t scratch_bytes() const {
    return attention_max_queries * (32 + pairs_bytes()) + 2 * state_floats() * 4 + attention_scratch_bytes(layout().v_dim) + 64;
  }

  struct Thread {
    const float** q;
    const void** pairs;
    std::int64_t* position;
    const float** bias;
    float* state[2];
    std::byte* scratch;
  };

  // Pointers into a thread's scratch memory, and the block's queries.
  Thread prepare(const Block& b, std::byte* memory) const {
    constexpr std::int64_t most = attention_max_queries;
    Thread t;
    t.state[0] = reinterpret_cast<float*>(memory);
    t.state[1] = t.state[0] + state_floats();
    std::byte* next = reinterpret_cast<std::byte*>(t.state[1] + state_floats());
    t.q = reinterpret_cast<const float**>(next);
    t.pairs = reinterpret_cast<const void**>(next + most * 8);
    t.position = reinterpret_cast<std::int64_t*>(next + most * 16);
    t.bias = reinterpret_cast<const float**>(next + most * 24);
    std::byte* rounded = next + most * 32;
    t.scratch = rounded + most * pairs_bytes();
    for (std::int64_t i = 0; i < b.queries(); ++i) {
      const std::int64_t row = b.row + i / b.heads, head = b.head + i % b.heads;
      t.q[i] = q().as<float>() + (b.segment->row + row) * q().strides()[0] + head * q().strides()[1];
      t.position[i] = b.segment->position + row;
      if (has_bias()) t.bias[i] = call.in[1].as<float>() + head * call.in[1].size(1) + attrs.bias_origin - t.position[i];
      t.pairs[i] = rounded + i * pairs_bytes();
      if (kind == KvKind::bf16_dots) fns.to_pairs(t.q[i], rounded + i * pairs_bytes(), layout().k_dim);
    }
    return t;
  }

  void run_split(const Block& b, const Thread& t, std::int64_t split, float* state) const {
    const KvPage page{layout(), elementwise_fns(isa_of(call))};
    const std::int64_t last = last_position(attrs, *b.segment, b.segment->position + b.row + b.rows - 1);
    AttentionSplit s;
    s.kind = kind;
    s.k_dim = layout().k_dim;
    s.v_dim = layout().v_dim;
    s.v_in_k = layout().v_in_k;
    s.pages = reinterpret_cast<const unsigned char* const*>(b.segment->pages);
    s.k_offset = page.k_offset(b.kv_head);
    s.v_offset = page.v_offset(b.kv_head);
    s.page_begin = std::max(split * attention_split_pages, first_position(attrs, b.segment->position + b.row) / page_positions);
    s.page_end = std::min((split + 1) * attention_split_pages, last / page_positions + 1);
    s.queries = b.queries();
    s.q = t.q;
    s.q_pairs = t.pairs;
    s.position = t.position;
    s.window = attrs.window;
    s.length = attrs.causal ? 0 : b.segment->position + b.segment->rows;
    s.bias = has_bias() ? t.bias : nullptr;
    s.scale = attrs.scale;
    s.softcap = attrs.softcap;
    s.m = state;
    s.l = state + b.queries();
    s.o = state + 2 * b.queries();
    s.o_step = plan.o_step;
    s.scratch = t.scratch;
    fns.split(s);
  }

  float* output(const Block& b, std::int64_t i) const {
    const std::int64_t row = b.segment->row + b.row + i / b.heads, head = b.head + i % b.heads;
    return call.out[0].as<float>() + (row * q().size(1) + head) * layout().v_dim;
  }

  void start(const Block& b, float* state) const {
    const std::int64_t n = b.queries();
    std::fill_n(state, n, -__builtin_inff());
    std::fill_n(state + n, n * (1 + plan.o_step), 0.0f);
  }
  void merge(const Block& b, float* into, const float* part) const {
    const std::int64_t n = b.queries();
    for (std::int64_t i = 0; i < n; ++i) {
      fns.merge(into + i, into + n + i, into + 2 * n + i * plan.o_step, part[i], part[n + i], part + 2 * n + i * plan.o_step, plan.o_step);
    }
  }
  void finish(const Block& b, const float* state) const {
    const std::int64_t n = b.queries();
    for (std::int64_t i = 0; i < n; ++i) fns.finish(state[n + i], state + 2 * n + i * plan.o_step, output(b, i), layout().v_dim);
  }
};

void run_attention(const Call& call) {
  const auto& attrs = call.attr<AttentionAttrs>();
  const KvLayout& layout = attrs.kv.layout;
  const AttentionFns& fns = attention_fns(isa_of(call));
  const KvKind kind = layout.dtype == f32   ? KvKind::f32
                      : layout.dtype == f16 ? KvKind::f16
                      : fns.bf16_dots && !exact(call) ? KvKind::bf16_dots
                                                      : KvKind::bf16;
  Plan plan;
  plan.group = call.in[0].size(1) / layout.heads;
  plan.o_step = (layout.v_dim + 15) / 16 * 16;
  const Runner runner{call, attrs, fns, kind, plan};
  const int threads = call.rt.pool().threads();

  // Which segments hand out their splits.
  const auto cut_all = [&](const auto& add) {
    for (const KvSegment& s : attrs.kv.segments) {
      std::int64_t blocks = 0;
      cut(attrs, s, plan.group, attention_max_queries, [&](const Block&) { ++blocks; });
      const bool parts = s.rows <= 16 && blocks < 4 * threads;
      cut(attrs, s, plan.group, attention_max_queries, [&](const Block& b) { add(b, parts && b.split_end - b.split_begin > 1); });
    }
  };
  std::int64_t block_count = 0, task_count = 0, part_floats = 0;
  cut_all([&](const Block& b, bool parts) {
    const std::int64_t splits = b.split_end - b.split_begin;
    ++block_count;
    task_count += parts ? splits : 1;
    part_floats += parts ? splits * b.queries() * (2 + plan.o_step) : 0;
  });
  if (block_count == 0) return;
  const Scratch lists = Scratch::shared(call.rt, block_count * static_cast<std::int64_t>(sizeof(Block)) + task_count * static_cast<std::int64_t>(sizeof(Task)));
  auto* blocks = lists.get<Block>();
  auto* tasks = reinterpret_cast<Task*>(blocks + block_count);
  const Scratch parts_memory = Scratch::shared(call.rt, part_floats * static_cast<std::int64_t>(sizeof(float)));
  auto* part_at = parts_memory.get<float>();
  std::int64_t block = 0, task = 0, part = 0;
  cut_all([&](Block b, bool parts) {
    if (parts) {
      b.part = part;
      part += (b.split_end - b.split_begin) * b.queries() * (2 + plan.o_step);
      for (std::int64_t s = b.split_begin; s < b.split_end; ++s) tasks[task++] = {block, s};
    } else {
      tasks[task++] = {block, -1};
    }
    blocks[block++] = b;
  });

  const Scratch scratch = Scratch::per_thread(call.rt, runner.scratch_bytes());
  const auto part_of = [&](const Block& b, std::int64_t split) { return part_at + b.part + (split - b.split_begin) * b.queries() * (2 + plan.o_step); };
  // A small batch of short sequences is not worth a fork.
  std::int64_t work = 0;
  for (const KvSegment& s : attrs.kv.segments) {
    work += s.rows * (s.position + s.rows - first_position(attrs, s.position)) * call.in[0].size(1) * (layout.k_dim + layout.v_dim);
  }
  const std::int64_t grain = work < 16 * fork_threshold ? task_count : 1;
  call.rt.pool().parallel_for(task_count, grain, [&](std::int64_t begin, std::int64_t end, int thread) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Block& b = blocks[tasks[i].block];
      const auto t = runner.prepare(b, scratch.get<std::byte>(thread));
      if (tasks[i].split >= 0) {
        runner.run_split(b, t, tasks[i].split, part_of(b, tasks[i].split));
        continue;
      }
      runner.start(b, t.state[0]);
      for (std::int64_t s = b.split_begin; s < b.split_end; ++s) {
        runner.run_split(b, t, s, t.state[1]);
        runner.merge(b, t.state[0], t.state[1]);
      }
      runner.finish(b, t.state[0]);
    }
  });
  if (part_floats == 0) return;
  const std::int64_t merge_cost = std::max<std::int64_t>(1, part_floats / block_count);
  for_items(call, block_count, merge_cost, [&](std::int64_t begin, std::int64_t end, int thread) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Block& b = blocks[i];
      if (b.part < 0) continue;
      auto* state = scratch.get<float>(thread);
      runner.start(b, state);
      for (std::int64_t s = b.split_begin; s < b.split_end; ++s) runner.merge(b, state, part_of(b, s));
      runner.finish(b, state);
    }
  });
}

bool accepts(const Call& call) {
  const Tensor& q = call.in[0];
  return pages_of(call.attr<AttentionAttrs>().kv.layout) && q.dtype() == f32 && q.rank() == 3 && (q.strides()[2] == 1 || q.size(2) == 1) &&
         call.out[0].dtype() == f32 && (call.in.size() == 1 || (call.in[1].dtype() == f32 && call.in[1].is_contiguous()));
}

constexpr Kernel kernels[] = {{&attention_op, accepts, run_attention, "attention"}};

}  // namespace

const KernelFile attention{kernels};

}  // namespace tashika::cpu
