// BERT (Devlin et al. 2019) and its kin: RoBERTa and XLM-R (Liu et al. 2019; Conneau et al. 2020: positions count from the padding
// id on), DistilBERT (Sanh et al. 2019: no token types, no pooler), MPNet (Song et al. 2020: relative positions besides learned
// ones) and Nomic BERT (Nussbaum et al. 2024: rotary positions, gated MLP, no biases). All are post-norm encoders; token types
// are those of a first segment.
#include <cmath>

#include "models/config.h"
#include "models/model_def.h"
#include "nn/encoder.h"
#include "ops/elementwise.h"
#include "ops/layout.h"

namespace tashika {
namespace {

struct Sizes {
  std::int64_t vocab = 0, hidden = 0, inner = 0, layers = 0, heads = 0;
  std::int64_t positions = 0;  // learned ones; 0: rotary
  std::int64_t types = 0;      // rows of the token types' table; 0: none
  std::int64_t padding = -1;   // at or above 0: positions count from padding + 1, and padding tokens stay at `padding`
  std::int64_t context = 0;
  std::int64_t buckets = 0;    // of relative positions; 0: none
  double rope_theta = 0;
  float eps = 1e-12f;
  Unary act = Unary::gelu;
  bool gated = false;
};

struct SelfAttention : Module {
  Linear query, key, value;
  explicit SelfAttention(const Sizes& s) : query(s.hidden, s.hidden), key(s.hidden, s.hidden), value(s.hidden, s.hidden) {}
  void parts(Visitor& v) override {
    v("query", query);
    v("key", key);
    v("value", value);
  }
};

// norm(dense(x) + residual).
struct NormedOutput : Module {
  Linear dense;
  LayerNorm norm;
  NormedOutput(const Sizes& s, std::int64_t in) : dense(s.hidden, in), norm(s.hidden, s.eps) {}
  void parts(Visitor& v) override {
    v("dense", dense);
    v("LayerNorm", norm);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual) const { return norm(dense(x, residual)); }
};

struct Attended : Module {
  SelfAttention self;
  NormedOutput output;
  explicit Attended(const Sizes& s) : self(s), output(s, s.hidden) {}
  void parts(Visitor& v) override {
    v("self", self);
    v("output", output);
  }
};

struct Intermediate : Module {
  Linear dense, gate;
  Unary act;
  bool gated;
  explicit Intermediate(const Sizes& s) : dense(s.inner, s.hidden), gate(s.inner, s.hidden), act(s.act), gated(s.gated) {}
  void parts(Visitor& v) override {
    v("dense", dense);
    if (gated) v("gate", gate);
  }
  Tensor operator()(const Tensor& x) const {
    if (!gated) return ops::unary(act, dense(x));
    const Linear* const maps[] = {&gate, &dense};
    const std::vector<Tensor> both = apply_together(x, maps);
    return ops::gated(act, both[0], both[1]);
  }
};

struct Layer : Module {
  Attended attention;
  Intermediate intermediate;
  NormedOutput output;
  AttentionConfig config;

