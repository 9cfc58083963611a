// DeepSeek-V2 (DeepSeek-AI 2024, arXiv 2405.04434) and V3 (arXiv 2412.19437): multi-head latent attention, whose cache
// holds one compressed row a token for all heads, and mixtures of many small experts beside shared ones.
//
// With a sequence state the keys' and values' up-projections are absorbed into queries and outputs (V2, section 2.1.2):
// attention reads the latent rows themselves, in prompts as in decoding, so that the past is never expanded. Without a
// state (training) keys and values are expanded; the two forms agree within f32 rounding.
//
// Where transformers 5 and the published checkpoints' own code differ, this file does what the latter do: V2's
// norm_topk_prob (normalised weights are not scaled), moe_layer_freq, and a mixture without shared experts.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "models/config.h"
#include "models/gguf_facts.h"
#include "models/model_def.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/matmul.h"
#include "ops/norm.h"

namespace tashika {
namespace {

struct LatentConfig {
  std::int64_t q_rank = 0;  // 0: queries are projected in one step
  std::int64_t kv_rank = 0, nope = 0, rope = 0, value = 0;
  bool split = false;  // the file holds the up-projection's two halves apart
  float scale = 0;
  std::int64_t query() const { return nope + rope; }
};

struct MixtureConfig {
  std::int64_t experts = 0, chosen = 0, inner = 0, shared = 0;
  std::int64_t groups = 1, groups_used = 1;  // only experts of the best groups may be chosen
  bool sigmoid = false;                      // V3: scores by sigmoid, groups by their best two
  bool normalise = false;
  float scale = 1;
  std::int64_t first = 0, every = 1;  // layers that hold a mixture
  bool in_layer(std::int64_t i) const { return experts > 0 && i >= first && i % every == 0; }
};

// The compressed norms' epsilon is the code's, not the config's.
constexpr float latent_eps = 1e-6f;

struct LatentAttention : Module {
  Linear q_proj, q_a_proj, q_b_proj, kv_a_proj_with_mqa, kv_b_proj, o_proj;
  RmsNorm q_a_layernorm, kv_a_layernorm;
  Param k_b, v_b;  // halves of kv_b_proj: keys [heads, kv_rank, nope] (transposed), values [heads, value, kv_rank]
  std::int64_t heads;
  LatentConfig config;

  struct Halves {
    Tensor k, v;  // shaped as k_b and v_b
  };
  Halves up;  // whatever the file holds

  LatentAttention(const DecoderConfig& c, const LatentConfig& l)
      : q_proj(c.heads * l.query(), c.hidden),
        q_a_proj(l.q_rank, c.hidden),
        q_b_proj(c.heads * l.query(), l.q_rank),
        kv_a_proj_with_mqa(l.kv_rank + l.rope, c.hidden),
        kv_b_proj(c.heads * (l.nope + l.value), l.kv_rank),
        o_proj(c.hidden, c.heads * l.value),
        q_a_layernorm(l.q_rank, latent_eps),
        kv_a_layernorm(l.kv_rank, latent_eps),
        k_b({c.heads, l.kv_rank, l.nope}),
        v_b({c.heads, l.value, l.kv_rank}),
        heads(c.heads),
        config(l) {}

  void parts(Visitor& v) override {
    if (config.q_rank > 0) {
      v("q_a_proj", q_a_proj);
      v("q_a_layernorm", q_a_layernorm);
      v("q_b_proj", q_b_proj);
    } else {
      v("q_proj", q_proj);
    }
    v("kv_a_proj_with_mqa", kv_a_proj_with_mqa);
    v("kv_a_layernorm", kv_a_layernorm);
    if (config.split) {
      v("k_b_proj.weight", k_b);
      v("v_b_proj.weight", v_b);
    } else {
      v("kv_b_proj", kv_b_proj);
    }
    v("o_proj", o_proj);
  }

  void bound() override { up = config.split ? Halves{k_b.value, v_b.value} : halves(kv_b_proj.weight.value.detach()); }

  Halves halves(const Tensor& weight) const {  // [heads * (nope + value), any]
    const Tensor both = weight.view({heads, config.nope + config.value, weight.size(1)});
    Tensor keys = both.slice(1, 0, config.nope);
    if (keys.dtype().is_block()) keys = ops::cast(keys, f32);
    return {ops::contiguous(keys.transpose(1, 2)), both.slice(1, config.nope, config.nope + config.value)};
  }

