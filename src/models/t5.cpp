// The encoder of T5 (Raffel et al. 2020), of its 1.1 revision and mT5 (Xue et al. 2021: gated GELU), and of UMT5 (Chung et al. 2023:
// a relative bias in every layer). Pre-norm with RMS norms, no biases, scores unscaled; the relative bias of the first layer serves
// all. Checkpoints with a decoder give their encoder.
#include "models/config.h"
#include "models/model_def.h"
#include "nn/encoder.h"
#include "ops/elementwise.h"
#include "ops/layout.h"

namespace tashika {
namespace {

struct Sizes {
  std::int64_t vocab = 0, hidden = 0, inner = 0, layers = 0, heads = 0, head_dim = 0;
  RelativeBuckets buckets;
  bool bias_everywhere = false;
  float eps = 1e-6f;
  Unary act = Unary::relu;
  bool gated = false;
};

struct SelfAttention : Module {
  Linear q, k, v, o;
  Param relative_attention_bias;  // [buckets, heads]
  bool has_bias;
  AttentionConfig config;

  SelfAttention(const Sizes& s, bool bias)
      : q(s.heads * s.head_dim, s.hidden),
        k(s.heads * s.head_dim, s.hidden),
        v(s.heads * s.head_dim, s.hidden),
        o(s.hidden, s.heads * s.head_dim),
        relative_attention_bias({s.buckets.count, s.heads}),
        has_bias(bias) {
    config.hidden = s.hidden;
    config.heads = config.kv_heads = s.heads;
    config.head_dim = s.head_dim;
    config.scale = 1.0f;
    config.causal = false;
  }
  void parts(Visitor& visit) override {
    visit("q", q);
    visit("k", k);
    visit("v", v);
    visit("o", o);
    if (has_bias) visit("relative_attention_bias.weight", relative_attention_bias);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual, Batch& batch, std::size_t layer, const ops::DistanceBias& bias) const {
    const Linear* const maps[] = {&q, &k, &v};
    const std::vector<Tensor> qkv = apply_together(x, maps);
    const Shape heads{x.size(0), config.heads, config.head_dim};
    const Tensor seen = attend(ops::reshape(qkv[0], heads), ops::reshape(qkv[1], heads), ops::reshape(qkv[2], heads), batch, layer, nullptr, config, bias);
    return o(ops::reshape(seen, {x.size(0), config.heads * config.head_dim}), residual);
  }
};

struct Dense : Module {
  Linear wi, gate, wo;
  Unary act;
  bool gated;
  explicit Dense(const Sizes& s) : wi(s.inner, s.hidden), gate(s.inner, s.hidden), wo(s.hidden, s.inner), act(s.act), gated(s.gated) {}
  void parts(Visitor& v) override {
    if (gated) {
      v("wi_0", gate);
      v("wi_1", wi);
    } else {
      v("wi", wi);
    }
    v("wo", wo);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual) const {
    if (!gated) return wo(ops::unary(act, wi(x)), residual);
    const Linear* const maps[] = {&gate, &wi};
    const std::vector<Tensor> both = apply_together(x, maps);
    return wo(ops::gated(act, both[0], both[1]), residual);
  }
};

struct Block : Module {
  SelfAttention attention;
  RmsNorm attention_norm, dense_norm;
  Dense dense;
  Block(const Sizes& s, bool bias) : attention(s, bias), attention_norm(s.hidden, s.eps), dense_norm(s.hidden, s.eps), dense(s) {}
  void parts(Visitor& v) override {
    v("layer.0.SelfAttention", attention);
    v("layer.0.layer_norm", attention_norm);
    v("layer.1.DenseReluDense", dense);
    v("layer.1.layer_norm", dense_norm);
  }
};

struct T5Encoder final : Encoder {
  Sizes sizes;
  Embedding shared;
  std::vector<Block> blocks;
  RmsNorm final_layer_norm;