  explicit Layer(const Sizes& s) : attention(s), intermediate(s), output(s, s.inner) {
    config.hidden = s.hidden;
    config.heads = config.kv_heads = s.heads;
    config.head_dim = s.hidden / s.heads;
    config.scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
    config.causal = false;
  }
  void parts(Visitor& v) override {
    v("attention", attention);
    v("intermediate", intermediate);
    v("output", output);
  }
  Tensor operator()(const Tensor& x, Batch& batch, std::size_t layer, const Rope* rope, const ops::DistanceBias& bias) const {
    const Linear* const maps[] = {&attention.self.query, &attention.self.key, &attention.self.value};
    const std::vector<Tensor> qkv = apply_together(x, maps);
    const Shape heads{x.size(0), config.heads, config.head_dim};
    const Tensor seen = attend(ops::reshape(qkv[0], heads), ops::reshape(qkv[1], heads), ops::reshape(qkv[2], heads), batch, layer, rope, config, bias);
    const Tensor attended = attention.output(ops::reshape(seen, x.shape()), x);
    return output(intermediate(attended), attended);
  }
};

struct Embeddings : Module {
  Embedding word_embeddings, position_embeddings, token_type_embeddings;
  LayerNorm norm;
  Sizes sizes;
  explicit Embeddings(const Sizes& s)
      : word_embeddings(s.vocab, s.hidden),
        position_embeddings(s.positions, s.hidden),
        token_type_embeddings(s.types, s.hidden),
        norm(s.hidden, s.eps),
        sizes(s) {}
  void parts(Visitor& v) override {
    v("word_embeddings", word_embeddings);
    if (sizes.positions > 0) v("position_embeddings", position_embeddings);
    if (sizes.types > 0) v("token_type_embeddings", token_type_embeddings);
    v("LayerNorm", norm);
  }
  std::vector<std::int32_t> positions(const Batch& batch) const {
    std::vector<std::int32_t> out(batch.positions().begin(), batch.positions().end());
    if (sizes.padding < 0) return out;
    std::size_t row = 0;
    const auto padding = static_cast<std::int32_t>(sizes.padding);
    for (const Slice& slice : batch.slices()) {
      std::int32_t next = padding;
      for (const std::int32_t id : slice.tokens) out[row++] = id == padding ? padding : ++next;
    }
    return out;
  }
  Tensor operator()(Batch& batch) const {
    Tensor x = word_embeddings(batch.tokens());
    Runtime& rt = batch.runtime();
    if (sizes.types > 0) x = ops::add(x, token_type_embeddings(Tensor::from_host(rt, {1}, std::vector<std::int32_t>{0})));
    if (sizes.positions > 0) x = ops::add(x, position_embeddings(Tensor::from_host(rt, {batch.rows()}, positions(batch))));
    return norm(x);
  }
};

struct Pooler : Module {
  Linear dense;
  explicit Pooler(const Sizes& s) : dense(s.hidden, s.hidden) { dense.weight.optional = true; }
  void parts(Visitor& v) override { v("dense", dense); }
};

struct Bert final : Encoder {
  Embeddings embeddings;
  std::vector<Layer> layers;
  Param relative_attention_bias;  // [buckets, heads]
  Pooler pooler;
  Rope rope;

  explicit Bert(const Sizes& s)
      : Encoder({s.vocab, s.hidden, s.layers, s.context}),
        embeddings(s),
        relative_attention_bias({s.buckets, s.heads}),
        pooler(s),
        rope(s.hidden / s.heads / 2 * 2, s.rope_theta > 0 ? s.rope_theta : 10000.0, {}, false) {
    for (std::int64_t i = 0; i < s.layers; ++i) layers.emplace_back(s);
  }
  void parts(Visitor& v) override {
    v("embeddings", embeddings);
    v("encoder.layer", layers);
    if (embeddings.sizes.buckets > 0) v("encoder.relative_attention_bias.weight", relative_attention_bias);
    v("pooler", pooler);
  }
  bool has_pooled() const override { return pooler.dense.weight.value.defined(); }

