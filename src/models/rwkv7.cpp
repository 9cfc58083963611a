// RWKV-7 "Goose" (Peng et al. 2025), and ARWKV (Yang et al. 2025): its time mix between the other parts of a Qwen-2.
//
// Every head's state moves by a generalised delta rule: S = diag(w) S + b (aᵀ S) + k vᵀ with a = -κ̂ and b = κ̂ ∘ rate,
// where the decay w, the rate, the gate and the share of the first layer's values are low-rank functions of the token.
//
// Names are those of flash-linear-attention's folders. The authors' (.pth) and GGUF's are bound to them; such files
// hold no config, and sizes are read off their tensors.
#include <algorithm>

#include "models/config.h"
#include "models/model_def.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/recurrent.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/wkv.h"

namespace tashika {
namespace {

struct Sizes {
  std::int64_t vocab = 0, hidden = 0, inner = 0, layers = 0, heads = 0, head_size = 0;
  std::int64_t decay_rank = 0, rate_rank = 0, value_rank = 0, gate_rank = 0;  // gate_rank 0: no gate
  bool first_norm = true, head_norm = true;
  bool hybrid = false;  // ARWKV: RMS norms, a gated MLP that does not look back
  float eps = 1e-5f, head_eps = 64e-5f;
};

// up(act(down x)) (+ bias)
struct LowRank : Module {
  Param down, up, bias;
  Unary act;
  bool acts, biased;
  LowRank(std::int64_t width, std::int64_t rank, bool has_bias, bool has_act = false, Unary activation = Unary::tanh)
      : down({rank, width}), up({width, rank}), bias({width}), act(activation), acts(has_act), biased(has_bias) {}
  void parts(Visitor& v) override {
    v("lora.0.weight", down);
    v("lora.2.weight", up);
    if (biased) v("lora.2.bias", bias);
  }
  Tensor operator()(const Tensor& x) const {
    const Tensor low = ops::linear(x, down);
    return ops::linear(acts ? ops::unary(act, low) : low, up, biased ? bias.value : Tensor{});
  }
};

struct TimeMix : Module {
  Param x_r, x_w, x_k, x_v, x_a, x_g, k_k, k_a, r_k;
  Linear r_proj, k_proj, v_proj, o_proj;
  LowRank w_lora, a_lora;
  std::unique_ptr<LowRank> v_lora, g_lora;  // the first layer has no v_lora
  LayerNorm g_norm;
  std::int64_t heads, head_size;
  bool head_norm;

