// RWKV-4 (Peng et al. 2023), RWKV-5 "Eagle" and RWKV-6 "Finch" (Peng et al. 2024).
//
// A block is a time mix and a channel mix. Both look at the token and, by a learned blend, at the one before it; the time
// mix also carries a recurrence: numerator and denominator a channel in RWKV-4, a matrix a head from RWKV-5 on. Between
// RWKV-5 and 6 the blend and the decay become functions of the token.
//
// Names are those of the Hugging Face checkpoints. The first checkpoints' own (.pth) and GGUF's are bound to them; such
// files hold no config, and sizes are read off their tensors.
#include <algorithm>
#include <optional>

#include "models/config.h"
#include "models/model_def.h"
#include "nn/linear.h"
#include "nn/recurrent.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/wkv.h"

namespace tashika {
namespace {

struct Sizes {
  int version = 4;
  std::int64_t vocab = 0, hidden = 0, attention = 0, inner = 0, layers = 0;
  std::int64_t heads = 0, head_size = 0;          // from RWKV-5 on
  std::int64_t decay_width = 0, bonus_width = 0;  // RWKV-5: head_size, or 1 where a head has one number
  bool bonus_is_log = false;                      // the first RWKV-5 files store time_first = log(time_faaaa)
  bool gate = false;
  std::int64_t mix_rank = 0, decay_rank = 0;      // RWKV-6
  std::int64_t halve_every = 0;                   // GGUF: layers after which the stream is halved (their weights are)
  float eps = 1e-5f, out_eps = 1e-5f, head_eps = 64e-5f;  // out_eps: the reference fixes it, whatever the config says
};

// base + diff ∘ mix
Tensor blend(const Tensor& base, const Tensor& diff, const Tensor& mix) { return ops::add(base, ops::mul(diff, mix)); }

struct TimeMix : Module {
  // x: normed rows; before: each one's predecessor. Leaves the recurrence's state and inputs in `now`.
  virtual Tensor operator()(const Tensor& x, const Tensor& before, const Tensor& residual, RecurrentLayer& now) const = 0;
};

struct TimeMix4 final : TimeMix {
  Param time_decay, time_first, time_mix_key, time_mix_value, time_mix_receptance;
  Linear key, value, receptance, output;

  explicit TimeMix4(const Sizes& s)
      : time_decay({s.attention}),
        time_first({s.attention}),
        time_mix_key({s.hidden}),
        time_mix_value({s.hidden}),
        time_mix_receptance({s.hidden}),
        key(s.attention, s.hidden),
        value(s.attention, s.hidden),
        receptance(s.attention, s.hidden),
        output(s.hidden, s.attention) {}
  void parts(Visitor& v) override {
    v("time_decay", time_decay);
    v("time_first", time_first);
    v("time_mix_key", time_mix_key);
    v("time_mix_value", time_mix_value);
    v("time_mix_receptance", time_mix_receptance);
    v("key", key);
    v("value", value);
    v("receptance", receptance);
    v("output", output);
  }
  Tensor operator()(const Tensor& x, const Tensor& before, const Tensor& residual, RecurrentLayer& now) const override {
    const Tensor diff = ops::sub(x, before);
    const Tensor k = key(blend(before, diff, time_mix_key));
    const Tensor v = value(blend(before, diff, time_mix_value));
    const Tensor r = receptance(blend(before, diff, time_mix_receptance));
    const Tensor decay = ops::affine(ops::exp(time_decay), -1.0f, 0.0f);
    const ops::Recurrence out = ops::wkv4(k, v, decay, ops::cast(time_first, f32), now.states(), now.segments());
    const Tensor steps[] = {k, v, decay.detach().expand(k.shape())};
    now.finish(out.states, steps);
    return output(ops::mul(ops::sigmoid(r), out.y), residual);
  }
};

// What RWKV-5 and 6 share behind their projections: the recurrence of every head, its norm, the gate, the way out.
struct HeadMix : TimeMix {
  Linear key, value, receptance, gate, output;
  LayerNorm ln_x;
  std::int64_t heads, head_size;
  bool gated;