 protected:
  Tensor trunk(Batch& batch) override {
    const Sizes& s = embeddings.sizes;
    ops::DistanceBias bias;
    if (s.buckets > 0) bias = RelativeBuckets{s.buckets, 128}.bias(relative_attention_bias, longest_sequence(batch));
    Tensor x = embeddings(batch);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      batch.runtime().throw_if_cancelled();
      x = layers[i](x, batch, i, s.rope_theta > 0 ? &rope : nullptr, bias);
    }
    return x;
  }
  Tensor pool(Batch& batch, const Tensor& hidden) override {
    if (!has_pooled()) return Encoder::pool(batch, hidden);
    const std::vector<std::int64_t> first(batch.slices().size(), 0);
    return ops::tanh(pooler.dense(pick_rows(batch, hidden, first)));
  }
};

constexpr std::int64_t max_width = std::int64_t{1} << 20;
constexpr std::int64_t most = std::int64_t{1} << 32;

void check_heads(const ConfigReader& reader, const Sizes& s) {
  if (s.hidden % s.heads != 0) reader.bad("num_attention_heads", s.heads, " does not divide the width ", s.hidden);
}

// The fields that all but DistilBERT spell alike.
Sizes read_hf(const ConfigReader& reader, const WeightSource& weights) {
  Sizes s;
  s.vocab = reader.integer("vocab_size", 1, std::int64_t{1} << 24);
  s.hidden = reader.integer("hidden_size", 1, max_width);
  s.inner = reader.integer("intermediate_size", 1, max_width);
  s.layers = read_layers(reader, "num_hidden_layers", weights);
  s.heads = reader.integer("num_attention_heads", 1, max_width);
  s.positions = s.context = reader.integer_or("max_position_embeddings", 512, 1, most);
  s.types = reader.integer_or("type_vocab_size", 2, 1, max_width);
  s.eps = static_cast<float>(reader.number_or("layer_norm_eps", 1e-12));
  s.act = activation(reader.string_or("hidden_act", "gelu"));
  if (const std::string kind = reader.string_or("position_embedding_type", "absolute"); kind != "absolute") {
    reader.bad("position_embedding_type", "\"", kind, "\" is not supported; known: absolute");
  }
  if (reader.boolean_or("is_decoder", false)) reader.bad("is_decoder", "only encoders are supported");
  check_heads(reader, s);
  return s;
}

void count_from_padding(const ConfigReader& reader, Sizes& s, std::int64_t padding) {
  s.padding = padding;
  s.context = s.positions - padding - 1;
  if (s.context < 1) reader.bad("max_position_embeddings", s.positions, " positions leave none after the padding id ", padding);
}

Sizes read_gguf(const ConfigReader& reader, const WeightSource& weights) {
  Sizes s;
  const WeightInfo* embedding = weights.find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.rank() != 2) fail(weights.origin(), ": tensor token_embd.weight is missing or no matrix");
  s.vocab = embedding->shape[0];
  s.hidden = reader.integer("embedding_length", 1, max_width);
  s.inner = reader.integer("feed_forward_length", 1, max_width);
  s.layers = read_layers(reader, "block_count", weights);
  s.heads = reader.integer("attention.head_count", 1, max_width);
  s.context = reader.integer_or("context_length", 512, 1, most);
  s.eps = static_cast<float>(reader.number_or("attention.layer_norm_epsilon", 1e-12));
  if (const WeightInfo* table = weights.find("position_embd.weight")) s.positions = s.context = table->shape[0];
  if (const WeightInfo* table = weights.find("token_types.weight")) s.types = table->shape[0];
  if (reader.boolean_or("attention.causal", false)) reader.bad("attention.causal", "only encoders that see both ways are supported");
  check_heads(reader, s);
  return s;
}

bool claims_bert(const Metadata& meta) {
  return is_hf(meta, "BertModel", "bert") || is_hf(meta, "BertForMaskedLM", "bert") || is_hf(meta, "BertForPreTraining", "bert") || is_gguf(meta, "bert");
}
bool claims_roberta(const Metadata& meta) {
  for (const auto& [name, type] : {std::pair{"Roberta", "roberta"}, {"XLMRoberta", "xlm-roberta"}, {"Camembert", "camembert"}}) {
    if (is_hf(meta, std::string(name) + "Model", type) || is_hf(meta, std::string(name) + "ForMaskedLM", type)) return true;
  }
  return false;
}
bool claims_distilbert(const Metadata& meta) { return is_hf(meta, "DistilBertModel", "distilbert") || is_hf(meta, "DistilBertForMaskedLM", "distilbert"); }
bool claims_mpnet(const Metadata& meta) { return is_hf(meta, "MPNetModel", "mpnet") || is_hf(meta, "MPNetForMaskedLM", "mpnet"); }
bool claims_nomic(const Metadata& meta) {
  return is_hf(meta, "NomicBertModel", "nomic_bert") || is_hf(meta, "NomicBertForMaskedLM", "nomic_bert") || is_gguf(meta, "nomic-bert");
}