  TimeMix(const Sizes& s, std::int64_t layer)
      : x_r({s.hidden}), x_w({s.hidden}), x_k({s.hidden}), x_v({s.hidden}), x_a({s.hidden}), x_g({s.hidden}),
        k_k({s.hidden}), k_a({s.hidden}), r_k({s.heads, s.head_size}),
        r_proj(s.hidden, s.hidden), k_proj(s.hidden, s.hidden), v_proj(s.hidden, s.hidden), o_proj(s.hidden, s.hidden),
        w_lora(s.hidden, s.decay_rank, true, true, Unary::tanh),
        a_lora(s.hidden, s.rate_rank, true),
        g_norm(s.hidden, s.head_eps), heads(s.heads), head_size(s.head_size), head_norm(s.head_norm) {
    if (layer > 0) v_lora = std::make_unique<LowRank>(s.hidden, s.value_rank, true);
    if (s.gate_rank > 0) g_lora = std::make_unique<LowRank>(s.hidden, s.gate_rank, false, true, Unary::sigmoid);
  }
  void parts(Visitor& v) override {
    v("x_r", x_r);
    v("x_w", x_w);
    v("x_k", x_k);
    v("x_v", x_v);
    v("x_a", x_a);
    if (g_lora) v("x_g", x_g);
    v("k_k", k_k);
    v("k_a", k_a);
    v("r_k", r_k);
    v("r_proj", r_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("o_proj", o_proj);
    v("w_lora", w_lora);
    v("v_lora", v_lora);
    v("a_lora", a_lora);
    v("g_lora", g_lora);
    if (head_norm) v("g_norm", g_norm);
  }

  // x: normed rows; before: each one's predecessor. `first_values`: made by the first layer, read by the others.
  Tensor operator()(const Tensor& x, const Tensor& before, const Tensor& residual, Tensor& first_values, RecurrentLayer& now) const {
    const std::int64_t rows = x.size(0);
    const Tensor diff = ops::sub(before, x);
    const auto blend = [&](const Tensor& mix) { return ops::add(x, ops::mul(diff, mix)); };
    const auto by_head = [&](const Tensor& t) { return ops::reshape(t, {rows, heads, head_size}); };

    const Tensor r = by_head(r_proj(blend(x_r)));
    const Tensor w = ops::exp(ops::affine(ops::sigmoid(w_lora(blend(x_w))), -0.60653065971263342f, 0.0f));  // e^(-1/2)
    const Tensor k = k_proj(blend(x_k));
    const Tensor xv = blend(x_v);
    Tensor v = v_proj(xv);
    if (v_lora) v = ops::add(v, ops::mul(ops::sub(first_values, v), ops::sigmoid((*v_lora)(xv))));
    else first_values = v;
    const Tensor rate = ops::sigmoid(a_lora(blend(x_a)));

    const Tensor direction = by_head(ops::mul(k, k_k));
    const Tensor length = ops::unary(Unary::sqrt, ops::sum(ops::unary(Unary::square, direction), -1, true));
    const Tensor unit = ops::div(direction, ops::binary(Binary::maximum, length, Tensor::full(x.runtime(), {1, 1, 1}, 1e-12f)));
    const Tensor key = by_head(ops::mul(k, ops::affine(ops::mul(ops::affine(rate, 1.0f, -1.0f), k_a), 1.0f, 1.0f)));

    const Tensor steps[] = {by_head(w), key, by_head(v), ops::unary(Unary::neg, unit), ops::mul(unit, by_head(rate))};
    const ops::Recurrence out = ops::wkv7(r, steps[0], steps[1], steps[2], steps[3], steps[4], now.states(), now.segments());
    now.finish(out.states, steps);

    Tensor y = ops::reshape(out.y, {rows, heads * head_size});
    if (head_norm) y = ops::group_norm(y, heads, g_norm.weight, g_norm.bias, g_norm.eps);
    const Tensor bonus = ops::sum(ops::mul(ops::mul(r, key), r_k), -1, true);
    y = ops::add(y, ops::reshape(ops::mul(bonus, steps[2]), y.shape()));
    if (g_lora) y = ops::mul(y, (*g_lora)(blend(x_g)));
    return o_proj(y, residual);
  }
};

// value(relu(key(blend))²)
struct ChannelMix : Module {
  Param x_k;
  Linear key, value;
  explicit ChannelMix(const Sizes& s) : x_k({s.hidden}), key(s.inner, s.hidden), value(s.hidden, s.inner) {}
  void parts(Visitor& v) override {
    v("x_k", x_k);
    v("key", key);
    v("value", value);
  }
  Tensor operator()(const Tensor& x, const Tensor& before, const Tensor& residual) const {
    const Tensor mixed = ops::add(x, ops::mul(ops::sub(before, x), x_k));
    return value(ops::unary(Unary::square, ops::relu(key(mixed))), residual);
  }
};

// LayerNorm, or RMS norm in a hybrid.
struct Norm : LayerNorm {
  bool rms;
  explicit Norm(const Sizes& s) : LayerNorm(s.hidden, s.eps), rms(s.hybrid) {}
  void parts(Visitor& v) override {
    if (rms) v("weight", weight);
    else LayerNorm::parts(v);
  }
  Tensor operator()(const Tensor& x) const { return rms ? ops::rms_norm(x, weight, eps) : LayerNorm::operator()(x); }
};

struct Block : Module {
  std::unique_ptr<LayerNorm> pre_norm;
  Norm attn_norm, ffn_norm;
  TimeMix attn;
  std::unique_ptr<ChannelMix> ffn;
  std::unique_ptr<GatedMlp> mlp;
  Block(const Sizes& s, std::int64_t layer) : attn_norm(s), ffn_norm(s), attn(s, layer) {
    if (layer == 0 && s.first_norm && !s.hybrid) pre_norm = std::make_unique<LayerNorm>(s.hidden, s.eps);
    if (s.hybrid) mlp = std::make_unique<GatedMlp>(s.hidden, s.inner, Unary::silu);
    else ffn = std::make_unique<ChannelMix>(s);
  }
  void parts(Visitor& v) override {
    v("pre_norm", pre_norm);
    v("attn_norm", attn_norm);
    v("attn", attn);
    v("ffn_norm", ffn_norm);
    v("ffn", ffn);
    v("mlp", mlp);
  }
};

Tensor scan7(const Tensor& before, std::span<const Tensor> rows) {
  const RecurrenceSegment all{0, rows[0].size(0)};
  return ops::wkv7(rows[0], rows[0], rows[1], rows[2], rows[3], rows[4], {&before, 1}, {&all, 1}).states[0];
}

struct Rwkv7 final : LanguageModel {
  Sizes sizes;
  Embedding embeddings;
  std::vector<Block> layers;
  Norm norm;
  Linear lm_head;