  explicit T5Encoder(const Sizes& s)
      : Encoder({s.vocab, s.hidden, s.layers, 0}), sizes(s), shared(s.vocab, s.hidden), final_layer_norm(s.hidden, s.eps) {
    for (std::int64_t i = 0; i < s.layers; ++i) blocks.emplace_back(s, i == 0 || s.bias_everywhere);
  }
  void parts(Visitor& v) override {
    v("shared", shared);
    v("encoder.block", blocks);
    v("encoder.final_layer_norm", final_layer_norm);
  }

 protected:
  Tensor trunk(Batch& batch) override {
    const std::int64_t longest = longest_sequence(batch);
    Tensor x = shared(batch.tokens());
    ops::DistanceBias bias;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      batch.runtime().throw_if_cancelled();
      const Block& b = blocks[i];
      if (b.attention.has_bias) bias = sizes.buckets.bias(b.attention.relative_attention_bias, longest);
      x = b.attention(b.attention_norm(x), x, batch, i, bias);
      x = b.dense(b.dense_norm(x), x);
    }
    return final_layer_norm(x);
  }
};

constexpr std::int64_t max_width = std::int64_t{1} << 20;

RelativeBuckets read_buckets(const ConfigReader& reader, const char* count, const char* far) {
  RelativeBuckets b;
  b.count = reader.integer_or(count, 32, 4, 65536);
  if (far != nullptr) b.far = reader.integer_or(far, 128, 1, max_width);
  if (b.far <= b.count / 4) reader.bad(far != nullptr ? far : count, b.far, " is not beyond the exact buckets of ", b.count);
  return b;
}

Sizes read_hf(const Metadata& meta, const WeightSource& weights) {
  const ConfigReader reader(meta.values, meta.origin);
  Sizes s;
  s.vocab = reader.integer("vocab_size", 1, std::int64_t{1} << 24);
  s.hidden = reader.integer("d_model", 1, max_width);
  s.inner = reader.integer("d_ff", 1, max_width);
  s.layers = read_layers(reader, "num_layers", weights);
  s.heads = reader.integer("num_heads", 1, max_width);
  s.head_dim = reader.integer_or("d_kv", 64, 1, 65536);
  s.eps = static_cast<float>(reader.number_or("layer_norm_epsilon", 1e-6));
  s.buckets = read_buckets(reader, "relative_attention_num_buckets", "relative_attention_max_distance");
  std::string act = reader.string_or("feed_forward_proj", "relu");
  if (act == "gated-gelu") act = "gated-gelu_new";  // as the reference reads it
  s.gated = act.starts_with("gated-");
  s.act = activation(s.gated ? act.substr(6) : act);
  return s;
}

Sizes read_gguf(const Metadata& meta, const WeightSource& weights) {
  const ConfigReader reader(meta.values, meta.origin, architecture(meta) + ".");
  Sizes s;
  const WeightInfo* embedding = weights.find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.rank() != 2) fail(weights.origin(), ": tensor token_embd.weight is missing or no matrix");
  s.vocab = embedding->shape[0];
  s.hidden = reader.integer("embedding_length", 1, max_width);
  s.inner = reader.integer("feed_forward_length", 1, max_width);
  s.layers = read_layers(reader, "block_count", weights);
  s.heads = reader.integer("attention.head_count", 1, max_width);
  s.head_dim = reader.integer_or("attention.key_length", std::max<std::int64_t>(1, s.hidden / s.heads), 1, 65536);
  s.eps = static_cast<float>(reader.number_or("attention.layer_norm_rms_epsilon", 1e-6));
  s.buckets = read_buckets(reader, "attention.relative_buckets_count", nullptr);
  s.gated = weights.find("enc.blk.0.ffn_gate.weight") != nullptr;
  s.act = s.gated ? Unary::gelu_tanh : Unary::relu;
  s.bias_everywhere = s.layers > 1 && weights.find("enc.blk.1.attn_rel_b.weight") != nullptr;
  return s;
}