std::unique_ptr<Module> build_bert(const Metadata& meta, const WeightSource& weights) {
  if (meta.format == Metadata::Format::gguf) {
    const Sizes s = read_gguf(ConfigReader(meta.values, meta.origin, "bert."), weights);
    if (s.positions == 0) fail(weights.origin(), ": tensor position_embd.weight is missing");
    return std::make_unique<Bert>(s);
  }
  return std::make_unique<Bert>(read_hf(ConfigReader(meta.values, meta.origin), weights));
}

std::unique_ptr<Module> build_roberta(const Metadata& meta, const WeightSource& weights) {
  const ConfigReader reader(meta.values, meta.origin);
  Sizes s = read_hf(reader, weights);
  count_from_padding(reader, s, reader.integer_or("pad_token_id", 1, 0, max_width));
  return std::make_unique<Bert>(s);
}

std::unique_ptr<Module> build_distilbert(const Metadata& meta, const WeightSource& weights) {
  const ConfigReader reader(meta.values, meta.origin);
  Sizes s;
  s.vocab = reader.integer("vocab_size", 1, std::int64_t{1} << 24);
  s.hidden = reader.integer("dim", 1, max_width);
  s.inner = reader.integer("hidden_dim", 1, max_width);
  s.layers = read_layers(reader, "n_layers", weights);
  s.heads = reader.integer("n_heads", 1, max_width);
  s.positions = s.context = reader.integer_or("max_position_embeddings", 512, 1, most);
  s.act = activation(reader.string_or("activation", "gelu"));
  check_heads(reader, s);
  return std::make_unique<Bert>(s);
}

std::unique_ptr<Module> build_mpnet(const Metadata& meta, const WeightSource& weights) {
  const ConfigReader reader(meta.values, meta.origin);
  Sizes s = read_hf(reader, weights);
  s.types = 0;
  s.buckets = reader.integer_or("relative_attention_num_buckets", 32, 4, 65536);
  count_from_padding(reader, s, 1);  // whatever pad_token_id says
  return std::make_unique<Bert>(s);
}

// Configs of transformers' own class and those published with the first checkpoints.
std::unique_ptr<Module> build_nomic(const Metadata& meta, const WeightSource& weights) {
  Sizes s;
  if (meta.format == Metadata::Format::gguf) {
    const ConfigReader reader(meta.values, meta.origin, "nomic-bert.");
    s = read_gguf(reader, weights);
    s.rope_theta = reader.number_or("rope.freq_base", 1000.0);
  } else {
    const ConfigReader reader(meta.values, meta.origin);
    if (reader.has("n_embd")) {
      s.vocab = reader.integer("vocab_size", 1, std::int64_t{1} << 24);
      s.hidden = reader.integer("n_embd", 1, max_width);
      s.inner = reader.integer("n_inner", 1, max_width);
      s.layers = read_layers(reader, "n_layer", weights);
      s.heads = reader.integer("n_head", 1, max_width);
      s.context = reader.integer_or("n_positions", 2048, 1, most);
      s.types = reader.integer_or("type_vocab_size", 2, 1, max_width);
      s.eps = static_cast<float>(reader.number_or("layer_norm_epsilon", 1e-12));
      s.rope_theta = reader.number_or("rotary_emb_base", 1000.0);
      const std::string act = reader.string_or("activation_function", "swiglu");
      if (act != "swiglu") reader.bad("activation_function", "\"", act, "\" is not supported; known: swiglu");
      if (reader.number_or("rotary_emb_fraction", 1.0) != 1.0) reader.bad("rotary_emb_fraction", "only 1 is supported");
      if (reader.boolean_or("rotary_emb_interleaved", false)) reader.bad("rotary_emb_interleaved", "only false is supported");
      if (reader.boolean_or("prenorm", false)) reader.bad("prenorm", "only false is supported");
    } else {
      s = read_hf(reader, weights);
      s.rope_theta = reader.number_or("rope_theta", 1000.0);
      if (const Json* rope = reader.object("rope_parameters")) {
        const ConfigReader nested(*rope, reader.origin() + ": rope_parameters");
        s.rope_theta = nested.number_or("rope_theta", s.rope_theta);
        if (const std::string kind = nested.string_or("rope_type", "default"); kind != "default") {
          nested.bad("rope_type", "\"", kind, "\" is not supported; known: default");
        }
      }
    }
    check_heads(reader, s);
    s.act = Unary::silu;
    if (reader.has("hidden_act")) s.act = activation(reader.string_or("hidden_act", "silu"));
  }
  if (meta.format == Metadata::Format::gguf) s.act = Unary::silu;
  s.gated = true;
  s.positions = 0;
  if (!(s.rope_theta > 0)) fail(meta.origin, ": the base of the rotary frequencies must be positive");
  return std::make_unique<Bert>(s);
}

