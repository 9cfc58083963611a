// The text half of CLIP (Radford et al. 2021): CLIP-L with its quick GELU, OpenCLIP-H with the exact one. A causal pre-norm
// transformer with learned positions; the pooled output is the state at the end of the text, projected where the checkpoint has a
// projection.
#include <algorithm>
#include <cmath>

#include "models/config.h"
#include "models/model_def.h"
#include "nn/encoder.h"
#include "ops/elementwise.h"
#include "ops/layout.h"

namespace tashika {
namespace {

struct Sizes {
  std::int64_t vocab = 0, hidden = 0, inner = 0, layers = 0, heads = 0, positions = 0;
  std::int64_t projection = 0;  // width of the projected output; 0: none
  std::int32_t end = 0;         // id that ends a text
  float eps = 1e-5f;
  Unary act = Unary::gelu_quick;
};

struct Block : Module {
  LayerNorm layer_norm1, layer_norm2;
  Linear q_proj, k_proj, v_proj, out_proj, fc1, fc2;
  AttentionConfig config;
  Unary act;

  explicit Block(const Sizes& s)
      : layer_norm1(s.hidden, s.eps),
        layer_norm2(s.hidden, s.eps),
        q_proj(s.hidden, s.hidden),
        k_proj(s.hidden, s.hidden),
        v_proj(s.hidden, s.hidden),
        out_proj(s.hidden, s.hidden),
        fc1(s.inner, s.hidden),
        fc2(s.hidden, s.inner),
        act(s.act) {
    config.hidden = s.hidden;
    config.heads = config.kv_heads = s.heads;
    config.head_dim = s.hidden / s.heads;
    config.scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
  }
  void parts(Visitor& v) override {
    v("layer_norm1", layer_norm1);
    v("self_attn.q_proj", q_proj);
    v("self_attn.k_proj", k_proj);
    v("self_attn.v_proj", v_proj);
    v("self_attn.out_proj", out_proj);
    v("layer_norm2", layer_norm2);
    v("mlp.fc1", fc1);
    v("mlp.fc2", fc2);
  }
  Tensor operator()(const Tensor& x, Batch& batch, std::size_t layer) const {
    const Linear* const maps[] = {&q_proj, &k_proj, &v_proj};
    const std::vector<Tensor> qkv = apply_together(layer_norm1(x), maps);
    const Shape heads{x.size(0), config.heads, config.head_dim};
    const Tensor seen = attend(ops::reshape(qkv[0], heads), ops::reshape(qkv[1], heads), ops::reshape(qkv[2], heads), batch, layer, nullptr, config);
    const Tensor attended = out_proj(ops::reshape(seen, x.shape()), x);
    return fc2(ops::unary(act, fc1(layer_norm2(attended))), attended);
  }
};

struct ClipText final : Encoder {
  Sizes sizes;
  Embedding token_embedding, position_embedding;
  std::vector<Block> layers;
  LayerNorm final_layer_norm;
  Linear text_projection;

  explicit ClipText(const Sizes& s)
      : Encoder({s.vocab, s.hidden, s.layers, s.positions}),
        sizes(s),
        token_embedding(s.vocab, s.hidden),
        position_embedding(s.positions, s.hidden),
        final_layer_norm(s.hidden, s.eps),
        text_projection(s.projection, s.hidden) {
    for (std::int64_t i = 0; i < s.layers; ++i) layers.emplace_back(s);
  }
  void parts(Visitor& v) override {
    v("text_model.embeddings.token_embedding", token_embedding);
    v("text_model.embeddings.position_embedding", position_embedding);
    v("text_model.encoder.layers", layers);
    v("text_model.final_layer_norm", final_layer_norm);
    if (sizes.projection > 0) v("text_projection", text_projection);
  }
  bool has_pooled() const override { return true; }
  bool pools_texts() const override { return true; }