bool claims_t5(const Metadata& meta) {
  for (const auto& [name, type] : {std::pair{"T5", "t5"}, {"MT5", "mt5"}}) {
    if (is_hf(meta, std::string(name) + "EncoderModel", type) || is_hf(meta, std::string(name) + "ForConditionalGeneration", type) ||
        is_hf(meta, std::string(name) + "Model", type)) {
      return true;
    }
  }
  return is_hf(meta, "T5WithLMHeadModel", "t5") || is_gguf(meta, "t5encoder") || is_gguf(meta, "t5");
}
bool claims_umt5(const Metadata& meta) {
  return is_hf(meta, "UMT5EncoderModel", "umt5") || is_hf(meta, "UMT5ForConditionalGeneration", "umt5") || is_hf(meta, "UMT5Model", "umt5");
}

std::unique_ptr<Module> build_t5(const Metadata& meta, const WeightSource& weights) {
  return std::make_unique<T5Encoder>(meta.format == Metadata::Format::gguf ? read_gguf(meta, weights) : read_hf(meta, weights));
}
std::unique_ptr<Module> build_umt5(const Metadata& meta, const WeightSource& weights) {
  Sizes s = read_hf(meta, weights);
  s.bias_everywhere = true;
  return std::make_unique<T5Encoder>(s);
}

Bindings bindings(const Metadata& meta) {
  Bindings b;
  if (meta.format == Metadata::Format::hf) {
    b.rules = {{"shared.weight", "encoder.embed_tokens.weight", {}}};
    b.leftovers = {"decoder.*", "lm_head.weight", "encoder.embed_tokens.weight"};
    return b;
  }
  b.own_names = false;
  const std::string block = "encoder.block.{}.";
  b.rules = {{"shared.weight", "token_embd.weight", {}},
             {"encoder.final_layer_norm.weight", "enc.output_norm.weight", {}},
             {block + "layer.0.layer_norm.weight", "enc.blk.{}.attn_norm.weight", {}},
             {block + "layer.0.SelfAttention.q.weight", "enc.blk.{}.attn_q.weight", {}},
             {block + "layer.0.SelfAttention.k.weight", "enc.blk.{}.attn_k.weight", {}},
             {block + "layer.0.SelfAttention.v.weight", "enc.blk.{}.attn_v.weight", {}},
             {block + "layer.0.SelfAttention.o.weight", "enc.blk.{}.attn_o.weight", {}},
             {block + "layer.0.SelfAttention.relative_attention_bias.weight", "enc.blk.{}.attn_rel_b.weight", {}},
             {block + "layer.1.layer_norm.weight", "enc.blk.{}.ffn_norm.weight", {}},
             {block + "layer.1.DenseReluDense.wi_0.weight", "enc.blk.{}.ffn_gate.weight", {}},
             {block + "layer.1.DenseReluDense.wi_1.weight", "enc.blk.{}.ffn_up.weight", {}},
             {block + "layer.1.DenseReluDense.wi.weight", "enc.blk.{}.ffn_up.weight", {}},
             {block + "layer.1.DenseReluDense.wo.weight", "enc.blk.{}.ffn_down.weight", {}}};
  b.leftovers = {"dec.*", "output.weight"};
  return b;
}

Json tiny_t5() {
  return parse_json(R"({"architectures":["T5EncoderModel"],"model_type":"t5","vocab_size":67,"d_model":40,"d_ff":52,"d_kv":12,
    "num_layers":3,"num_heads":4,"relative_attention_num_buckets":32,"relative_attention_max_distance":128,
    "layer_norm_epsilon":1e-6,"feed_forward_proj":"gated-gelu"})", "tiny config");
}
Json tiny_umt5() {
  return parse_json(R"({"architectures":["UMT5EncoderModel"],"model_type":"umt5","vocab_size":61,"d_model":32,"d_ff":40,"d_kv":10,
    "num_layers":2,"num_heads":3,"relative_attention_num_buckets":16,"relative_attention_max_distance":64,
    "layer_norm_epsilon":1e-6,"feed_forward_proj":"gated-gelu"})", "tiny config");
}

constexpr ModelDef records[] = {{"t5", Role::encoder, "none", claims_t5, build_t5, bindings, tiny_t5},
                                {"umt5", Role::encoder, "none", claims_umt5, build_umt5, bindings, tiny_umt5}};

}  // namespace

extern const ModelFile t5;
const ModelFile t5{records};

}  // namespace tashika