Bindings gguf_bindings() {
  Bindings b;
  b.own_names = false;
  const std::string layer = "encoder.layer.{}.";
  b.rules = {{"embeddings.word_embeddings.weight", "token_embd.weight", {}},
             {"embeddings.position_embeddings.weight", "position_embd.weight", {}},
             {"embeddings.token_type_embeddings.weight", "token_types.weight", {}},
             {"embeddings.LayerNorm.*", "token_embd_norm.*", {}},
             {layer + "attention.self.query.*", "blk.{}.attn_q.*", {}},
             {layer + "attention.self.key.*", "blk.{}.attn_k.*", {}},
             {layer + "attention.self.value.*", "blk.{}.attn_v.*", {}},
             {layer + "attention.self.query.*", "blk.{}.attn_qkv.*", {{BindStep::Kind::part, 0, 0, 3}}},
             {layer + "attention.self.key.*", "blk.{}.attn_qkv.*", {{BindStep::Kind::part, 0, 1, 3}}},
             {layer + "attention.self.value.*", "blk.{}.attn_qkv.*", {{BindStep::Kind::part, 0, 2, 3}}},
             {layer + "attention.output.dense.*", "blk.{}.attn_output.*", {}},
             {layer + "attention.output.LayerNorm.*", "blk.{}.attn_output_norm.*", {}},
             {layer + "intermediate.dense.*", "blk.{}.ffn_up.*", {}},
             {layer + "intermediate.gate.*", "blk.{}.ffn_gate.*", {}},
             {layer + "output.dense.*", "blk.{}.ffn_down.*", {}},
             {layer + "output.LayerNorm.*", "blk.{}.layer_output_norm.*", {}}};
  return b;
}

// Module names to the file's, each also behind the prefix that models with a head put before it. Tensors of the head may stay.
Bindings named(const std::vector<std::pair<std::string, std::string>>& names, const char* prefix, std::vector<std::string> heads) {
  Bindings b;
  for (const std::string& front : {std::string(), std::string(prefix) + "."}) {
    for (const auto& [ours, theirs] : names) b.rules.push_back({ours, front + theirs, {}});
  }
  b.leftovers = std::move(heads);
  b.leftovers.emplace_back("embeddings.position_ids");
  b.leftovers.push_back(std::string(prefix) + ".embeddings.position_ids");
  return b;
}

Bindings bindings_bert(const Metadata& meta) {
  if (meta.format == Metadata::Format::gguf) return gguf_bindings();
  // The oldest checkpoints call a norm's weight and bias gamma and beta.
  const std::string layer = "encoder.layer.{}.";
  std::vector<std::pair<std::string, std::string>> names{{"*", "*"}};
  for (const std::string& norm : {std::string("embeddings.LayerNorm."), layer + "attention.output.LayerNorm.", layer + "output.LayerNorm."}) {
    names.emplace_back(norm + "weight", norm + "gamma");
    names.emplace_back(norm + "bias", norm + "beta");
  }
  return named(names, "bert", {"cls.*"});
}

Bindings bindings_roberta(const Metadata& /*meta*/) { return named({{"*", "*"}}, "roberta", {"lm_head.*", "embeddings.token_type_ids"}); }