  Tensor operator()(const Tensor& x, const Tensor& residual, Batch& batch, std::size_t layer, const Rope& rope) const {
    const std::int64_t rows = x.size(0);
    Tensor q, compressed;
    if (config.q_rank > 0) {
      const Linear* const maps[] = {&q_a_proj, &kv_a_proj_with_mqa};
      std::vector<Tensor> out = apply_together(x, maps);
      q = q_b_proj(q_a_layernorm(out[0]));
      compressed = out[1];
    } else {
      const Linear* const maps[] = {&q_proj, &kv_a_proj_with_mqa};
      std::vector<Tensor> out = apply_together(x, maps);
      q = out[0];
      compressed = out[1];
    }
    q = ops::reshape(q, {rows, heads, config.query()});
    const Tensor latent = kv_a_layernorm(ops::slice(compressed, 1, 0, config.kv_rank));
    const Rope::Table& turn = batch.rope(rope);
    const auto turned = [&](const Tensor& t) { return ops::rope(t, turn.cos, turn.sin, rope.interleaved()); };
    const Tensor q_nope = ops::slice(q, 2, 0, config.nope),
                 q_rope = turned(ops::slice(q, 2, config.nope, config.query()));
    const Tensor k_rope = turned(
        ops::reshape(ops::slice(compressed, 1, config.kv_rank, config.kv_rank + config.rope), {rows, 1, config.rope}));
    const Tensor out = batch.has_states() ? absorbed(q_nope, q_rope, latent, k_rope, batch, layer)
                                          : expanded(q_nope, q_rope, latent, k_rope, batch, layer);
    return o_proj(ops::reshape(out, {rows, heads * config.value}), residual);
  }

  // Scores and sums over the cached rows [latent | rotated key] themselves: one key head whose first kv_rank entries
  // are also its value.
  Tensor absorbed(const Tensor& q_nope, const Tensor& q_rope, const Tensor& latent, const Tensor& k_rope, Batch& batch,
                  std::size_t layer) const {
    // Weights in training change between forwards.
    const bool changing = !config.split && kv_b_proj.weight.value.requires_grad();
    const Halves now = changing ? halves(kv_b_proj.weight.value.detach()) : up;
    const std::int64_t rows = latent.size(0);
    Tensor q = ops::grouped_linear(q_nope, now.k);
    const Adapter* adapter = kv_b_proj.adapter.get();
    const Halves low = adapter ? halves(adapter->b.detach()) : Halves{};
    if (adapter) {
      const Tensor narrow = ops::reshape(ops::grouped_linear(q_nope, low.k), {rows * heads, low.k.size(1)});
      const Tensor wide = ops::linear(narrow, ops::contiguous(adapter->a.detach().transpose(0, 1)));
      q = ops::add(q, ops::scale(ops::reshape(wide, q.shape()), adapter->scale));
    }
    const Tensor k = joined(ops::reshape(latent, {rows, 1, config.kv_rank}), k_rope);
    const Tensor summed = attend(joined(q, q_rope), k, {}, batch, layer, nullptr, attention());
    Tensor out = ops::grouped_linear(summed, now.v);
    if (adapter) {
      const Tensor narrow = ops::linear(ops::reshape(summed, {rows * heads, config.kv_rank}), adapter->a.detach());
      const Tensor part = ops::grouped_linear(ops::reshape(narrow, {rows, heads, low.k.size(1)}), low.v);
      out = ops::add(out, ops::scale(part, adapter->scale));
    }
    return out;
  }

  // Keys and values of every head for every row.
  Tensor expanded(const Tensor& q_nope, const Tensor& q_rope, const Tensor& latent, const Tensor& k_rope, Batch& batch,
                  std::size_t layer) const {
    const std::int64_t rows = latent.size(0);
    Tensor k_nope, v;
    if (config.split) {
      const std::vector<Tensor> copies(static_cast<std::size_t>(heads),
                                       ops::reshape(latent, {rows, 1, config.kv_rank}));
      const Tensor each = ops::concat(copies, 1);
      k_nope = ops::grouped_linear(each, ops::contiguous(ops::transpose(ops::cast(k_b, f32), 1, 2)));
      v = ops::grouped_linear(each, v_b);
    } else {
      const Tensor kv = ops::reshape(kv_b_proj(latent), {rows, heads, config.nope + config.value});
      k_nope = ops::slice(kv, 2, 0, config.nope);
      v = ops::slice(kv, 2, config.nope, config.nope + config.value);
    }
    const std::vector<Tensor> one_key(static_cast<std::size_t>(heads), k_rope);
    return attend(joined(q_nope, q_rope), joined(k_nope, ops::concat(one_key, 1)), v, batch, layer, nullptr,
                  attention());
  }