  explicit HeadMix(const Sizes& s)
      : key(s.attention, s.hidden),
        value(s.attention, s.hidden),
        receptance(s.attention, s.hidden),
        gate(s.attention, s.hidden),
        output(s.hidden, s.attention),
        ln_x(s.attention, s.head_eps),
        heads(s.heads),
        head_size(s.head_size),
        gated(s.gate) {}
  void parts(Visitor& v) override {
    v("key", key);
    v("value", value);
    v("receptance", receptance);
    if (gated) v("gate", gate);
    v("output", output);
    v("ln_x", ln_x);
  }

  // w [rows or 1, heads, head_size]; xg undefined without a gate.
  Tensor recur(const Tensor& xr, const Tensor& xk, const Tensor& xv, const Tensor& xg, const Tensor& w, const Tensor& bonus,
               const Tensor& residual, RecurrentLayer& now) const {
    const Shape by_head = {xr.size(0), heads, head_size};
    const Tensor r = ops::reshape(receptance(xr), by_head), k = ops::reshape(key(xk), by_head), v = ops::reshape(value(xv), by_head);
    const ops::Recurrence out = ops::wkv6(r, k, v, w, bonus, now.states(), now.segments());
    const Tensor steps[] = {k, v, w.size(0) == 1 ? w.detach().expand(by_head) : w};
    now.finish(out.states, steps);
    Tensor y = ops::group_norm(ops::reshape(out.y, {xr.size(0), heads * head_size}), heads, ln_x.weight, ln_x.bias, ln_x.eps);
    if (gated) y = ops::gated(Unary::silu, gate(xg), y);
    return output(y, residual);
  }
};

struct TimeMix5 final : HeadMix {
  Param time_decay, time_faaaa, time_mix_key, time_mix_value, time_mix_receptance, time_mix_gate;
  bool bonus_is_log;

  explicit TimeMix5(const Sizes& s)
      : HeadMix(s),
        time_decay({s.heads, s.decay_width}),
        time_faaaa({s.heads, s.bonus_width}),
        time_mix_key({s.hidden}),
        time_mix_value({s.hidden}),
        time_mix_receptance({s.hidden}),
        time_mix_gate({s.hidden}),
        bonus_is_log(s.bonus_is_log) {}
  void parts(Visitor& v) override {
    v("time_decay", time_decay);
    v(bonus_is_log ? "time_first" : "time_faaaa", time_faaaa);
    v("time_mix_key", time_mix_key);
    v("time_mix_value", time_mix_value);
    v("time_mix_receptance", time_mix_receptance);
    if (gated) v("time_mix_gate", time_mix_gate);
    HeadMix::parts(v);
  }
  // One number for each key channel; a head's only one serves all of them.
  Tensor by_channel(const Tensor& t) const {
    return t.size(1) == head_size ? t : ops::add(t, Tensor::full(t.runtime(), {1, head_size}, 0.0f));
  }
  Tensor operator()(const Tensor& x, const Tensor& before, const Tensor& residual, RecurrentLayer& now) const override {
    const Tensor diff = ops::sub(x, before);
    const Tensor w = ops::exp(ops::affine(ops::exp(time_decay), -1.0f, 0.0f));
    const Tensor bonus = bonus_is_log ? ops::exp(time_faaaa) : ops::cast(time_faaaa, f32);
    return recur(blend(before, diff, time_mix_receptance), blend(before, diff, time_mix_key), blend(before, diff, time_mix_value),
                 gated ? blend(before, diff, time_mix_gate) : Tensor{}, ops::reshape(by_channel(w), {1, heads, head_size}),
                 by_channel(bonus), residual, now);
  }
};

struct TimeMix6 final : HeadMix {
  Param time_maa_x;
  Param maa[5];                    // of the inputs w, k, v, r, g
  Param time_maa_w1;               // [5 · rank, hidden]
  Param maa_w2[5];                 // [hidden, rank]
  Param time_decay;                // [attention]
  Param time_decay_w1, time_decay_w2;
  Param time_faaaa;                // [heads, head_size]