Bindings bindings_distilbert(const Metadata& /*meta*/) {
  const std::string ours = "encoder.layer.{}.", theirs = "transformer.layer.{}.";
  return named({{"embeddings.*", "embeddings.*"},
                {ours + "attention.self.query.*", theirs + "attention.q_lin.*"},
                {ours + "attention.self.key.*", theirs + "attention.k_lin.*"},
                {ours + "attention.self.value.*", theirs + "attention.v_lin.*"},
                {ours + "attention.output.dense.*", theirs + "attention.out_lin.*"},
                {ours + "attention.output.LayerNorm.*", theirs + "sa_layer_norm.*"},
                {ours + "intermediate.dense.*", theirs + "ffn.lin1.*"},
                {ours + "output.dense.*", theirs + "ffn.lin2.*"},
                {ours + "output.LayerNorm.*", theirs + "output_layer_norm.*"}},
               "distilbert", {"vocab_transform.*", "vocab_layer_norm.*", "vocab_projector.*"});
}

Bindings bindings_mpnet(const Metadata& /*meta*/) {
  const std::string layer = "encoder.layer.{}.";
  return named({{layer + "attention.self.query.*", layer + "attention.attn.q.*"},
                {layer + "attention.self.key.*", layer + "attention.attn.k.*"},
                {layer + "attention.self.value.*", layer + "attention.attn.v.*"},
                {layer + "attention.output.dense.*", layer + "attention.attn.o.*"},
                {layer + "attention.output.LayerNorm.*", layer + "attention.LayerNorm.*"},
                {"*", "*"}},
               "mpnet", {"lm_head.*"});
}

Bindings bindings_nomic(const Metadata& meta) {
  if (meta.format == Metadata::Format::gguf) return gguf_bindings();
  const std::string ours = "encoder.layer.{}.";
  Bindings b;
  for (const std::string prefix : {"", "bert.", "model.", "nomic_bert."}) {
    const std::string first = prefix + "encoder.layers.{}.", second = prefix + "layers.{}.";
    const std::vector<std::pair<std::string, std::string>> names{
        {"embeddings.LayerNorm.*", prefix + "emb_ln.*"},
        {ours + "attention.output.dense.*", first + "attn.out_proj.*"},
        {ours + "attention.output.LayerNorm.*", first + "norm1.*"},
        {ours + "intermediate.dense.*", first + "mlp.fc11.*"},
        {ours + "intermediate.gate.*", first + "mlp.fc12.*"},
        {ours + "output.dense.*", first + "mlp.fc2.*"},
        {ours + "output.LayerNorm.*", first + "norm2.*"},
        {ours + "attention.self.query.*", second + "self_attn.q_proj.*"},
        {ours + "attention.self.key.*", second + "self_attn.k_proj.*"},
        {ours + "attention.self.value.*", second + "self_attn.v_proj.*"},
        {ours + "attention.output.dense.*", second + "self_attn.o_proj.*"},
        {ours + "attention.output.LayerNorm.*", second + "post_attention_layernorm.*"},
        {ours + "intermediate.dense.*", second + "mlp.up_proj.*"},
        {ours + "intermediate.gate.*", second + "mlp.gate_proj.*"},
        {ours + "output.dense.*", second + "mlp.down_proj.*"},
        {ours + "output.LayerNorm.*", second + "post_mlp_layernorm.*"},
        {"*", prefix + "*"}};
    for (const auto& [to, from] : names) b.rules.push_back({to, from, {}});
    int part = 0;
    for (const char* name : {"query", "key", "value"}) {
      b.rules.push_back({ours + "attention.self." + name + ".*", first + "attn.Wqkv.*", {{BindStep::Kind::part, 0, part++, 3}}});
    }
  }
  b.leftovers = {"cls.*", "lm_head.*", "embeddings.position_ids"};
  return b;
}

