// Gemma (Gemma Team 2024, 2024b, 2025): norms whose weights are stored less one, an embedding scaled by √hidden, a tied head.
// Gemma 1 is else the usual decoder. Gemma 2 norms before and after each branch, caps scores and logits softly, and lets every
// second layer slide. Gemma 3 norms queries and keys instead of capping, slides five layers of six, and turns those by a base of
// their own. EmbeddingGemma (2025) is Gemma 3 that sees both ways: an encoder.
#include <algorithm>
#include <cmath>
#include <memory>

#include "models/config.h"
#include "models/gguf_facts.h"
#include "models/model_def.h"
#include "nn/encoder.h"
#include "ops/elementwise.h"

namespace tashika {
namespace {

struct SandwichBlock final : DecoderBlock {
  RmsNorm input_layernorm, post_attention_layernorm, pre_feedforward_layernorm, post_feedforward_layernorm;
  Attention self_attn;
  GatedMlp mlp;
  std::shared_ptr<const Rope> own_rope;  // of sliding layers that turn by another base

  SandwichBlock(const DecoderConfig& c, std::int64_t layer, std::shared_ptr<const Rope> rope = nullptr, bool causal = true)
      : input_layernorm(c.hidden, c.norm_eps),
        post_attention_layernorm(c.hidden, c.norm_eps),
        pre_feedforward_layernorm(c.hidden, c.norm_eps),
        post_feedforward_layernorm(c.hidden, c.norm_eps),
        self_attn(attention_config(c, layer)),
        mlp(c.hidden, c.inner, c.act),
        own_rope(std::move(rope)) {
    self_attn.config.causal = causal;
  }
  void parts(Visitor& v) override {
    v("input_layernorm", input_layernorm);
    v("self_attn", self_attn);
    v("post_attention_layernorm", post_attention_layernorm);
    v("pre_feedforward_layernorm", pre_feedforward_layernorm);
    v("mlp", mlp);
    v("post_feedforward_layernorm", post_feedforward_layernorm);
  }
  Tensor operator()(const Tensor& x, Batch& batch, std::size_t layer, const Rope& rope) const override {
    const Rope& turn = own_rope ? *own_rope : rope;
    const Tensor attended = ops::add(x, post_attention_layernorm(self_attn(input_layernorm(x), {}, batch, layer, turn)));
    return ops::add(attended, post_feedforward_layernorm(mlp(pre_feedforward_layernorm(attended), {})));
  }
  std::unique_ptr<LayerState> new_state(std::shared_ptr<PagePool> pool, const StateOptions& options) const override {
    return self_attn.new_state(std::move(pool), options);
  }
};

bool claims_1(const Metadata& meta) { return is_hf(meta, "GemmaForCausalLM", "gemma") || is_gguf(meta, "gemma"); }
bool claims_2(const Metadata& meta) {
  return is_hf(meta, "Gemma2ForCausalLM", "gemma2") || is_hf(meta, "Gemma2Model", "gemma2") || is_gguf(meta, "gemma2");
}
bool sees_both_ways(const Metadata& meta) { return meta.format == Metadata::Format::hf && meta.values["use_bidirectional_attention"] == Json(true); }
bool is_third(const Metadata& meta) {
  return is_hf(meta, "Gemma3ForCausalLM", "gemma3_text") || is_hf(meta, "Gemma3TextModel", "gemma3_text") || is_gguf(meta, "gemma3");
}
bool claims_3(const Metadata& meta) { return is_third(meta) && !sees_both_ways(meta); }
bool claims_embedding(const Metadata& meta) { return is_third(meta) && sees_both_ways(meta); }

constexpr std::int64_t most = std::int64_t{1} << 40;

void scale_embedding(DecoderConfig& c) { c.embedding_multiplier = static_cast<float>(std::sqrt(static_cast<double>(c.hidden))); }

std::unique_ptr<Module> build_1(const Metadata& meta, const WeightSource& weights) {
  const bool gguf = meta.format == Metadata::Format::gguf;
  const ConfigReader reader(meta.values, meta.origin, gguf ? "gemma." : "");
  DecoderConfig c = gguf ? read_gguf_decoder(reader, weights) : read_hf_decoder(reader, weights, 16);
  if (!gguf && !reader.has("head_dim")) reader.bad("head_dim", "is missing");
  c.tied = gguf || reader.boolean_or("tie_word_embeddings", true);
  // The first configs say "gelu" and mean its tanh form.
  const std::string act = gguf ? std::string("gelu") : reader.string_or("hidden_activation", reader.string_or("hidden_act", "gelu"));
  c.act = activation(act == "gelu" ? "gelu_pytorch_tanh" : act);
  scale_embedding(c);
  return dense_decoder(c);
}

std::unique_ptr<Module> build_2(const Metadata& meta, const WeightSource& weights) {
  const bool gguf = meta.format == Metadata::Format::gguf;
  const ConfigReader reader(meta.values, meta.origin, gguf ? "gemma2." : "");
  DecoderConfig c = gguf ? read_gguf_decoder(reader, weights) : read_hf_decoder(reader, weights, 4);
  if (!gguf && !reader.has("head_dim")) reader.bad("head_dim", "is missing");
  c.tied = gguf || reader.boolean_or("tie_word_embeddings", true);
  c.act = activation(gguf ? "gelu_pytorch_tanh" : reader.string_or("hidden_activation", "gelu_pytorch_tanh"));
  scale_embedding(c);
  c.attention_softcap = static_cast<float>(reader.number_or(gguf ? "attn_logit_softcapping" : "attn_logit_softcapping", gguf ? 50.0 : 0.0));
  c.logit_softcap = static_cast<float>(reader.number_or("final_logit_softcapping", gguf ? 30.0 : 0.0));
  // A GGUF file does not say; of the published models the one of 46 layers has hidden / heads, the others a head's width.
  const double of_size = static_cast<double>(c.layers == 46 ? c.hidden / c.heads : c.head_dim);
  const double scalar = gguf ? of_size : reader.number_or("query_pre_attn_scalar", 256.0);
  if (!(scalar > 0)) reader.bad("query_pre_attn_scalar", "must be positive");
  c.attention_scale = static_cast<float>(1.0 / std::sqrt(scalar));
  const std::int64_t window = reader.integer_or(gguf ? "attention.sliding_window" : "sliding_window", 4096, 1, most);
  c.windows.assign(static_cast<std::size_t>(c.layers), 0);
  const JsonArray* types = gguf ? nullptr : reader.array("layer_types");
  if (types != nullptr && static_cast<std::int64_t>(types->size()) != c.layers) reader.bad("layer_types", types->size(), " entries for ", c.layers, " layers");
  for (std::size_t i = 0; i < c.windows.size(); ++i) {
    if (types ? (*types)[i] == Json("sliding_attention") : i % 2 == 0) c.windows[i] = window;
  }
  return std::make_unique<Decoder>(c, [&](std::int64_t i) { return std::make_unique<SandwichBlock>(c, i); });
}

struct Third {
  DecoderConfig config;
  std::shared_ptr<const Rope> local;
};

// Bases of full and sliding layers: `rope_parameters` by kind of layer, or (old configs) rope_theta with rope_scaling and
// rope_local_base_freq.
double local_base(const Metadata& meta) {
  if (meta.format == Metadata::Format::gguf) return ConfigReader(meta.values, meta.origin, "gemma3.").number_or("rope.freq_base_swa", 10000.0);
  const ConfigReader reader(meta.values, meta.origin);
  double local = reader.number_or("rope_local_base_freq", 10000.0);
  if (const Json* rope = reader.object("rope_parameters")) {
    if (const Json* sliding = ConfigReader(*rope, meta.origin + ": rope_parameters").object("sliding_attention")) {
      const ConfigReader nested(*sliding, meta.origin + ": rope_parameters: sliding_attention");
      local = nested.number_or("rope_theta", local);
      if (const std::string kind = nested.string_or("rope_type", "default"); kind != "default") nested.bad("rope_type", "\"", kind, "\" is not supported; known: default");
    }
  }
  if (!(local > 0)) fail(meta.origin, ": rope_local_base_freq: must be positive");
  return local;
}

Third read_third(const Metadata& meta, const WeightSource& weights) {
  const bool gguf = meta.format == Metadata::Format::gguf;
  Json values = meta.values;
  const double local = local_base(meta);
  if (!gguf) {
    const ConfigReader reader(meta.values, meta.origin);
    if (!reader.has("rope_theta")) values.set("rope_theta", 1000000.0);
    if (const Json* rope = reader.object("rope_parameters")) {
      if (const Json* full = ConfigReader(*rope, meta.origin + ": rope_parameters").object("full_attention")) values.set("rope_parameters", *full);
    }
  }
  const ConfigReader reader(values, meta.origin, gguf ? "gemma3." : "");
  Third out{gguf ? read_gguf_decoder(reader, weights) : read_hf_decoder(reader, weights, 4), nullptr};
  DecoderConfig& c = out.config;
  if (!gguf && !reader.has("head_dim")) reader.bad("head_dim", "is missing");
  c.tied = gguf ? c.tied : reader.boolean_or("tie_word_embeddings", true);
  c.act = activation(gguf ? "gelu_pytorch_tanh" : reader.string_or("hidden_activation", "gelu_pytorch_tanh"));
  scale_embedding(c);
  c.query_key_norm = true;
  c.attention_softcap = static_cast<float>(gguf ? 0.0 : reader.number_or("attn_logit_softcapping", 0.0));
  c.logit_softcap = static_cast<float>(reader.number_or("final_logit_softcapping", 0.0));
  // The largest divides by the width of a head as hidden / heads, which its config says and a GGUF file does not.
  const bool largest = gguf && c.layers == 62;
  const double scalar = gguf ? static_cast<double>(largest ? c.hidden / c.heads : c.head_dim) : reader.number_or("query_pre_attn_scalar", 256.0);
  if (!(scalar > 0)) reader.bad("query_pre_attn_scalar", "must be positive");
  c.attention_scale = static_cast<float>(1.0 / std::sqrt(scalar));
  std::int64_t window = reader.integer_or(gguf ? "attention.sliding_window" : "sliding_window", gguf ? 1024 : 4096, 1, most);
  if (sees_both_ways(meta)) window = window / 2 + 1;  // of both sides together
  const std::int64_t period = reader.integer_or(gguf ? "attention.sliding_window_pattern" : "sliding_window_pattern", 6, 1, most);
  const JsonArray* types = gguf ? nullptr : reader.array("layer_types");
  if (types != nullptr && static_cast<std::int64_t>(types->size()) != c.layers) reader.bad("layer_types", types->size(), " entries for ", c.layers, " layers");
  c.windows.assign(static_cast<std::size_t>(c.layers), 0);
  for (std::size_t i = 0; i < c.windows.size(); ++i) {
    if (types ? (*types)[i] == Json("sliding_attention") : (static_cast<std::int64_t>(i) + 1) % period != 0) c.windows[i] = window;
  }
  out.local = std::make_shared<const Rope>(c.rope_dim, local, RopeScaling{}, c.rope_interleaved);
  return out;
}

std::unique_ptr<Decoder> third_decoder(const Third& t, bool causal) {
  return std::make_unique<Decoder>(t.config, [&](std::int64_t i) {
    return std::make_unique<SandwichBlock>(t.config, i, t.config.window(i) > 0 ? t.local : nullptr, causal);
  });
}

std::unique_ptr<Module> build_3(const Metadata& meta, const WeightSource& weights) { return third_decoder(read_third(meta, weights), true); }

struct EmbeddingGemma final : Encoder {
  std::unique_ptr<Decoder> decoder;
  explicit EmbeddingGemma(std::unique_ptr<Decoder> d)
      : Encoder({d->info().vocab, d->info().hidden, d->info().layers, d->info().context}), decoder(std::move(d)) {}
  void parts(Visitor& v) override { decoder->parts(v); }
  void bound() override { decoder->bound(); }