  AttentionConfig attention() const {
    AttentionConfig c;
    c.scale = config.scale;
    return c;
  }

  static Tensor joined(const Tensor& a, const Tensor& b) {
    const std::array<Tensor, 2> both{a, b};
    return ops::concat(both, 2);
  }

  std::unique_ptr<LayerState> new_state(std::shared_ptr<PagePool> pool, const StateOptions& options) const {
    const KvLayout layout{options.cache_dtype, 1, config.kv_rank + config.rope, config.kv_rank, true};
    return std::make_unique<PagedCache>(std::move(pool), layout, 0, options.margin);
  }
};

struct Router : Module {
  Param weight, e_score_correction_bias;
  MixtureConfig config;
  Router(std::int64_t hidden, const MixtureConfig& m)
      : weight({m.experts, hidden}), e_score_correction_bias({m.experts}), config(m) {}
  void parts(Visitor& v) override {
    v("weight", weight);
    if (config.sigmoid) v("e_score_correction_bias", e_score_correction_bias);
  }

  // Experts of each row and their weights [rows, chosen]. The choice carries no gradient, the weights do.
  ops::TopK operator()(const Tensor& x) const {
    const Tensor logits = ops::linear(x, weight);
    const Tensor scores = config.sigmoid ? ops::sigmoid(logits) : ops::softmax(logits);
    Tensor choice = scores.detach();
    if (config.sigmoid) choice = ops::add(choice, e_score_correction_bias);
    if (config.groups_used < config.groups) choice = limited(choice);
    const Tensor ids = ops::top_k(choice, config.chosen).ids;
    Tensor weights = picked(scores, ids);
    if (config.normalise) weights = ops::div(weights, ops::affine(ops::sum(weights, 1, true), 1.0f, 1e-20f));
    if (config.scale != 1.0f && (config.sigmoid || !config.normalise)) weights = ops::scale(weights, config.scale);
    return {weights, ids};
  }

  // -inf outside the groups_used best groups; a group is as good as its best expert (V2) or its best two together (V3).
  Tensor limited(const Tensor& choice) const {
    const std::int64_t rows = choice.size(0), size = config.experts / config.groups;
    const Tensor grouped = ops::reshape(choice, {rows, config.groups, size});
    const Tensor best = config.sigmoid ? ops::sum(ops::top_k(grouped, std::min<std::int64_t>(2, size)).values, 2)
                                       : ops::max(grouped, 2);
    const Tensor ids = ops::top_k(best, config.groups_used).ids;
    if (choice.is_meta()) return choice;
    std::vector<float> open(static_cast<std::size_t>(rows * config.groups));
    const std::vector<std::int64_t> chosen = ids.to_host_int();
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      open[i / static_cast<std::size_t>(config.groups_used) * static_cast<std::size_t>(config.groups) +
           static_cast<std::size_t>(chosen[i])] = 1;
    }
    Runtime& rt = choice.runtime();
    const Tensor mask =
        ops::cast(Tensor::from_host(rt, {rows, config.groups, 1}, open), boolean).expand(grouped.shape());
    return ops::reshape(ops::where(mask, grouped, Tensor::full(rt, {1, 1, 1}, -std::numeric_limits<float>::infinity())),
                        choice.shape());
  }

  // scores[t, ids[t, j]]
  static Tensor picked(const Tensor& scores, const Tensor& ids) {
    Runtime& rt = scores.runtime();
    if (scores.is_meta()) return Tensor::empty(rt, ids.shape(), f32);
    std::vector<std::int32_t> flat;
    const std::vector<std::int64_t> columns = ids.to_host_int();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      flat.push_back(
          static_cast<std::int32_t>(static_cast<std::int64_t>(i) / ids.size(1) * scores.size(1) + columns[i]));
    }
    const Tensor at = Tensor::from_host(rt, {static_cast<std::int64_t>(flat.size())}, flat);
    return ops::reshape(ops::gather_rows(ops::reshape(scores, {scores.numel(), 1}), at), ids.shape());
  }
};