 protected:
  Tensor trunk(Batch& batch) override {
    const Tensor positions = Tensor::from_host(batch.runtime(), {batch.rows()}, batch.positions());
    Tensor x = ops::add(token_embedding(batch.tokens()), position_embedding(positions));
    for (std::size_t i = 0; i < layers.size(); ++i) {
      batch.runtime().throw_if_cancelled();
      x = layers[i](x, batch, i);
    }
    return final_layer_norm(x);
  }
  Tensor pool(Batch& batch, const Tensor& hidden) override {
    std::vector<std::int64_t> at;
    for (const Slice& slice : batch.slices()) {
      // Configs from before the end's id was right say 2; their texts end at the largest id, which is the true end's. Else the
      // first end counts, and without any the first token, as in the reference.
      const auto begin = slice.tokens.begin(), last = slice.tokens.end();
      const auto found = sizes.end == 2 ? std::max_element(begin, last) : std::find(begin, last, sizes.end);
      at.push_back(found == last ? 0 : found - begin);
    }
    const Tensor ends = pick_rows(batch, hidden, at);
    return sizes.projection > 0 ? text_projection(ends) : ends;
  }
};

bool is_pair(const Metadata& meta) { return is_hf(meta, "CLIPModel", "clip"); }
bool claims(const Metadata& meta) {
  return is_pair(meta) || is_hf(meta, "CLIPTextModel", "clip_text_model") || is_hf(meta, "CLIPTextModelWithProjection", "clip_text_model");
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) {
  constexpr std::int64_t max_width = std::int64_t{1} << 20;
  const ConfigReader top(meta.values, meta.origin);
  const Json* nested = top.object("text_config_dict");  // where both are given it wins, as in the reference
  if (nested == nullptr) nested = top.object("text_config");
  const ConfigReader reader(nested ? *nested : meta.values, nested ? meta.origin + ": text_config" : meta.origin);
  Sizes s;
  // Published configs leave out what is at its default.
  s.vocab = reader.integer_or("vocab_size", 49408, 1, std::int64_t{1} << 24);
  s.hidden = reader.integer_or("hidden_size", 512, 1, max_width);
  s.inner = reader.integer_or("intermediate_size", 2048, 1, max_width);
  s.layers = reader.has("num_hidden_layers") ? read_layers(reader, "num_hidden_layers", weights) : 12;
  s.heads = reader.integer_or("num_attention_heads", 8, 1, max_width);
  s.positions = reader.integer_or("max_position_embeddings", 77, 1, std::int64_t{1} << 32);
  s.eps = static_cast<float>(reader.number_or("layer_norm_eps", 1e-5));
  s.act = activation(reader.string_or("hidden_act", "quick_gelu"));
  s.end = static_cast<std::int32_t>(reader.integer_or("eos_token_id", 49407, 0, std::int64_t{1} << 24));
  if (s.hidden % s.heads != 0) reader.bad("num_attention_heads", s.heads, " does not divide hidden_size ", s.hidden);
  if (is_pair(meta)) s.projection = top.integer_or("projection_dim", 512, 1, max_width);
  else if (weights.find("text_projection.weight") != nullptr) s.projection = reader.integer_or("projection_dim", 512, 1, max_width);
  return std::make_unique<ClipText>(s);
}

Bindings bindings(const Metadata& /*meta*/) {
  Bindings b;
  b.rules = {{"text_model.*", "*", {}}};
  b.leftovers = {"vision_model.*", "visual_projection.*", "logit_scale", "text_model.embeddings.position_ids", "embeddings.position_ids"};
  return b;
}

Json tiny() {
  return parse_json(R"({"architectures":["CLIPTextModel"],"model_type":"clip_text_model","vocab_size":67,"hidden_size":36,
    "intermediate_size":52,"num_hidden_layers":2,"num_attention_heads":3,"max_position_embeddings":160,"layer_norm_eps":1e-5,
    "hidden_act":"quick_gelu","eos_token_id":66})", "tiny config");
}

constexpr ModelDef records[] = {{"clip_text", Role::encoder, "none", claims, build, bindings, tiny}};

}  // namespace

extern const ModelFile clip_text;
const ModelFile clip_text{records};

}  // namespace tashika
