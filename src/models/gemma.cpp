// Gemma 2 (Gemma Team 2024): norms before and after each branch whose weights are stored less one, soft
// caps on scores and logits, sliding and full layers in turn, an embedding scaled by √hidden.
#include "models/config.h"
#include "models/model_def.h"
#include "ops/elementwise.h"

#include <cmath>

namespace tashika {
namespace {

struct SandwichBlock final : DecoderBlock {
  RmsNorm input_layernorm, post_attention_layernorm, pre_feedforward_layernorm, post_feedforward_layernorm;
  Attention self_attn;
  GatedMlp mlp;

  SandwichBlock(const DecoderConfig& c, std::int64_t layer)
      : input_layernorm(c.hidden, c.norm_eps),
        post_attention_layernorm(c.hidden, c.norm_eps),
        pre_feedforward_layernorm(c.hidden, c.norm_eps),
        post_feedforward_layernorm(c.hidden, c.norm_eps),
        self_attn(attention_config(c, layer)),
        mlp(c.hidden, c.inner, c.act) {}
  void parts(Visitor& v) override {
    v("input_layernorm", input_layernorm);
    v("self_attn", self_attn);
    v("post_attention_layernorm", post_attention_layernorm);
    v("pre_feedforward_layernorm", pre_feedforward_layernorm);
    v("mlp", mlp);
    v("post_feedforward_layernorm", post_feedforward_layernorm);
  }
  Tensor operator()(const Tensor& x, Batch& batch, std::size_t layer, const Rope& rope) const override {
    const Tensor attended = ops::add(x, post_attention_layernorm(self_attn(input_layernorm(x), {}, batch, layer, rope)));
    return ops::add(attended, post_feedforward_layernorm(mlp(pre_feedforward_layernorm(attended), {})));
  }
  std::unique_ptr<LayerState> new_state(std::shared_ptr<PagePool> pool, const StateOptions& options) const override {
    return self_attn.new_state(std::move(pool), options);
  }
};

bool claims(const Metadata& meta) {
  return is_hf(meta, "Gemma2ForCausalLM", "gemma2") || is_hf(meta, "Gemma2Model", "gemma2") || is_gguf(meta, "gemma2");
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  const bool gguf = meta.format == Metadata::Format::gguf;
  const ConfigReader reader(meta.values, meta.origin, gguf ? "gemma2." : "");
  DecoderConfig c = gguf ? read_gguf_decoder(reader, weights) : read_hf_decoder(reader, weights, 4);
  if (!gguf && !reader.has("head_dim")) reader.bad("head_dim", "is missing");
  c.tied = gguf || reader.boolean_or("tie_word_embeddings", true);
  c.act = activation(gguf ? "gelu_pytorch_tanh" : reader.string_or("hidden_activation", "gelu_pytorch_tanh"));
  c.embedding_multiplier = static_cast<float>(std::sqrt(static_cast<double>(c.hidden)));
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

Bindings bindings(const Metadata& meta) {
  const BindStep one{BindStep::Kind::add_constant, 0, 0, 1, 1.0f};
  const std::string layer = "model.layers.{}.";
  Bindings b;
  b.own_names = false;
  if (meta.format == Metadata::Format::hf) {
    for (const std::string prefix : {"model.", ""}) {
      for (const char* norm : {"layers.{}.input_layernorm.weight", "layers.{}.post_attention_layernorm.weight",
                               "layers.{}.pre_feedforward_layernorm.weight", "layers.{}.post_feedforward_layernorm.weight", "norm.weight"}) {
        b.rules.push_back({std::string("model.") + norm, prefix + norm, {one}});
      }
      b.rules.push_back({"model.*", prefix + "*", {}});
    }
    b.rules.push_back({"*", "*", {}});
    b.leftovers = {"lm_head.weight"};
    return b;
  }
  // The converter to GGUF has added the one already.
  b.rules = {{"model.embed_tokens.weight", "token_embd.weight", {}},
             {"model.norm.weight", "output_norm.weight", {}},
             {layer + "input_layernorm.weight", "blk.{}.attn_norm.weight", {}},
             {layer + "post_attention_layernorm.weight", "blk.{}.post_attention_norm.weight", {}},
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

Json tiny() {
  return parse_json(R"({"architectures":["Gemma2ForCausalLM"],"model_type":"gemma2","vocab_size":61,"hidden_size":40,
    "intermediate_size":56,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":12,
    "max_position_embeddings":512,"rms_norm_eps":1e-6,"hidden_activation":"gelu_pytorch_tanh","sliding_window":19,
    "query_pre_attn_scalar":20,"attn_logit_softcapping":5.0,"final_logit_softcapping":3.0,"rope_theta":10000.0})", "tiny config");
}

constexpr ModelDef records[] = {{"gemma2", Role::language_model, "sliding and full KV", claims, build, bindings, tiny}};

}  // namespace

extern const ModelFile gemma;
const ModelFile gemma{records};

}  // namespace tashika