struct Mixture final : FeedForward {
  Router gate;
  std::vector<GatedMlp> experts;
  std::unique_ptr<GatedMlp> shared_experts;
  Unary act;

  Mixture(const DecoderConfig& c, const MixtureConfig& m) : gate(c.hidden, m), act(c.act) {
    for (std::int64_t e = 0; e < m.experts; ++e) experts.emplace_back(c.hidden, m.inner, c.act);
    if (m.shared > 0) shared_experts = std::make_unique<GatedMlp>(c.hidden, m.inner * m.shared, c.act);
  }
  void parts(Visitor& v) override {
    v("gate", gate);
    v("experts", experts);
    v("shared_experts", shared_experts);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual) const override {
    const ops::TopK top = gate(x);
    std::vector<ops::Expert> all;
    all.reserve(experts.size());
    for (const GatedMlp& e : experts) all.push_back({e.gate_proj.weight, e.up_proj.weight, e.down_proj.weight});
    const Tensor routed = ops::experts(x, top.ids, top.values, all, act);
    return ops::add(routed, shared_experts ? (*shared_experts)(x, residual) : residual);
  }
};

struct LatentBlock final : DecoderBlock {
  RmsNorm input_layernorm, post_attention_layernorm;
  LatentAttention self_attn;
  std::unique_ptr<FeedForward> mlp;

  LatentBlock(const DecoderConfig& c, const LatentConfig& l, std::unique_ptr<FeedForward> part)
      : input_layernorm(c.hidden, c.norm_eps),
        post_attention_layernorm(c.hidden, c.norm_eps),
        self_attn(c, l),
        mlp(std::move(part)) {}
  void parts(Visitor& v) override {
    v("input_layernorm", input_layernorm);
    v("self_attn", self_attn);
    v("post_attention_layernorm", post_attention_layernorm);
    v("mlp", mlp);
  }
  Tensor operator()(const Tensor& x, Batch& batch, std::size_t layer, const Rope& rope) const override {
    const Tensor attended = self_attn(input_layernorm(x), x, batch, layer, rope);
    return (*mlp)(post_attention_layernorm(attended), attended);
  }
  std::unique_ptr<LayerState> new_state(std::shared_ptr<PagePool> pool, const StateOptions& options) const override {
    return self_attn.new_state(std::move(pool), options);
  }
};

constexpr std::int64_t most = 1 << 20;

bool is_v3_gguf(const Metadata& meta) {
  const Json& scoring = meta.values["deepseek2.expert_gating_func"];  // 1 softmax, 2 sigmoid
  return is_gguf(meta, "deepseek2") && scoring.is_integer() && scoring.as_integer() == 2;
}
bool claims_2(const Metadata& meta) {
  return is_hf(meta, "DeepseekV2ForCausalLM", "deepseek_v2") || is_hf(meta, "DeepseekV2Model", "deepseek_v2") ||
         (is_gguf(meta, "deepseek2") && !is_v3_gguf(meta));
}
bool claims_3(const Metadata& meta) {
  return is_hf(meta, "DeepseekV3ForCausalLM", "deepseek_v3") || is_hf(meta, "DeepseekV3Model", "deepseek_v3") ||
         is_v3_gguf(meta);
}

// 1 / sqrt(width), times the square of YaRN's magnitude over all dimensions.
float softmax_scale(const LatentConfig& l, const RopeScaling& s) {
  double scale = 1.0 / std::sqrt(static_cast<double>(l.query()));
  if (s.kind == RopeScaling::Kind::yarn && s.mscale_all_dim != 0 && s.factor > 1) {
    const double magnitude = 0.1 * s.mscale_all_dim * std::log(s.factor) + 1.0;
    scale *= magnitude * magnitude;
  }
  return static_cast<float>(scale);
}