  explicit Rwkv7(const Sizes& s)
      : LanguageModel({s.vocab, s.hidden, s.layers, 0}), sizes(s), embeddings(s.vocab, s.hidden), norm(s), lm_head(s.vocab, s.hidden) {
    for (std::int64_t i = 0; i < s.layers; ++i) layers.emplace_back(s, i);
  }
  void parts(Visitor& v) override {
    v("model.embeddings", embeddings);
    v("model.layers", layers);
    v("model.norm", norm);
    v("lm_head", lm_head);
  }

 protected:
  std::vector<Tensor> initial(Runtime& rt) const {
    const Tensor row = Tensor::full(rt, {1, sizes.hidden}, 0.0f);
    std::vector<Tensor> out(sizes.hybrid ? 1 : 2, row);
    out.push_back(Tensor::full(rt, {sizes.heads, sizes.head_size, sizes.head_size}, 0.0f));
    return out;
  }
  std::unique_ptr<LayerState> new_layer_state(std::int64_t, std::shared_ptr<PagePool> pool, const StateOptions& options) const override {
    return new_recurrent_state(initial(pool->runtime()), options.margin, scan7);
  }
  Tensor trunk(Batch& batch) override {
    const std::vector<Tensor> nothing = initial(batch.runtime());
    Tensor x = embeddings(batch.tokens()), first_values;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      batch.runtime().throw_if_cancelled();
      const Block& b = layers[i];
      RecurrentLayer now(batch, i, nothing);
      if (b.pre_norm) x = (*b.pre_norm)(x);
      const Tensor a = b.attn_norm(x);
      x = b.attn(a, now.shift(a), x, first_values, now);
      const Tensor c = b.ffn_norm(x);
      x = b.mlp ? (*b.mlp)(c, x) : (*b.ffn)(c, now.shift(c), x);
      now.store();
    }
    return norm(x);
  }
  Tensor head(const Tensor& hidden) override { return lm_head(hidden); }
};

// ---- names ----

constexpr const char* layer_name = "model.layers.{}.";
const BindStep turned{BindStep::Kind::transpose}, reshaped{BindStep::Kind::reshape};
constexpr const char* blends = "rwkvag";  // their order where a file holds them in one tensor

// The parts of a low-rank function under the authors' names: w1, w2 as matrices x is multiplied with, w0 the bias.
void add_low_rank(Bindings& b, const std::string& theirs, const std::string& ending, bool turn) {
  const std::string ours = std::string(layer_name) + "attn.";
  const std::vector<BindStep> steps = turn ? std::vector<BindStep>{turned} : std::vector<BindStep>{};
  for (const char c : {'w', 'a', 'v', 'g'}) {
    b.rules.push_back({cat(ours, c, "_lora.lora.0.weight"), cat(theirs, c, "1", ending), steps});
    b.rules.push_back({cat(ours, c, "_lora.lora.2.weight"), cat(theirs, c, "2", ending), steps});
    b.rules.push_back({cat(ours, c, "_lora.lora.2.bias"), cat(theirs, c, "0", ending), {reshaped}});
  }
}

void add_vectors(Bindings& b, const std::string& theirs) {
  const std::string ours = std::string(layer_name) + "attn.";
  for (const char* name : {"x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "k_k", "k_a", "r_k"}) b.rules.push_back({ours + name, theirs + name, {reshaped}});
}

void add_fused_blends(Bindings& b, const std::string& source, int count) {
  for (int i = 0; i < count; ++i) {
    b.rules.push_back({cat(layer_name, "attn.x_", blends[i]), source, {BindStep{BindStep::Kind::part, 0, i, count}, reshaped}});
  }
}

Bindings hf_bindings() {
  Bindings b;
  b.own_names = false;
  add_vectors(b, std::string(layer_name) + "attn.");
  add_fused_blends(b, std::string(layer_name) + "attn.x_x", 6);
  b.rules.push_back({std::string(layer_name) + "ffn.x_k", std::string(layer_name) + "ffn.x_k", {reshaped}});
  b.rules.push_back({"model.*", "model.*", {}});
  b.rules.push_back({"lm_head.*", "lm_head.*", {}});
  b.leftovers = {"model.layers.0.attn.v_lora.*"};
  return b;
}

Bindings torch_bindings() {
  Bindings b;
  b.own_names = false;
  const std::string ours = layer_name, theirs = "blocks.{}.";
  add_vectors(b, theirs + "att.");
  add_low_rank(b, theirs + "att.", "", true);
  b.rules.push_back({ours + "ffn.x_k", theirs + "ffn.x_k", {reshaped}});
  constexpr std::pair<const char*, const char*> names[] = {
      {"attn.r_proj", "att.receptance"}, {"attn.k_proj", "att.key"}, {"attn.v_proj", "att.value"}, {"attn.o_proj", "att.output"},
      {"attn.g_norm", "att.ln_x"},       {"ffn.key", "ffn.key"},     {"ffn.value", "ffn.value"},   {"pre_norm", "ln0"},
      {"attn_norm", "ln1"},              {"ffn_norm", "ln2"}};
  for (const auto& [mine, other] : names) b.rules.push_back({cat(ours, mine, ".*"), cat(theirs, other, ".*"), {}});
  b.rules.push_back({"model.embeddings.*", "emb.*", {}});
  b.rules.push_back({"model.norm.*", "ln_out.*", {}});
  b.rules.push_back({"lm_head.*", "head.*", {}});
  b.leftovers = {"blocks.0.att.v0", "blocks.0.att.v1", "blocks.0.att.v2"};
  return b;
}

Bindings gguf_bindings(bool hybrid) {
  Bindings b;
  b.own_names = false;
  const std::string ours = layer_name, theirs = "blk.{}.";
  add_fused_blends(b, theirs + "time_mix_lerp_fused.weight", 6);
  for (const char* name : {"k_k", "k_a", "r_k"}) b.rules.push_back({cat(ours, "attn.", name), cat(theirs, "time_mix_", name, ".weight"), {reshaped}});
  add_low_rank(b, theirs + "time_mix_", ".weight", false);
  b.rules.push_back({ours + "ffn.x_k", theirs + "channel_mix_lerp_k.weight", {reshaped}});
  const std::pair<const char*, const char*> names[] = {
      {"attn.r_proj", "time_mix_receptance"}, {"attn.k_proj", "time_mix_key"}, {"attn.v_proj", "time_mix_value"},
      {"attn.o_proj", "time_mix_output"},     {"attn.g_norm", "time_mix_ln"},  {"attn_norm", "attn_norm"},
      {"ffn.key", "channel_mix_key"},         {"ffn.value", "channel_mix_value"},
      {"mlp.gate_proj", "ffn_gate"},          {"mlp.up_proj", "ffn_up"},       {"mlp.down_proj", "ffn_down"},
      {"ffn_norm", hybrid ? "ffn_norm" : "attn_norm_2"}};
  for (const auto& [mine, other] : names) b.rules.push_back({cat(ours, mine, ".*"), cat(theirs, other, ".*"), {}});
  b.rules.push_back({"model.layers.0.pre_norm.*", "token_embd_norm.*", {}});
  b.rules.push_back({"model.embeddings.*", "token_embd.*", {}});
  b.rules.push_back({"model.norm.*", "output_norm.*", {}});
  b.rules.push_back({"lm_head.*", "output.*", {}});
  b.leftovers = {"blk.0.time_mix_v0.weight", "blk.0.time_mix_v1.weight", "blk.0.time_mix_v2.weight"};
  return b;
}

Bindings bindings7(const Metadata& meta) {
  switch (meta.format) {
    case Metadata::Format::hf: return hf_bindings();
    case Metadata::Format::torch: return torch_bindings();
    case Metadata::Format::gguf: return gguf_bindings(false);
  }
  return {};
}

// ARWKV's folders: Qwen's names around the authors'.
Bindings hybrid_bindings(const Metadata& meta) {
  if (meta.format == Metadata::Format::gguf) {
    Bindings b = gguf_bindings(true);
    // Files of models without a gate have five blends in the tensor.
    const Json* rank = meta.values.find("arwkv7.attention.gate_lora_rank");
    if (rank != nullptr && rank->is_integer() && rank->as_integer() == 0) {
      b.rules.erase(b.rules.begin(), b.rules.begin() + 6);
      add_fused_blends(b, "blk.{}.time_mix_lerp_fused.weight", 5);
    }
    return b;
  }
  Bindings b;
  b.own_names = false;
  const std::string ours = layer_name, theirs = ours + "self_attn.time_mixer.";
  add_vectors(b, theirs);
  add_low_rank(b, theirs, "", true);
  for (const auto& [mine, other] : {std::pair{"attn.r_proj", "receptance"}, {"attn.k_proj", "key"}, {"attn.v_proj", "value"}, {"attn.o_proj", "output"}, {"attn.g_norm", "ln_x"}}) {
    b.rules.push_back({cat(ours, mine, ".*"), cat(theirs, other, ".*"), {}});
  }
  b.rules.push_back({ours + "attn_norm.*", ours + "input_layernorm.*", {}});
  b.rules.push_back({ours + "ffn_norm.*", ours + "post_attention_layernorm.*", {}});
  b.rules.push_back({"model.embeddings.*", "model.embed_tokens.*", {}});
  b.rules.push_back({"model.*", "model.*", {}});
  b.rules.push_back({"lm_head.*", "lm_head.*", {}});
  b.leftovers = {ours + "self_attn.time_mixer.v0", ours + "self_attn.time_mixer.v1", ours + "self_attn.time_mixer.v2"};
  return b;
}

// ---- sizes ----

constexpr std::int64_t max_width = std::int64_t{1} << 20;

class Shapes {
 public:
  Shapes(Bindings bindings, const WeightSource& weights) : bindings_(std::move(bindings)), weights_(weights) {}
  const WeightInfo* find(const std::string& param) const { return find_source(bindings_, weights_, param); }
  // Elements of a tensor; 0 when it is absent.
  std::int64_t numel(const std::string& param) const {
    const WeightInfo* info = find(param);
    return info != nullptr ? info->shape.numel() : 0;
  }
  std::int64_t dim(const std::string& param, int which, int rank = 2) const {
    const WeightInfo* info = find(param);
    if (info == nullptr || info->shape.rank() != rank) fail(weights_.origin(), ": there is no tensor of ", rank, " dimensions for ", param);
    const std::int64_t n = info->shape[which];
    if (n < 1 || n > (std::int64_t{1} << 24)) fail(weights_.origin(), ": tensor ", info->name, " has shape ", info->shape.str());
    return n;
  }
  // Rank of a low-rank function: what its first matrix has beside the width; `otherwise` when it is absent.
  std::int64_t rank(const std::string& name, std::int64_t width, std::int64_t otherwise) const {
    const std::int64_t n = numel(name + "_lora.lora.0.weight");
    if (n == 0) return otherwise;
    if (n % width != 0 || n / width > max_width) fail(weights_.origin(), ": the low-rank part ", name, " does not fit a width of ", width);
    return n / width;
  }

 private:
  Bindings bindings_;
  const WeightSource& weights_;
};

constexpr const char* first_attn = "model.layers.0.attn.";

void read_tensors(Sizes& s, const Shapes& shapes, const WeightSource& weights) {
  s.decay_rank = shapes.rank(cat(first_attn, "w"), s.hidden, s.decay_rank);
  s.rate_rank = shapes.rank(cat(first_attn, "a"), s.hidden, s.rate_rank);
  s.value_rank = shapes.rank("model.layers.1.attn.v", s.hidden, s.value_rank);
  s.gate_rank = shapes.rank(cat(first_attn, "g"), s.hidden, s.gate_rank);
  if (s.head_size < 1 || s.hidden % s.head_size != 0) fail(weights.origin(), ": heads of ", s.head_size, " do not divide a width of ", s.hidden);
  s.heads = s.hidden / s.head_size;
}

// Sizes of a file without a config.
Sizes read_shapes(const Shapes& shapes, const WeightSource& weights) {
  Sizes s;
  s.vocab = shapes.dim("model.embeddings.weight", 0);
  s.hidden = shapes.dim("model.embeddings.weight", 1);
  if (s.hidden > max_width) fail(weights.origin(), ": a width of ", s.hidden, " is beyond ", max_width);
  while (shapes.find(cat("model.layers.", s.layers, ".attn_norm.weight")) != nullptr) ++s.layers;
  s.head_size = 64;
  return s;
}

Sizes read_hf(const ConfigReader& reader, const WeightSource& weights) {
  Sizes s;
  s.vocab = reader.integer("vocab_size", 1, std::int64_t{1} << 24);
  s.hidden = reader.integer("hidden_size", 1, max_width);
  s.layers = read_layers(reader, "num_hidden_layers", weights);
  s.decay_rank = reader.integer_or("decay_low_rank_dim", 64, 1, max_width);
  s.rate_rank = reader.integer_or("a_low_rank_dim", 64, 1, max_width);
  s.value_rank = reader.integer_or("v_low_rank_dim", 16, 1, max_width);
  s.gate_rank = reader.integer_or("gate_low_rank_dim", 128, 1, max_width);
  if (reader.boolean_or("tie_word_embeddings", false)) reader.bad("tie_word_embeddings", "no RWKV with a tied head is known");
  return s;
}

bool torch7(const Metadata& meta) {
  if (meta.format != Metadata::Format::torch) return false;
  const Json& tensors = meta.values["tensors"];
  return tensors.is_object() && tensors.find("blocks.0.att.r_k") != nullptr;
}

bool claims7(const Metadata& meta) { return is_hf(meta, "RWKV7ForCausalLM", "rwkv7") || is_gguf(meta, "rwkv7") || torch7(meta); }
bool claims_hybrid(const Metadata& meta) { return is_hf(meta, "RwkvHybridForCausalLM", "rwkv_hybrid") || is_gguf(meta, "arwkv7"); }

std::unique_ptr<Module> build7(const Metadata& meta, const WeightSource& weights) {
  const Shapes shapes(bindings7(meta), weights);
  Sizes s;
  if (meta.format == Metadata::Format::hf) {
    const ConfigReader reader(meta.values, meta.origin);
    s = read_hf(reader, weights);
    s.inner = reader.integer_or("intermediate_size", s.hidden * reader.integer_or("hidden_ratio", 4, 1, 64), 1, 4 * max_width);
    s.head_size = reader.has("head_dim") ? reader.integer("head_dim", 1, 4096) : s.hidden / reader.integer_or("num_heads", std::max<std::int64_t>(1, s.hidden / 64), 1, s.hidden);
    s.eps = static_cast<float>(reader.number_or("norm_eps", 1e-5));
    s.head_eps = static_cast<float>(static_cast<double>(s.head_size) * reader.number_or("norm_eps", 1e-5));
    s.first_norm = reader.boolean_or("norm_first", true);
    if (reader.has("attn")) reader.bad("attn", "hybrids with attention layers are not supported");
    if (reader.string_or("hidden_act", "sqrelu") != "sqrelu") reader.bad("hidden_act", "only sqrelu is known");
  } else {
    s = read_shapes(shapes, weights);
    s.inner = shapes.dim("model.layers.0.ffn.key.weight", 0);
    if (meta.format == Metadata::Format::gguf) {
      const ConfigReader reader(meta.values, meta.origin, "rwkv7.");
      s.eps = static_cast<float>(reader.number_or("attention.layer_norm_epsilon", 1e-5));
      s.head_size = reader.integer("wkv.head_size", 1, 4096);
      if (reader.integer("block_count", 1, 1 << 20) != s.layers) reader.bad("block_count", "differs from the ", s.layers, " layers in the file");
    } else {
      s.head_size = shapes.dim(cat(first_attn, "r_k"), 1);
    }
  }
  read_tensors(s, shapes, weights);
  return std::make_unique<Rwkv7>(s);
}

std::unique_ptr<Module> build_hybrid(const Metadata& meta, const WeightSource& weights) {
  const Shapes shapes(hybrid_bindings(meta), weights);
  Sizes s;
  if (meta.format == Metadata::Format::gguf) {
    const ConfigReader reader(meta.values, meta.origin, "arwkv7.");
    s = read_shapes(shapes, weights);
    s.inner = shapes.dim("model.layers.0.mlp.gate_proj.weight", 0);
    s.eps = static_cast<float>(reader.number_or("attention.layer_norm_rms_epsilon", 1e-6));
    s.head_size = reader.integer("wkv.head_size", 1, 4096);
    if (reader.integer("block_count", 1, 1 << 20) != s.layers) reader.bad("block_count", "differs from the ", s.layers, " layers in the file");
  } else {
    const ConfigReader reader(meta.values, meta.origin);
    s = read_hf(reader, weights);
    s.inner = reader.integer("intermediate_size", 1, max_width);
    s.eps = static_cast<float>(reader.number_or("rms_norm_eps", 1e-6));
    s.head_size = reader.integer_or("head_size", 64, 1, 4096);
    if (reader.integer_or("wkv_version", 7, 1, 99) != 7) reader.bad("wkv_version", "only 7 is supported");
    if (!reader.boolean_or("wkv_has_gate", true)) s.gate_rank = 0;
    s.head_norm = reader.boolean_or("wkv_has_group_norm", true);
    if (reader.string_or("wkv_layers", "full") != "full") reader.bad("wkv_layers", "models that keep attention layers are not supported");
  }
  s.hybrid = true;
  if (meta.format == Metadata::Format::gguf) s.head_norm = shapes.find(cat(first_attn, "g_norm.weight")) != nullptr;
  read_tensors(s, shapes, weights);
  return std::make_unique<Rwkv7>(s);
}

Json tiny7() {
  return parse_json(R"({"architectures":["RWKV7ForCausalLM"],"model_type":"rwkv7","vocab_size":59,"hidden_size":40,"head_dim":20,
    "intermediate_size":72,"num_hidden_layers":3,"decay_low_rank_dim":6,"a_low_rank_dim":5,"v_low_rank_dim":7,"gate_low_rank_dim":9,
    "norm_eps":1e-5,"hidden_act":"sqrelu"})", "tiny config");
}
Json tiny_hybrid() {
  return parse_json(R"({"architectures":["RwkvHybridForCausalLM"],"model_type":"rwkv_hybrid","vocab_size":53,"hidden_size":48,"head_size":16,
    "intermediate_size":72,"num_hidden_layers":2,"decay_low_rank_dim":6,"a_low_rank_dim":5,"v_low_rank_dim":7,"gate_low_rank_dim":9,
    "rms_norm_eps":1e-6,"wkv_has_gate":true,"wkv_has_group_norm":false,"wkv_version":7})", "tiny config");
}

constexpr ModelDef records[] = {{"rwkv7", Role::language_model, "recurrent", claims7, build7, bindings7, tiny7},
                                {"arwkv7", Role::language_model, "recurrent", claims_hybrid, build_hybrid, hybrid_bindings, tiny_hybrid}};

}  // namespace

extern const ModelFile rwkv7;
const ModelFile rwkv7{records};

}  // namespace tashika