GgufFacts gguf_facts(std::string_view arch, const Module& built) {
  const Sizes& s = static_cast<const Bert&>(built).embeddings.sizes;
  GgufFacts facts{std::string(arch)};
  facts.set("block_count", s.layers);
  facts.set("context_length", s.context);
  facts.set("embedding_length", s.hidden);
  facts.set("feed_forward_length", s.inner);
  facts.set("attention.head_count", s.heads);
  facts.set("attention.layer_norm_epsilon", double{s.eps});
  facts.set("attention.causal", false);
  facts.set("vocab_size", s.vocab);
  facts.values.set("tokenizer.ggml.token_type_count", s.types);
  facts.left_out = {"pooler.*"};
  return facts;
}

GgufFacts gguf_bert(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build_bert(meta, weights);
  if (static_cast<const Bert&>(*built).embeddings.sizes.act != Unary::gelu) fail(meta.origin, ": hidden_act: GGUF's form of this family knows gelu only");
  return gguf_facts("bert", *built);
}

GgufFacts gguf_nomic(const Metadata& meta, const WeightSource& weights) {
  const std::unique_ptr<Module> built = build_nomic(meta, weights);
  const Sizes& s = static_cast<const Bert&>(*built).embeddings.sizes;
  if (s.act != Unary::silu) fail(meta.origin, ": hidden_act: GGUF's form of this family knows silu only");
  GgufFacts facts = gguf_facts("nomic-bert", *built);
  facts.set("rope.freq_base", s.rope_theta);
  return facts;
}

Json tiny_bert() {
  return parse_json(R"({"architectures":["BertModel"],"model_type":"bert","vocab_size":71,"hidden_size":40,"intermediate_size":52,
    "num_hidden_layers":2,"num_attention_heads":4,"max_position_embeddings":160,"type_vocab_size":2,"layer_norm_eps":1e-12,
    "hidden_act":"gelu"})", "tiny config");
}
Json tiny_roberta() {
  return parse_json(R"({"architectures":["XLMRobertaModel"],"model_type":"xlm-roberta","vocab_size":67,"hidden_size":36,
    "intermediate_size":44,"num_hidden_layers":2,"num_attention_heads":3,"max_position_embeddings":162,"type_vocab_size":1,
    "layer_norm_eps":1e-5,"hidden_act":"gelu","pad_token_id":1})", "tiny config");
}
Json tiny_distilbert() {
  return parse_json(R"({"architectures":["DistilBertModel"],"model_type":"distilbert","vocab_size":61,"dim":36,"hidden_dim":50,
    "n_layers":2,"n_heads":2,"max_position_embeddings":160,"activation":"gelu"})", "tiny config");
}
Json tiny_mpnet() {
  return parse_json(R"({"architectures":["MPNetModel"],"model_type":"mpnet","vocab_size":59,"hidden_size":32,"intermediate_size":40,
    "num_hidden_layers":2,"num_attention_heads":4,"max_position_embeddings":162,"layer_norm_eps":1e-5,"hidden_act":"gelu",
    "relative_attention_num_buckets":32})", "tiny config");
}
Json tiny_nomic() {
  return parse_json(R"({"architectures":["NomicBertModel"],"model_type":"nomic_bert","vocab_size":73,"hidden_size":40,
    "intermediate_size":56,"num_hidden_layers":2,"num_attention_heads":4,"max_position_embeddings":2048,"type_vocab_size":2,
    "layer_norm_eps":1e-12,"hidden_act":"silu"})", "tiny config");
}

constexpr ModelDef records[] = {{"bert", Role::encoder, "none", claims_bert, build_bert, bindings_bert, tiny_bert, gguf_bert},
                                {"roberta", Role::encoder, "none", claims_roberta, build_roberta, bindings_roberta, tiny_roberta},
                                {"distilbert", Role::encoder, "none", claims_distilbert, build_distilbert, bindings_distilbert, tiny_distilbert},
                                {"mpnet", Role::encoder, "none", claims_mpnet, build_mpnet, bindings_mpnet, tiny_mpnet},
                                {"nomic_bert", Role::encoder, "none", claims_nomic, build_nomic, bindings_nomic, tiny_nomic, gguf_nomic}};

}  // namespace

extern const ModelFile bert;
const ModelFile bert{records};

}  // namespace tashika