// Every expert of every layer is a tensor of its own or a part of a stack: no more can be meant than there are.
void check_mixture(const ConfigReader& reader, const MixtureConfig& m, const DecoderConfig& c,
                   const WeightSource& weights) {
  std::int64_t parts = 0, mixtures = 0;
  for (const WeightInfo& info : weights.list())
    parts += info.shape.rank() == 3 ? std::min<std::int64_t>(info.shape[0], 1 << 16) : 1;
  for (std::int64_t i = 0; i < c.layers; ++i) mixtures += m.in_layer(i) ? 1 : 0;
  if (mixtures > 0 && m.experts > parts / mixtures)
    reader.bad("experts", m.experts, " in each of ", mixtures, " layers, but ", weights.origin(), " has tensors for ",
               parts, " at most");
  if (m.experts % m.groups != 0) reader.bad("groups", m.groups, " do not divide ", m.experts, " experts");
  if (m.chosen > m.experts / m.groups * m.groups_used)
    reader.bad("experts", m.chosen, " of each token, more than ", m.groups_used, " groups hold");
}

std::unique_ptr<Module> latent_decoder(const DecoderConfig& c, const LatentConfig& l, const MixtureConfig& m) {
  return std::make_unique<Decoder>(c, [&](std::int64_t i) {
    std::unique_ptr<FeedForward> part;
    if (m.in_layer(i))
      part = std::make_unique<Mixture>(c, m);
    else
      part = std::make_unique<DenseFeedForward>(c);
    return std::make_unique<LatentBlock>(c, l, std::move(part));
  });
}

std::unique_ptr<Module> build_gguf(const Metadata& meta, const WeightSource& weights, bool third) {
  const ConfigReader reader(meta.values, meta.origin, "deepseek2.");
  DecoderConfig c = read_gguf_decoder(reader, weights, true);
  LatentConfig l;
  l.split = weights.find("blk.0.attn_kv_b.weight") == nullptr;
  l.q_rank = weights.find("blk.0.attn_q_a.weight") ? reader.integer("attention.q_lora_rank", 1, most) : 0;
  l.kv_rank = reader.integer("attention.kv_lora_rank", 1, most);
  l.rope = c.rope_dim = reader.integer("rope.dimension_count", 2, 1 << 16);
  // Where the `_mla` keys stand, the plain ones give the latent row's width.
  const bool latent_lengths = reader.has("attention.key_length_mla");
  l.nope = reader.integer(latent_lengths ? "attention.key_length_mla" : "attention.key_length", l.rope + 1, 1 << 16) -
           l.rope;
  l.value = reader.integer(latent_lengths ? "attention.value_length_mla" : "attention.value_length", 1, 1 << 16);
  c.rope_interleaved = true;
  // The converter writes a tenth of mscale_all_dim, and published configs have mscale equal to it.
  c.rope_scaling.mscale = c.rope_scaling.mscale_all_dim =
      reader.number_or("rope.scaling.yarn_log_multiplier", 0.0) / 0.1;
  l.scale = softmax_scale(l, c.rope_scaling);
  MixtureConfig m;
  m.sigmoid = third;
  m.experts = reader.integer_or("expert_count", 0, 0, 1 << 16);
  if (m.experts > 0) {
    m.chosen = reader.integer("expert_used_count", 1, m.experts);
    m.inner = reader.integer("expert_feed_forward_length", 1, most);
    m.shared = reader.integer_or("expert_shared_count", 0, 0, 1 << 10);
    m.first = reader.integer_or("leading_dense_block_count", 0, 0, most);
    m.groups = reader.integer_or("expert_group_count", 1, 1, m.experts);
    m.groups_used = reader.integer_or("expert_group_used_count", m.groups, 1, m.groups);
    m.scale = static_cast<float>(reader.number_or("expert_weights_scale", 1.0));
    m.normalise = reader.boolean_or("expert_weights_norm", false) && (third || m.chosen > 1);
    check_mixture(reader, m, c, weights);
  }
  return latent_decoder(c, l, m);
}

struct Config {
  DecoderConfig decoder;
  LatentConfig latent;
  MixtureConfig mixture;
};