 protected:
  Tensor trunk(Batch& batch) override { return decoder->states(batch); }
};

std::unique_ptr<Module> build_embedding(const Metadata& meta, const WeightSource& weights) {
  Third t = read_third(meta, weights);
  t.config.tied = true;  // no head
  return std::make_unique<EmbeddingGemma>(third_decoder(t, false));
}

Bindings bindings(const Metadata& meta) {
  const BindStep one{BindStep::Kind::add_constant, 0, 0, 1, 1.0f};
  const std::string layer = "model.layers.{}.";
  Bindings b;
  b.own_names = false;
  if (meta.format == Metadata::Format::hf) {
    for (const std::string prefix : {"model.", ""}) {
      for (const char* norm : {"layers.{}.input_layernorm.weight", "layers.{}.post_attention_layernorm.weight",
                               "layers.{}.pre_feedforward_layernorm.weight", "layers.{}.post_feedforward_layernorm.weight", "norm.weight",
                               "layers.{}.self_attn.q_norm.weight", "layers.{}.self_attn.k_norm.weight"}) {
        b.rules.push_back({std::string("model.") + norm, prefix + norm, {one}});
      }
      b.rules.push_back({"model.*", prefix + "*", {}});
    }
    b.rules.push_back({"*", "*", {}});
    b.leftovers = {"lm_head.weight"};
    return b;
  }
  // The converter to GGUF has added the one already.
  const bool first = claims_1(meta);
  b.rules = {{"model.embed_tokens.weight", "token_embd.weight", {}},
             {"model.norm.weight", "output_norm.weight", {}},
             {layer + "input_layernorm.weight", "blk.{}.attn_norm.weight", {}},
             {layer + "post_attention_layernorm.weight", first ? "blk.{}.ffn_norm.weight" : "blk.{}.post_attention_norm.weight", {}},
             {"lm_head.*", "output.*", {}},
             {layer + "self_attn.q_norm.weight", "blk.{}.attn_q_norm.weight", {}},
             {layer + "self_attn.k_norm.weight", "blk.{}.attn_k_norm.weight", {}},
             {layer + "pre_feedforward_layernorm.weight", "blk.{}.ffn_norm.weight", {}},
             {layer + "post_feedforward_layernorm.weight", "blk.{}.post_ffw_norm.weight", {}},
             {layer + "self_attn.q_proj.*", "blk.{}.attn_q.*", {}},
             {layer + "self_attn.k_proj.*", "blk.{}.attn_k.*", {}},
             {layer + "self_attn.v_proj.*", "blk.{}.attn_v.*", {}},
             {layer + "self_attn.o_proj.*", "blk.{}.attn_output.*", {}},
             {layer + "mlp.gate_proj.*", "blk.{}.ffn_gate.*", {}},
             {layer + "mlp.up_proj.*", "blk.{}.ffn_up.*", {}},
             {layer + "mlp.down_proj.*", "blk.{}.ffn_down.*", {}}};
  return b;
}

// The windows of these files are told by a period; what the config says beyond that a reader works out from the sizes.
GgufFacts gguf_facts(std::string_view arch, DecoderConfig c, const Metadata& meta, std::int64_t period) {
  const std::vector<std::int64_t> windows = std::move(c.windows);
  c.windows.clear();
  GgufFacts facts = gguf_decoder_facts(arch, c);
  std::int64_t window = 0;
  for (const std::int64_t w : windows) window = std::max(window, w);
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const bool slides = (static_cast<std::int64_t>(i) + 1) % period != 0;
    if (windows[i] != (slides ? window : 0)) fail(meta.origin, ": layer_types: GGUF can say only that every layer but each ", period, "th slides");
  }
  if (window > 0) facts.set("attention.sliding_window", window);
  return facts;
}

void check_scale(const DecoderConfig& c, bool by_heads, const Metadata& meta) {
  const double scalar = static_cast<double>(by_heads ? c.hidden / c.heads : c.head_dim);
  if (std::fabs(c.attention_scale * std::sqrt(scalar) - 1.0) > 1e-5) {
    fail(meta.origin, ": query_pre_attn_scalar: GGUF has no place for it, and readers would take ", scalar);
  }
}

GgufFacts gguf_1(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build_1(meta, weights);
  return gguf_decoder_facts("gemma", decoder_config(*built));
}

GgufFacts gguf_2(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build_2(meta, weights);
  const DecoderConfig& c = decoder_config(*built);
  check_scale(c, c.layers == 46, meta);
  GgufFacts facts = gguf_facts("gemma2", c, meta, 2);
  facts.set("attn_logit_softcapping", double{c.attention_softcap});
  facts.set("final_logit_softcapping", double{c.logit_softcap});
  return facts;
}

GgufFacts gguf_3(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build_3(meta, weights);
  const DecoderConfig& c = decoder_config(*built);
  check_scale(c, c.layers == 62, meta);
  const std::int64_t period = std::find(c.windows.begin(), c.windows.end(), 0) - c.windows.begin() + 1;
  GgufFacts facts = gguf_facts("gemma3", c, meta, period);
  if (period != 6 && period <= c.layers) facts.set("attention.sliding_window_pattern", period);
  if (c.logit_softcap > 0) facts.set("final_logit_softcapping", double{c.logit_softcap});
  facts.set("rope.freq_base_swa", local_base(meta));
  return facts;
}

Json tiny_1() {
  return parse_json(R"({"architectures":["GemmaForCausalLM"],"model_type":"gemma","vocab_size":59,"hidden_size":36,
    "intermediate_size":48,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":1,"head_dim":12,
    "max_position_embeddings":512,"rms_norm_eps":1e-6,"hidden_act":"gelu","rope_theta":10000.0})", "tiny config");
}
Json tiny_2() {
  return parse_json(R"({"architectures":["Gemma2ForCausalLM"],"model_type":"gemma2","vocab_size":61,"hidden_size":40,
    "intermediate_size":56,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":12,
    "max_position_embeddings":512,"rms_norm_eps":1e-6,"hidden_activation":"gelu_pytorch_tanh","sliding_window":19,
    "query_pre_attn_scalar":20,"attn_logit_softcapping":5.0,"final_logit_softcapping":3.0,"rope_theta":10000.0})", "tiny config");
}