  explicit TimeMix6(const Sizes& s)
      : HeadMix(s),
        time_maa_x({s.hidden}),
        time_maa_w1({5 * s.mix_rank, s.hidden}),
        time_decay({s.attention}),
        time_decay_w1({s.decay_rank, s.hidden}),
        time_decay_w2({s.attention, s.decay_rank}),
        time_faaaa({s.heads, s.head_size}) {
    std::fill(std::begin(maa), std::end(maa), Param({s.hidden}));
    std::fill(std::begin(maa_w2), std::end(maa_w2), Param({s.hidden, s.mix_rank}));
  }
  void parts(Visitor& v) override {
    constexpr const char* names[] = {"time_maa_w", "time_maa_k", "time_maa_v", "time_maa_r", "time_maa_g"};
    v("time_maa_x", time_maa_x);
    for (std::size_t i = 0; i < 5; ++i) v(names[i], maa[i]);
    v("time_maa_w1", time_maa_w1);
    for (std::size_t i = 0; i < 5; ++i) v(cat("time_maa_w2.", i), maa_w2[i]);
    v("time_decay", time_decay);
    v("time_decay_w1", time_decay_w1);
    v("time_decay_w2", time_decay_w2);
    v("time_faaaa", time_faaaa);
    HeadMix::parts(v);
  }
  Tensor operator()(const Tensor& x, const Tensor& before, const Tensor& residual, RecurrentLayer& now) const override {
    const Tensor diff = ops::sub(before, x);
    const Tensor low = ops::tanh(ops::linear(blend(x, diff, time_maa_x), time_maa_w1));
    const std::int64_t rank = low.size(1) / 5;
    Tensor mixed[5];
    for (int i = 0; i < 5; ++i) {
      const Tensor part = ops::slice(low, 1, i * rank, (i + 1) * rank);
      mixed[i] = blend(x, diff, ops::add(ops::linear(part, maa_w2[i]), maa[i]));
    }
    const Tensor log_log = ops::add(ops::linear(ops::tanh(ops::linear(mixed[0], time_decay_w1)), time_decay_w2), time_decay);
    const Tensor w = ops::exp(ops::affine(ops::exp(log_log), -1.0f, 0.0f));
    return recur(mixed[3], mixed[1], mixed[2], mixed[4], ops::reshape(w, {x.size(0), heads, head_size}), ops::cast(time_faaaa, f32),
                 residual, now);
  }
};

struct ChannelMix final : Module {
  Param mix_key, mix_receptance;
  Linear key, receptance, value;
  bool from_token;  // RWKV-6 writes the blend from the token's side: x + (before - x) ∘ mix