Config read_hf(const Metadata& meta, const WeightSource& weights, bool third) {
  const ConfigReader reader(meta.values, meta.origin);
  Config config{read_hf_decoder(reader, weights, 0), {}, {}};
  DecoderConfig& c = config.decoder;
  LatentConfig& l = config.latent;
  // Absent is the reference's default; null is none.
  l.q_rank = meta.values.contains("q_lora_rank") ? reader.integer_or("q_lora_rank", 0, 1, most) : 1536;
  l.kv_rank = reader.integer_or("kv_lora_rank", 512, 1, most);
  l.nope = reader.integer_or("qk_nope_head_dim", 128, 1, 1 << 16);
  l.rope = c.rope_dim = reader.integer_or("qk_rope_head_dim", 64, 2, 1 << 16);
  l.value = reader.integer_or("v_head_dim", 128, 1, 1 << 16);
  c.rope_interleaved = reader.boolean_or("rope_interleave", true);
  l.scale = softmax_scale(l, c.rope_scaling);
  MixtureConfig& m = config.mixture;
  m.sigmoid = third;
  const bool experts_named = meta.values.contains("n_routed_experts");
  m.experts = reader.integer_or("n_routed_experts", experts_named ? 0 : third ? 256 : 64, 1, 1 << 16);
  if (m.experts > 0) {
    const bool shared_named = meta.values.contains("n_shared_experts");
    m.shared = reader.integer_or("n_shared_experts", shared_named ? 0 : third ? 1 : 2, 0, 1 << 10);
    m.inner = reader.integer_or("moe_intermediate_size", third ? 2048 : 1407, 1, most);
    m.chosen = third ? reader.integer_or("num_experts_per_tok", 8, 1, m.experts)
                     : reader.integer("num_experts_per_tok", 1, m.experts);
    m.first = reader.integer_or("first_k_dense_replace", third ? 3 : 0, 0, most);
    m.every = reader.integer_or("moe_layer_freq", 1, 1, most);
    m.scale = static_cast<float>(reader.number_or("routed_scaling_factor", third ? 2.5 : 1.0));
    m.normalise = reader.boolean_or("norm_topk_prob", third) && (third || m.chosen > 1);
    const std::string method = reader.string_or("topk_method", third ? "noaux_tc" : "greedy");
    if (method != (third ? "noaux_tc" : "greedy") && (third || method != "group_limited_greedy"))
      reader.bad("topk_method", "\"", method, "\" is not this architecture's");
    if (const std::string scoring = reader.string_or("scoring_func", third ? "sigmoid" : "softmax");
        scoring != (third ? "sigmoid" : "softmax")) {
      reader.bad("scoring_func", "\"", scoring, "\" is not this architecture's");
    }
    if (method != "greedy") {
      m.groups = third ? reader.integer_or("n_group", 8, 1, m.experts) : reader.integer("n_group", 1, m.experts);
      m.groups_used =
          third ? reader.integer_or("topk_group", 4, 1, m.groups) : reader.integer("topk_group", 1, m.groups);
    }
    check_mixture(reader, m, c, weights);
  }
  return config;
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights, bool third) {
  if (meta.format == Metadata::Format::gguf) return build_gguf(meta, weights, third);
  const Config config = read_hf(meta, weights, third);
  return latent_decoder(config.decoder, config.latent, config.mixture);
}
std::unique_ptr<Module> build_2(const Metadata& meta, const WeightSource& weights) {
  return build(meta, weights, false);
}
std::unique_ptr<Module> build_3(const Metadata& meta, const WeightSource& weights) {
  return build(meta, weights, true);
}