Json tiny_3() {
  return parse_json(R"({"architectures":["Gemma3ForCausalLM"],"model_type":"gemma3_text","vocab_size":67,"hidden_size":40,
    "intermediate_size":56,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":12,
    "max_position_embeddings":512,"rms_norm_eps":1e-6,"hidden_activation":"gelu_pytorch_tanh","sliding_window":17,
    "sliding_window_pattern":3,"query_pre_attn_scalar":20,"rope_theta":1000000.0,"rope_local_base_freq":10000.0,
    "rope_scaling":{"rope_type":"linear","factor":8.0}})", "tiny config");
}
Json tiny_embedding() {
  Json config = tiny_3();
  config.set("architectures", Json(JsonArray{Json("Gemma3TextModel")}));
  config.set("use_bidirectional_attention", true);
  return config;
}

constexpr ModelDef records[] = {{"gemma", Role::language_model, "paged KV", claims_1, build_1, bindings, tiny_1, gguf_1},
                                {"gemma2", Role::language_model, "sliding and full KV", claims_2, build_2, bindings, tiny_2, gguf_2},
                                {"gemma3", Role::language_model, "sliding and full KV", claims_3, build_3, bindings, tiny_3, gguf_3},
                                {"embedding_gemma", Role::encoder, "none", claims_embedding, build_embedding, bindings, tiny_embedding}};

}  // namespace

extern const ModelFile gemma;
const ModelFile gemma{records};

}  // namespace tashika