  explicit ChannelMix(const Sizes& s)
      : mix_key({s.hidden}), mix_receptance({s.hidden}), key(s.inner, s.hidden), receptance(s.hidden, s.hidden), value(s.hidden, s.inner), from_token(s.version >= 6) {}
  void parts(Visitor& v) override {
    v(from_token ? "time_maa_k" : "time_mix_key", mix_key);
    v(from_token ? "time_maa_r" : "time_mix_receptance", mix_receptance);
    v("key", key);
    v("receptance", receptance);
    v("value", value);
  }
  Tensor operator()(const Tensor& x, const Tensor& before, const Tensor& residual) const {
    const Tensor &base = from_token ? x : before, diff = from_token ? ops::sub(before, x) : ops::sub(x, before);
    const Tensor inner = ops::unary(Unary::square, ops::relu(key(blend(base, diff, mix_key))));
    const Tensor r = receptance(blend(base, diff, mix_receptance));
    return ops::add(ops::gated(Unary::sigmoid, r, value(inner)), residual);
  }
};

struct Block : Module {
  LayerNorm ln1, ln2;
  std::unique_ptr<TimeMix> attention;
  ChannelMix feed_forward;
  explicit Block(const Sizes& s) : ln1(s.hidden, s.eps), ln2(s.hidden, s.eps), feed_forward(s) {
    if (s.version == 4) attention = std::make_unique<TimeMix4>(s);
    else if (s.version == 5) attention = std::make_unique<TimeMix5>(s);
    else attention = std::make_unique<TimeMix6>(s);
  }
  void parts(Visitor& v) override {
    v("ln1", ln1);
    v("attention", attention);
    v("ln2", ln2);
    v("feed_forward", feed_forward);
  }
};

Tensor scan4(const Tensor& before, std::span<const Tensor> rows) {
  const Tensor decay = ops::reshape(rows[2].slice(0, 0, 1), {rows[0].size(1)});
  const RecurrenceSegment all{0, rows[0].size(0)};
  return ops::wkv4(rows[0], rows[1], decay, decay, {&before, 1}, {&all, 1}).states[0];
}

// The bonus and the receptance do not touch the state.
Tensor scan6(const Tensor& before, std::span<const Tensor> rows) {
  const Tensor bonus = ops::reshape(rows[0].slice(0, 0, 1), {rows[0].size(1), rows[0].size(2)});
  const RecurrenceSegment all{0, rows[0].size(0)};
  return ops::wkv6(rows[0], rows[0], rows[1], rows[2], bonus, {&before, 1}, {&all, 1}).states[0];
}

struct Rwkv final : LanguageModel {
  Sizes sizes;
  Embedding embeddings;
  LayerNorm pre_ln;
  std::vector<Block> blocks;
  LayerNorm ln_out;
  Linear head_map;

  explicit Rwkv(const Sizes& s)
      : LanguageModel({s.vocab, s.hidden, s.layers, 0}),
        sizes(s),
        embeddings(s.vocab, s.hidden),
        pre_ln(s.hidden, s.eps),
        ln_out(s.hidden, s.out_eps),
        head_map(s.vocab, s.hidden) {
    for (std::int64_t i = 0; i < s.layers; ++i) blocks.emplace_back(s);
  }
  void parts(Visitor& v) override {
    v("rwkv.embeddings", embeddings);
    v("rwkv.blocks.0.pre_ln", pre_ln);
    v("rwkv.blocks", blocks);
    v("rwkv.ln_out", ln_out);
    v("lm_head", head_map);
  }

