// Mixtral (Jiang et al. 2024): the Mistral decoder whose feed-forward part is a mixture; a router picks
// the top k of the experts, and the softmax over the chosen scores weighs them.
#include <algorithm>

#include "models/config.h"
#include "models/gguf_facts.h"
#include "models/model_def.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/norm.h"

namespace tashika {
namespace {

struct MixtureConfig {
  std::int64_t experts = 0, chosen = 0;
};

struct ExpertMlp : Module {
  Linear w1, w2, w3;  // gate, down, up
  ExpertMlp(std::int64_t hidden, std::int64_t inner) : w1(inner, hidden), w2(hidden, inner), w3(inner, hidden) {}
  void parts(Visitor& v) override {
    v("w1.weight", w1.weight);
    v("w2.weight", w2.weight);
    v("w3.weight", w3.weight);
  }
};

struct Mixture final : FeedForward {
  Linear gate;
  std::vector<ExpertMlp> experts;
  std::int64_t chosen;
  Unary act;

  Mixture(const DecoderConfig& c, const MixtureConfig& m) : gate(m.experts, c.hidden), chosen(m.chosen), act(c.act) {
    for (std::int64_t e = 0; e < m.experts; ++e) experts.emplace_back(c.hidden, c.inner);
  }
  void parts(Visitor& v) override {
    v("gate.weight", gate.weight);
    v("experts", experts);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual) const override { return mix(x, gate(x), residual); }
  Tensor operator()(const Tensor& x, const Tensor& residual, Batch& batch) const override {
    const Tensor scores = gate(x);
    if (batch.router_scores) batch.router_scores->push_back(scores);
    return mix(x, scores, residual);
  }
  Tensor mix(const Tensor& x, const Tensor& scores, const Tensor& residual) const {
    // Softmax over all, top k, renormalised: the same as softmax over the chosen scores.
    const ops::TopK top = ops::top_k(scores, chosen);
    std::vector<ops::Expert> all;
    all.reserve(experts.size());
    for (const ExpertMlp& e : experts) all.push_back({e.w1.weight, e.w3.weight, e.w2.weight});
    return ops::add(ops::experts(x, top.ids, ops::softmax(top.values), all, act), residual);
  }
};

std::unique_ptr<Module> mixture_decoder(const DecoderConfig& c, const MixtureConfig& m) {
  return std::make_unique<Decoder>(
      c, [&](std::int64_t i) { return std::make_unique<PreNormBlock>(c, i, "block_sparse_moe", std::make_unique<Mixture>(c, m)); });
}

bool claims(const Metadata& meta) {
  if (is_gguf(meta, "llama")) {
    const Json& experts = meta.values["llama.expert_count"];
    return experts.is_integer() && experts.as_integer() > 0;
  }
  return is_hf(meta, "MixtralForCausalLM", "mixtral") || is_hf(meta, "MixtralModel", "mixtral");
}

// Every expert of every layer is a tensor of its own or a part of a stack: no more can be meant than there are.
void check_experts(const ConfigReader& reader, std::string_view key, std::int64_t experts, std::int64_t layers, const WeightSource& weights) {
  std::int64_t parts = 0;
  for (const WeightInfo& info : weights.list()) parts += info.shape.rank() == 3 ? std::min<std::int64_t>(info.shape[0], 1 << 16) : 1;
  if (experts > parts / layers) reader.bad(key, experts, " experts in each of ", layers, " layers, but ", weights.origin(), " has tensors for ", parts, " at most");
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) {
  constexpr std::int64_t most = 1 << 16;
  MixtureConfig m;
  if (meta.format == Metadata::Format::gguf) {
    const ConfigReader reader(meta.values, meta.origin, "llama.");
    DecoderConfig c = read_gguf_decoder(reader, weights);
    c.rope_interleaved = true;
    read_gguf_window(reader, c);
    c.inner = reader.integer_or("expert_feed_forward_length", c.inner, 1, 1 << 20);
    m.experts = reader.integer("expert_count", 1, most);
    m.chosen = reader.integer("expert_used_count", 1, m.experts);
    check_experts(reader, "expert_count", m.experts, c.layers, weights);
    return mixture_decoder(c, m);
  }
  const ConfigReader reader(meta.values, meta.origin);
  DecoderConfig c = read_hf_decoder(reader, weights, 8);
  if (!reader.has("rope_theta") && !reader.has("rope_parameters")) c.rope_theta = 1e6;
  if (const std::int64_t window = reader.integer_or("sliding_window", 0, 1, std::int64_t{1} << 40); window > 0) {
    c.windows.assign(static_cast<std::size_t>(c.layers), window);
  }
  m.experts = reader.integer_or("num_local_experts", 8, 1, most);
  m.chosen = reader.integer_or("num_experts_per_tok", 2, 1, m.experts);
  check_experts(reader, "num_local_experts", m.experts, c.layers, weights);
  return mixture_decoder(c, m);
}

Bindings bindings(const Metadata& meta) {
  using Step = BindStep;
  const Step expert{Step::Kind::select, 1};
  const std::string moe = "model.layers.{}.block_sparse_moe.";
  Bindings b;
  if (meta.format == Metadata::Format::hf) {
    const std::string fused = "model.layers.{}.mlp.";  // experts stacked, gate and up in one tensor
    b.rules = {{moe + "gate.weight", fused + "gate.weight", {}},
               {moe + "experts.{}.w1.weight", fused + "experts.gate_up_proj", {expert, {Step::Kind::part, 0, 0, 2}}},
               {moe + "experts.{}.w3.weight", fused + "experts.gate_up_proj", {expert, {Step::Kind::part, 0, 1, 2}}},
               {moe + "experts.{}.w2.weight", fused + "experts.down_proj", {expert}},
               {"model.*", "*", {}}};
    b.leftovers = {"model.layers.{}.self_attn.rotary_emb.inv_freq", "lm_head.weight"};
    return b;
  }
  b.own_names = false;
  b.rules = {{"model.embed_tokens.weight", "token_embd.weight", {}},
             {"model.norm.weight", "output_norm.weight", {}},
             {"lm_head.*", "output.*", {}},
             {"rope_freqs", "rope_freqs.weight", {}},
             {"model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", {}},
             {"model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", {}},
             {"model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*", {}},
             {"model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*", {}},
             {"model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*", {}},
             {"model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*", {}},
             {moe + "gate.weight", "blk.{}.ffn_gate_inp.weight", {}},
             {moe + "experts.{}.w1.weight", "blk.{}.ffn_gate_exps.weight", {expert}},
             {moe + "experts.{}.w3.weight", "blk.{}.ffn_up_exps.weight", {expert}},
             {moe + "experts.{}.w2.weight", "blk.{}.ffn_down_exps.weight", {expert}},
             // Files older than the stacked form have a tensor for every expert.
             {moe + "experts.{}.w1.weight", "blk.{}.ffn_gate.{}.weight", {}},
             {moe + "experts.{}.w3.weight", "blk.{}.ffn_up.{}.weight", {}},
             {moe + "experts.{}.w2.weight", "blk.{}.ffn_down.{}.weight", {}}};
  b.leftovers = {"blk.{}.attn_rot_embd"};
  return b;
}

GgufFacts gguf(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build(meta, weights);
  const DecoderConfig& c = decoder_config(*built);
  GgufFacts facts = gguf_decoder_facts("llama", c);
  const ConfigReader reader(meta.values, meta.origin);
  facts.set("expert_count", reader.integer_or("num_local_experts", 8, 1, 1 << 16));
  facts.set("expert_used_count", reader.integer_or("num_experts_per_tok", 2, 1, 1 << 16));
  pair_rows(facts, c);
  return facts;
}

Json tiny() {
  return parse_json(R"({"architectures":["MixtralForCausalLM"],"model_type":"mixtral","vocab_size":79,"hidden_size":32,
    "intermediate_size":48,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":10,
    "max_position_embeddings":512,"rms_norm_eps":1e-5,"hidden_act":"silu","num_local_experts":5,
    "num_experts_per_tok":2,"sliding_window":null,"rope_theta":1000000.0,"tie_word_embeddings":false})", "tiny config");
}

constexpr ModelDef records[] = {{"mixtral", Role::language_model, "paged KV", claims, build, bindings, tiny, gguf}};

}  // namespace

extern const ModelFile mixtral;
const ModelFile mixtral{records};

}  // namespace tashika