Bindings bindings(const Metadata& meta) {
  using Step = BindStep;
  const Step expert{Step::Kind::select, 1};
  const std::string layer = "model.layers.{}.", mlp = layer + "mlp.";
  Bindings b;
  if (meta.format == Metadata::Format::hf) {
    b.rules = {
        {mlp + "experts.{}.gate_proj.weight", mlp + "experts.gate_up_proj", {expert, {Step::Kind::part, 0, 0, 2}}},
        {mlp + "experts.{}.up_proj.weight", mlp + "experts.gate_up_proj", {expert, {Step::Kind::part, 0, 1, 2}}},
        {mlp + "experts.{}.down_proj.weight", mlp + "experts.down_proj", {expert}},
        {"model.*", "*", {}}};
    b.leftovers = {layer + "self_attn.rotary_emb.inv_freq", "lm_head.weight"};
    // Heads that predict further tokens are stored as layers past the last.
    if (const Json& layers = meta.values["num_hidden_layers"]; layers.is_integer()) {
      const Json& further = meta.values["num_nextn_predict_layers"];
      const std::int64_t count = further.is_integer() ? std::clamp<std::int64_t>(further.as_integer(), 0, 64) : 1;
      for (std::int64_t i = 0; i < count; ++i)
        b.leftovers.push_back(cat("model.layers.", layers.as_integer() + i, ".*"));
    }
    return b;
  }
  b.own_names = false;
  const std::string attn = layer + "self_attn.";
  b.rules = {
      {"model.embed_tokens.weight", "token_embd.weight", {}},
      {"model.norm.weight", "output_norm.weight", {}},
      {"lm_head.*", "output.*", {}},
      {layer + "input_layernorm.weight", "blk.{}.attn_norm.weight", {}},
      {layer + "post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", {}},
      {attn + "q_proj.*", "blk.{}.attn_q.*", {}},
      {attn + "q_a_proj.*", "blk.{}.attn_q_a.*", {}},
      {attn + "q_a_layernorm.weight", "blk.{}.attn_q_a_norm.weight", {}},
      {attn + "q_b_proj.*", "blk.{}.attn_q_b.*", {}},
      {attn + "kv_a_proj_with_mqa.*", "blk.{}.attn_kv_a_mqa.*", {}},
      {attn + "kv_a_layernorm.weight", "blk.{}.attn_kv_a_norm.weight", {}},
      {attn + "kv_b_proj.*", "blk.{}.attn_kv_b.*", {}},
      {attn + "k_b_proj.weight", "blk.{}.attn_k_b.weight", {}},
      {attn + "v_b_proj.weight", "blk.{}.attn_v_b.weight", {}},
      {attn + "o_proj.*", "blk.{}.attn_output.*", {}},
      {mlp + "gate_proj.*", "blk.{}.ffn_gate.*", {}},
      {mlp + "up_proj.*", "blk.{}.ffn_up.*", {}},
      {mlp + "down_proj.*", "blk.{}.ffn_down.*", {}},
      {mlp + "gate.weight", "blk.{}.ffn_gate_inp.weight", {}},
      {mlp + "gate.e_score_correction_bias", "blk.{}.exp_probs_b.bias", {}},
      {mlp + "experts.{}.gate_proj.weight", "blk.{}.ffn_gate_exps.weight", {expert}},
      {mlp + "experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.weight", {expert}},
      {mlp + "experts.{}.gate_proj.weight", "blk.{}.ffn_gate_up_exps.weight", {expert, {Step::Kind::part, 0, 0, 2}}},
      {mlp + "experts.{}.up_proj.weight", "blk.{}.ffn_gate_up_exps.weight", {expert, {Step::Kind::part, 0, 1, 2}}},
      {mlp + "experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.weight", {expert}},
      {mlp + "shared_experts.gate_proj.*", "blk.{}.ffn_gate_shexp.*", {}},
      {mlp + "shared_experts.up_proj.*", "blk.{}.ffn_up_shexp.*", {}},
      {mlp + "shared_experts.down_proj.*", "blk.{}.ffn_down_shexp.*", {}}};
  return b;
}