 protected:
  std::vector<Tensor> initial(Runtime& rt) const {
    const Tensor row = Tensor::full(rt, {1, sizes.hidden}, 0.0f);
    if (sizes.version > 4) return {row, row, Tensor::full(rt, {sizes.heads, sizes.head_size, sizes.head_size}, 0.0f)};
    const Tensor none = Tensor::full(rt, {2, sizes.attention}, 0.0f), least = Tensor::full(rt, {1, sizes.attention}, -1e30f);
    const Tensor parts[] = {none, least};
    return {row, row, ops::concat(parts, 0)};
  }
  std::unique_ptr<LayerState> new_layer_state(std::int64_t, std::shared_ptr<PagePool> pool, const StateOptions& options) const override {
    return new_recurrent_state(initial(pool->runtime()), options.margin, sizes.version == 4 ? scan4 : scan6);
  }
  Tensor trunk(Batch& batch) override {
    const std::vector<Tensor> nothing = initial(batch.runtime());
    Tensor x = pre_ln(embeddings(batch.tokens()));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      batch.runtime().throw_if_cancelled();
      const Block& b = blocks[i];
      RecurrentLayer now(batch, i, nothing);
      const Tensor a = b.ln1(x);
      x = (*b.attention)(a, now.shift(a), x, now);
      const Tensor c = b.ln2(x);
      x = b.feed_forward(c, now.shift(c), x);
      now.store();
      if (sizes.halve_every > 0 && static_cast<std::int64_t>(i + 1) % sizes.halve_every == 0) x = ops::scale(x, 0.5f);
    }
    return ln_out(x);
  }
  Tensor head(const Tensor& hidden) override { return head_map(hidden); }
};

// ---- names ----

constexpr const char* block_name = "rwkv.blocks.{}.";

// Vectors, which the files store with various dimensions of one. Hugging Face's name, the first checkpoints', GGUF's.
struct VectorName {
  const char *ours, *torch, *gguf;
};
constexpr VectorName vectors[] = {
    {"attention.time_decay", "att.time_decay", "time_mix_decay"},
    {"attention.time_first", "att.time_first", nullptr},
    {"attention.time_faaaa", "att.time_faaaa", "time_mix_first"},
    {"attention.time_mix_key", "att.time_mix_k", nullptr},
    {"attention.time_mix_value", "att.time_mix_v", nullptr},
    {"attention.time_mix_receptance", "att.time_mix_r", nullptr},
    {"attention.time_mix_gate", "att.time_mix_g", nullptr},
    {"attention.time_maa_x", "att.time_maa_x", "time_mix_lerp_x"},
    {"attention.time_maa_w", "att.time_maa_w", "time_mix_lerp_w"},
    {"attention.time_maa_k", "att.time_maa_k", "time_mix_lerp_k"},
    {"attention.time_maa_v", "att.time_maa_v", "time_mix_lerp_v"},
    {"attention.time_maa_r", "att.time_maa_r", "time_mix_lerp_r"},
    {"attention.time_maa_g", "att.time_maa_g", "time_mix_lerp_g"},
    {"feed_forward.time_mix_key", "ffn.time_mix_k", nullptr},
    {"feed_forward.time_mix_receptance", "ffn.time_mix_r", nullptr},
    {"feed_forward.time_maa_k", "ffn.time_maa_k", "channel_mix_lerp_k"},
    {"feed_forward.time_maa_r", "ffn.time_maa_r", "channel_mix_lerp_r"},
};

const BindStep turned{BindStep::Kind::transpose}, reshaped{BindStep::Kind::reshape};
BindStep second_number() { return {BindStep::Kind::select, 1}; }

Bindings hf_bindings() {
  Bindings b;
  b.own_names = false;
  const std::string block = block_name;
  for (const VectorName& v : vectors) b.rules.push_back({block + v.ours, block + v.ours, {reshaped}});
  for (const char* name : {"attention.time_maa_w1", "attention.time_decay_w1", "attention.time_decay_w2"}) {
    b.rules.push_back({block + name, block + name, {turned}});
  }
  b.rules.push_back({block + "attention.time_maa_w2.{}", block + "attention.time_maa_w2", {second_number(), turned}});
  b.rules.push_back({"rwkv.*", "rwkv.*", {}});
  b.rules.push_back({"lm_head.*", "head.*", {}});
  return b;
}

Bindings torch_bindings() {
  Bindings b;
  b.own_names = false;
  const std::string block = block_name, theirs = "blocks.{}.";
  b.rules.push_back({"rwkv.blocks.0.pre_ln.*", "blocks.0.ln0.*", {}});
  for (const VectorName& v : vectors) b.rules.push_back({block + v.ours, theirs + v.torch, {reshaped}});
  for (const char* name : {"time_maa_w1", "time_decay_w1", "time_decay_w2"}) {
    b.rules.push_back({block + "attention." + name, theirs + "att." + name, {turned}});
  }
  b.rules.push_back({block + "attention.time_maa_w2.{}", theirs + "att.time_maa_w2", {second_number(), turned}});
  b.rules.push_back({block + "attention.*", theirs + "att.*", {}});
  b.rules.push_back({block + "feed_forward.*", theirs + "ffn.*", {}});
  b.rules.push_back({"rwkv.embeddings.*", "emb.*", {}});
  b.rules.push_back({"rwkv.*", "*", {}});
  b.rules.push_back({"lm_head.*", "head.*", {}});
  return b;
}

Bindings gguf_bindings() {
  Bindings b;
  b.own_names = false;
  const std::string block = block_name, theirs = "blk.{}.";
  b.rules = {{"rwkv.embeddings.weight", "token_embd.weight", {}},
             {"rwkv.blocks.0.pre_ln.*", "token_embd_norm.*", {}},
             {"rwkv.ln_out.*", "output_norm.*", {}},
             {"lm_head.*", "output.*", {}},
             {block + "ln1.*", theirs + "attn_norm.*", {}},
             {block + "ln2.*", theirs + "attn_norm_2.*", {}},
             {block + "attention.ln_x.*", theirs + "time_mix_ln.*", {}},
             {block + "attention.time_maa_w1", theirs + "time_mix_w1.weight", {}},
             {block + "attention.time_maa_w2.{}", theirs + "time_mix_w2.weight", {second_number()}},
             {block + "attention.time_decay_w1", theirs + "time_mix_decay_w1.weight", {}},
             {block + "attention.time_decay_w2", theirs + "time_mix_decay_w2.weight", {}}};
  for (const VectorName& v : vectors) {
    if (v.gguf != nullptr) b.rules.push_back({block + v.ours, cat(theirs, v.gguf, ".weight"), {reshaped}});
  }
  // Newer files hold the five blends in one tensor.
  constexpr const char* order[] = {"w", "k", "v", "r", "g"};
  for (int i = 0; i < 5; ++i) {
    const BindStep fifth{BindStep::Kind::part, 0, i, 5};
    b.rules.push_back({cat(block, "attention.time_maa_", order[i]), theirs + "time_mix_lerp_fused.weight", {fifth, reshaped}});
  }
  for (const char* name : {"key", "value", "receptance", "gate", "output"}) {
    b.rules.push_back({cat(block, "attention.", name, ".*"), cat(theirs, "time_mix_", name, ".*"), {}});
  }
  for (const char* name : {"key", "value", "receptance"}) {
    b.rules.push_back({cat(block, "feed_forward.", name, ".*"), cat(theirs, "channel_mix_", name, ".*"), {}});
  }
  return b;
}

Bindings bindings(const Metadata& meta) {
  switch (meta.format) {
    case Metadata::Format::hf: return hf_bindings();
    case Metadata::Format::torch: return torch_bindings();
    case Metadata::Format::gguf: return gguf_bindings();
  }
  return {};
}

// ---- sizes ----

constexpr std::int64_t max_width = std::int64_t{1} << 20;

// Shapes of the file's tensors, by the module's names.
class Shapes {
 public:
  Shapes(const Metadata& meta, const WeightSource& weights) : bindings_(bindings(meta)), weights_(weights) {
    if (!is_backbone(meta)) return;
    for (BindRule& rule : bindings_.rules) {
      if (rule.source.starts_with("rwkv.")) rule.source.erase(0, 5);
    }
  }
  const WeightInfo* find(const std::string& param) const { return find_source(bindings_, weights_, param); }
  // The shape without its dimensions of one. Error when the tensor is absent or has another number of dimensions.
  Shape of(const std::string& param, int rank) const {
    const WeightInfo* info = find(param);
    if (info == nullptr) fail(weights_.origin(), ": there is no tensor for ", param);
    Shape shape;
    for (const std::int64_t n : info->shape.dims()) {
      if (n != 1) shape.push_back(n);
    }
    while (shape.rank() < rank) shape.push_back(1);
    if (shape.rank() != rank) fail(weights_.origin(), ": tensor ", info->name, " has shape ", info->shape.str(), ", expected ", rank, " dimensions");
    return shape;
  }
  std::int64_t numel(const std::string& param) const {
    const WeightInfo* info = find(param);
    return info != nullptr ? info->shape.numel() : 0;
  }

 private:
  Bindings bindings_;
  const WeightSource& weights_;
};

constexpr const char* first_block = "rwkv.blocks.0.";

// Layers by the names of their norms; counted, so that no name can ask for more than the file holds.
std::int64_t count_layers(const Shapes& shapes) {
  std::int64_t n = 0;
  while (shapes.find(cat("rwkv.blocks.", n, ".ln1.weight")) != nullptr) ++n;
  return n;
}

void check_width(const WeightSource& weights, const char* what, std::int64_t n) {
  if (n < 1 || n > max_width) fail(weights.origin(), ": ", what, " ", n, " is outside 1…", max_width);
}

// What configs do not say (or do not agree on) is taken from the tensors.
void read_heads(Sizes& s, const Shapes& shapes, const WeightSource& weights, std::int64_t head_size) {
  const std::string attention = cat(first_block, "attention.");
  s.gate = s.version == 6 || shapes.find(attention + "gate.weight") != nullptr;
  s.bonus_is_log = s.version == 5 && shapes.find(attention + "time_faaaa") == nullptr && shapes.find(attention + "time_first") != nullptr;
  const std::string bonus = attention + (s.bonus_is_log ? "time_first" : "time_faaaa");
  s.head_size = s.decay_width = s.bonus_width = head_size;
  s.heads = s.attention / head_size;
  if (shapes.find(bonus) != nullptr) {
    const Shape stored = shapes.find(bonus)->shape;  // [heads], [heads, n], or either with further dimensions of one
    s.heads = stored.rank() == 1 || stored.rank() == 2 ? stored[0] : shapes.of(bonus, 2)[0];
    if (s.heads < 1 || s.attention % s.heads != 0) fail(weights.origin(), ": ", bonus, " has ", s.heads, " heads, which do not divide a width of ", s.attention);
    s.head_size = s.attention / s.heads;
    s.bonus_width = std::max<std::int64_t>(1, shapes.numel(bonus) / s.heads);
    s.decay_width = s.version == 5 ? std::max<std::int64_t>(1, shapes.numel(attention + "time_decay") / s.heads) : s.head_size;
  } else if (s.attention % head_size != 0) {
    fail(weights.origin(), ": heads of ", head_size, " do not divide a width of ", s.attention);
  }
  if (s.version == 6) {
    const std::int64_t mix = shapes.numel(attention + "time_maa_w1"), decay = shapes.numel(attention + "time_decay_w1");
    s.mix_rank = mix > 0 ? mix / (5 * s.hidden) : s.hidden == 4096 ? 64 : 32;
    s.decay_rank = decay > 0 ? decay / s.hidden : s.hidden == 4096 ? 128 : 64;
    check_width(weights, "rank of the blends", s.mix_rank);
    check_width(weights, "rank of the decay", s.decay_rank);
  }
}

Sizes read_hf(const Metadata& meta, const WeightSource& weights, int version) {
  const ConfigReader reader(meta.values, meta.origin);
  Sizes s;
  s.version = version;
  s.vocab = reader.integer("vocab_size", 1, std::int64_t{1} << 24);
  s.hidden = reader.integer("hidden_size", 1, max_width);
  s.attention = reader.integer_or("attention_hidden_size", s.hidden, 1, max_width);
  s.inner = reader.integer_or("intermediate_size", version == 4 ? 4 * s.hidden : s.hidden * 7 / 2 / 32 * 32, 1, 4 * max_width);
  s.layers = read_layers(reader, "num_hidden_layers", weights);
  s.eps = static_cast<float>(reader.number_or("layer_norm_epsilon", 1e-5));
  if (reader.boolean_or("tie_word_embeddings", false)) reader.bad("tie_word_embeddings", "no RWKV with a tied head is known");
  if (version == 4) return s;
  const double divisor = reader.number_or("head_size_divisor", 8.0);
  s.head_eps = static_cast<float>(1e-5 * divisor * divisor);
  read_heads(s, Shapes(meta, weights), weights, reader.integer_or("head_size", 64, 1, 4096));
  return s;
}

// From the tensors alone.
Sizes read_shapes(const Metadata& meta, const WeightSource& weights, int version) {
  const Shapes shapes(meta, weights);
  Sizes s;
  s.version = version;
  const Shape embedding = shapes.of("rwkv.embeddings.weight", 2);
  s.vocab = embedding[0];
  s.hidden = embedding[1];
  s.layers = count_layers(shapes);
  s.attention = shapes.of(cat(first_block, "attention.key.weight"), 2)[0];
  s.inner = shapes.of(cat(first_block, "feed_forward.key.weight"), 2)[0];
  check_width(weights, "width", s.hidden);
  check_width(weights, "width of the time mix", s.attention);
  if (version > 4) read_heads(s, shapes, weights, 64);
  return s;
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights, int version) {
  if (meta.format == Metadata::Format::hf) return std::make_unique<Rwkv>(read_hf(meta, weights, version));
  Sizes s = read_shapes(meta, weights, version);
  if (meta.format == Metadata::Format::gguf) {
    const ConfigReader reader(meta.values, meta.origin, "rwkv6.");
    s.eps = s.out_eps = static_cast<float>(reader.number_or("attention.layer_norm_epsilon", 1e-5));
    s.halve_every = reader.integer_or("rescale_every_n_layers", 0, 0, 1 << 20);
    if (reader.integer("block_count", 1, 1 << 20) != s.layers) reader.bad("block_count", "differs from the ", s.layers, " layers in the file");
  }
  return std::make_unique<Rwkv>(s);
}

// A bare file says what it is by its tensors.
bool torch_has(const Metadata& meta, std::initializer_list<const char*> present, std::initializer_list<const char*> absent) {
  if (meta.format != Metadata::Format::torch) return false;
  const Json& tensors = meta.values["tensors"];
  if (!tensors.is_object()) return false;
  const auto has = [&](const char* name) { return tensors.find(cat("blocks.0.", name)) != nullptr; };
  return std::all_of(present.begin(), present.end(), has) && std::none_of(absent.begin(), absent.end(), has);
}

bool claims4(const Metadata& meta) {
  return is_hf(meta, "RwkvForCausalLM", "rwkv") || torch_has(meta, {"att.time_decay", "ffn.time_mix_k"}, {"att.ln_x.weight"});
}
bool claims5(const Metadata& meta) {
  return is_hf(meta, "Rwkv5ForCausalLM", "rwkv5") || torch_has(meta, {"att.time_decay", "ffn.time_mix_k", "att.ln_x.weight"}, {});
}
bool claims6(const Metadata& meta) {
  return is_hf(meta, "Rwkv6ForCausalLM", "rwkv6") || is_gguf(meta, "rwkv6") || torch_has(meta, {"att.time_maa_x", "att.time_decay"}, {});
}
std::unique_ptr<Module> build4(const Metadata& meta, const WeightSource& weights) { return build(meta, weights, 4); }
std::unique_ptr<Module> build5(const Metadata& meta, const WeightSource& weights) { return build(meta, weights, 5); }
std::unique_ptr<Module> build6(const Metadata& meta, const WeightSource& weights) { return build(meta, weights, 6); }

Json tiny4() {
  return parse_json(R"({"architectures":["RwkvForCausalLM"],"model_type":"rwkv","vocab_size":59,"hidden_size":40,
    "attention_hidden_size":56,"intermediate_size":72,"num_hidden_layers":2,"layer_norm_epsilon":1e-5})", "tiny config");
}
Json tiny5() {
  return parse_json(R"({"architectures":["Rwkv5ForCausalLM"],"model_type":"rwkv5","vocab_size":53,"hidden_size":40,
    "attention_hidden_size":40,"head_size":20,"intermediate_size":72,"num_hidden_layers":2})", "tiny config");
}
Json tiny6() {
  return parse_json(R"({"architectures":["Rwkv6ForCausalLM"],"model_type":"rwkv6","vocab_size":61,"hidden_size":48,
    "attention_hidden_size":48,"head_size":16,"intermediate_size":72,"num_hidden_layers":2})", "tiny config");
}

constexpr ModelDef records[] = {{"rwkv4", Role::language_model, "recurrent", claims4, build4, bindings, tiny4},
                                {"rwkv5", Role::language_model, "recurrent", claims5, build5, bindings, tiny5},
                                {"rwkv6", Role::language_model, "recurrent", claims6, build6, bindings, tiny6}};

}  // namespace

extern const ModelFile rwkv;
const ModelFile rwkv{records};

}  // namespace tashika