GgufFacts gguf(const Metadata& meta, const WeightSource& weights, bool third) {
  Config config = read_hf(meta, weights, third);
  DecoderConfig& c = config.decoder;
  const LatentConfig& l = config.latent;
  const MixtureConfig& m = config.mixture;
  if (!c.rope_interleaved) fail(meta.origin, ": rope_interleave: GGUF's form of this family knows pairs of neighbours only");
  if (m.experts > 0 && m.every != 1) fail(meta.origin, ": moe_layer_freq: GGUF's form of this family knows 1 only");
  RopeScaling& s = c.rope_scaling;
  const double mscale = s.mscale_all_dim;
  if (s.kind == RopeScaling::Kind::yarn && (s.mscale != mscale || s.attention_factor > 0)) {
    fail(meta.origin, ": rope_scaling: mscale: GGUF's form of this family takes it to be mscale_all_dim");
  }
  s.mscale = s.mscale_all_dim = 0;  // said below
  c.kv_heads = 1;
  GgufFacts facts = gguf_decoder_facts("deepseek2", c);
  if (mscale != 0) facts.set("rope.scaling.yarn_log_multiplier", 0.1 * mscale);
  facts.set("leading_dense_block_count", m.experts > 0 ? m.first : c.layers);
  if (l.q_rank > 0) facts.set("attention.q_lora_rank", l.q_rank);
  facts.set("attention.kv_lora_rank", l.kv_rank);
  facts.set("attention.key_length", l.kv_rank + l.rope);
  facts.set("attention.value_length", l.kv_rank);
  facts.set("attention.key_length_mla", l.query());
  facts.set("attention.value_length_mla", l.value);
  facts.set("expert_feed_forward_length", m.experts > 0 ? m.inner : c.inner);
  facts.set("expert_shared_count", m.shared);
  if (m.experts > 0) {
    facts.set("expert_count", m.experts);
    facts.set("expert_used_count", m.chosen);
    facts.set("expert_group_count", m.groups);
    facts.set("expert_group_used_count", m.groups_used);
    facts.set("expert_gating_func", std::int64_t{m.sigmoid ? 2 : 1});
    facts.set("expert_weights_scale", double{m.scale});
    if (m.normalise) facts.set("expert_weights_norm", true);
  }
  if (!m.sigmoid && m.groups > 1) facts.losses.push_back("the choice of experts by groups");
  const std::string up = "model.layers.{}.self_attn.kv_b_proj.weight";
  facts.head_parts = {{up, "blk.{}.attn_k_b.weight", c.heads, 0, l.nope, true}, {up, "blk.{}.attn_v_b.weight", c.heads, l.nope, l.nope + l.value, false}};
  return facts;
}
GgufFacts gguf_2(const Metadata& meta, const WeightSource& weights) { return gguf(meta, weights, false); }
GgufFacts gguf_3(const Metadata& meta, const WeightSource& weights) { return gguf(meta, weights, true); }

Json tiny_2() {
  return parse_json(
      R"({"architectures":["DeepseekV2ForCausalLM"],"model_type":"deepseek_v2","vocab_size":73,"hidden_size":40,
    "intermediate_size":56,"num_hidden_layers":3,"num_attention_heads":5,"q_lora_rank":null,"kv_lora_rank":22,
    "qk_nope_head_dim":12,"qk_rope_head_dim":6,"v_head_dim":10,"max_position_embeddings":512,"rms_norm_eps":1e-6,
    "hidden_act":"silu","first_k_dense_replace":1,"n_routed_experts":6,"n_shared_experts":2,"num_experts_per_tok":2,
    "moe_intermediate_size":20,"topk_method":"group_limited_greedy","n_group":3,"topk_group":1,"routed_scaling_factor":1.5,
    "norm_topk_prob":false,"rope_theta":10000.0,"rope_scaling":{"type":"yarn","factor":8.0,"mscale":0.7,"mscale_all_dim":0.7,
    "original_max_position_embeddings":64},"tie_word_embeddings":false})",
      "tiny config");
}
Json tiny_3() {
  return parse_json(
      R"({"architectures":["DeepseekV3ForCausalLM"],"model_type":"deepseek_v3","vocab_size":69,"hidden_size":48,
    "intermediate_size":52,"num_hidden_layers":3,"num_attention_heads":4,"q_lora_rank":18,"kv_lora_rank":26,
    "qk_nope_head_dim":10,"qk_rope_head_dim":8,"v_head_dim":14,"max_position_embeddings":512,"rms_norm_eps":1e-6,
    "hidden_act":"silu","first_k_dense_replace":1,"n_routed_experts":8,"n_shared_experts":1,"num_experts_per_tok":3,
    "moe_intermediate_size":18,"topk_method":"noaux_tc","scoring_func":"sigmoid","n_group":4,"topk_group":2,
    "routed_scaling_factor":2.5,"norm_topk_prob":true,"rope_theta":10000.0,"rope_scaling":null,
    "tie_word_embeddings":false})",
      "tiny config");
}

constexpr ModelDef records[] = {{"deepseek2", Role::language_model, "latent KV", claims_2, build_2, bindings, tiny_2, gguf_2},
                                {"deepseek3", Role::language_model, "latent KV", claims_3, build_3, bindings, tiny_3, gguf_3}};

}  // namespace

extern const ModelFile deepseek;
const ModelFile deepseek{records};

}  // namespace tashika
