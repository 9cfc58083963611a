// GPT-2 (Radford et al. 2019) and GPTBigCode (Ben Allal et al. 2023: StarCoder, Granite Code 20B and 34B):
// pre-norm decoder with LayerNorm, learned positions, a GELU MLP and a tied head. GPTBigCode stores
// plain Linears and may share one key and value head among all queries.
#include <cmath>

#include "models/config.h"
#include "models/model_def.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/matmul.h"

namespace tashika {
namespace {

struct Sizes {
  std::int64_t vocab = 0, hidden = 0, inner = 0, layers = 0, heads = 0, positions = 0;
  bool shared_key = false;     // one key and value head
  bool by_head = false;        // c_attn's rows lie head by head: [q k v] of head 0, then of head 1, …
  bool tied = true;
  float eps = 1e-5f;
  Unary act = Unary::gelu_tanh;
};

struct FusedAttention : Module {
  Linear c_attn, c_proj;
  AttentionConfig config;
  bool by_head = false;

  explicit FusedAttention(const Sizes& s) : by_head(s.by_head) {
    config.hidden = s.hidden;
    config.heads = s.heads;
    config.kv_heads = s.shared_key ? 1 : s.heads;
    config.head_dim = s.hidden / s.heads;
    config.scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
    c_attn = Linear((config.heads + 2 * config.kv_heads) * config.head_dim, s.hidden);
    c_proj = Linear(s.hidden, s.hidden);
  }
  void parts(Visitor& v) override {
    v("c_attn", c_attn);
    v("c_proj", c_proj);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual, Batch& batch, std::size_t layer) const {
    const std::int64_t rows = x.size(0), dim = config.head_dim, heads = config.heads, kv = config.kv_heads;
    const Tensor all = c_attn(x);
    Tensor q, k, v;
    if (by_head) {
      const Tensor split = ops::reshape(all, {rows, heads, 3, dim});
      q = ops::reshape(ops::slice(split, 2, 0, 1), {rows, heads, dim});
      k = ops::reshape(ops::slice(split, 2, 1, 2), {rows, heads, dim});
      v = ops::reshape(ops::slice(split, 2, 2, 3), {rows, heads, dim});
    } else {
      q = ops::reshape(ops::slice(all, 1, 0, heads * dim), {rows, heads, dim});
      k = ops::reshape(ops::slice(all, 1, heads * dim, (heads + kv) * dim), {rows, kv, dim});
      v = ops::reshape(ops::slice(all, 1, (heads + kv) * dim, (heads + 2 * kv) * dim), {rows, kv, dim});
    }
    const Tensor out = attend(q, k, v, batch, layer, nullptr, config);
    return c_proj(ops::reshape(out, {rows, heads * dim}), residual);
  }
};

struct Mlp : Module {
  Linear c_fc, c_proj;
  Unary act;
  explicit Mlp(const Sizes& s) : c_fc(s.inner, s.hidden), c_proj(s.hidden, s.inner), act(s.act) {}
  void parts(Visitor& v) override {
    v("c_fc", c_fc);
    v("c_proj", c_proj);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual) const { return c_proj(ops::unary(act, c_fc(x)), residual); }
};

struct Block : Module {
  LayerNorm ln_1, ln_2;
  FusedAttention attn;
  Mlp mlp;
  explicit Block(const Sizes& s) : ln_1(s.hidden, s.eps), ln_2(s.hidden, s.eps), attn(s), mlp(s) {}
  void parts(Visitor& v) override {
    v("ln_1", ln_1);
    v("attn", attn);
    v("ln_2", ln_2);
    v("mlp", mlp);
  }
};

struct Gpt2 final : LanguageModel {
  Sizes sizes;
  Embedding wte, wpe;
  std::vector<Block> h;
  LayerNorm ln_f;
  Linear lm_head;

  explicit Gpt2(const Sizes& s)
      : LanguageModel({s.vocab, s.hidden, s.layers, s.positions}),
        sizes(s),
        wte(s.vocab, s.hidden),
        wpe(s.positions, s.hidden),
        ln_f(s.hidden, s.eps),
        lm_head(s.vocab, s.hidden) {
    for (std::int64_t i = 0; i < s.layers; ++i) h.emplace_back(s);
  }
  void parts(Visitor& v) override {
    v("transformer.wte", wte);
    v("transformer.wpe", wpe);
    v("transformer.h", h);
    v("transformer.ln_f", ln_f);
    if (!sizes.tied) v("lm_head", lm_head);
  }

 protected:
  Tensor trunk(Batch& batch) override {
    for (const std::int32_t p : batch.positions()) {
      if (p >= sizes.positions) {
        fail_with(ErrorKind::limit, cat("position ", p, " is beyond the ", sizes.positions, " that this model has learned: use a shorter text"));
      }
    }
    const Tensor positions = Tensor::from_host(batch.runtime(), {batch.rows()}, batch.positions());
    Tensor x = ops::add(wte(batch.tokens()), wpe(positions));
    for (std::size_t i = 0; i < h.size(); ++i) {
      batch.runtime().throw_if_cancelled();
      x = h[i].attn(h[i].ln_1(x), x, batch, i);
      x = h[i].mlp(h[i].ln_2(x), x);
    }
    return ln_f(x);
  }
  Tensor head(const Tensor& hidden) override { return sizes.tied ? ops::linear(hidden, wte.weight) : lm_head(hidden); }
  std::unique_ptr<LayerState> new_layer_state(std::int64_t layer, std::shared_ptr<PagePool> pool, const StateOptions& options) const override {
    return new_cache(h[static_cast<std::size_t>(layer)].attn.config, std::move(pool), options);
  }
};

constexpr std::int64_t max_width = std::int64_t{1} << 20;

Sizes read_hf(const ConfigReader& reader, const WeightSource& weights) {
  Sizes s;
  s.vocab = reader.integer("vocab_size", 1, std::int64_t{1} << 24);
  s.hidden = reader.integer("n_embd", 1, max_width);
  s.inner = reader.integer_or("n_inner", 4 * s.hidden, 1, 4 * max_width);
  s.layers = read_layers(reader, "n_layer", weights);
  s.heads = reader.integer("n_head", 1, max_width);
  s.positions = reader.integer("n_positions", 1, std::int64_t{1} << 32);
  if (s.hidden % s.heads != 0) reader.bad("n_head", s.heads, " does not divide n_embd ", s.hidden);
  s.eps = static_cast<float>(reader.number_or("layer_norm_epsilon", 1e-5));
  s.tied = reader.boolean_or("tie_word_embeddings", true);
  if (!reader.boolean_or("scale_attn_weights", true) || reader.boolean_or("scale_attn_by_inverse_layer_idx", false)) {
    reader.bad("scale_attn_weights", "only the usual scaling by 1/√head_dim is supported");
  }
  return s;
}

Sizes read_gguf(const ConfigReader& reader, const WeightSource& weights) {
  Sizes s;
  s.hidden = reader.integer("embedding_length", 1, max_width);
  s.inner = reader.integer("feed_forward_length", 1, 4 * max_width);
  s.layers = read_layers(reader, "block_count", weights);
  s.heads = reader.integer("attention.head_count", 1, max_width);
  s.positions = reader.integer("context_length", 1, std::int64_t{1} << 32);
  if (s.hidden % s.heads != 0) reader.bad("attention.head_count", s.heads, " does not divide the width ", s.hidden);
  s.eps = static_cast<float>(reader.number_or("attention.layer_norm_epsilon", 1e-5));
  s.shared_key = reader.integer_or("attention.head_count_kv", s.heads, 1, s.heads) == 1 && s.heads > 1;
  const WeightInfo* embedding = weights.find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.rank() != 2) fail(weights.origin(), ": tensor token_embd.weight is missing or no matrix");
  s.vocab = embedding->shape[0];
  s.tied = weights.find("output.weight") == nullptr;
  return s;
}

bool claims_gpt2(const Metadata& meta) { return is_hf(meta, "GPT2LMHeadModel", "gpt2") || is_gguf(meta, "gpt2"); }
bool claims_bigcode(const Metadata& meta) { return is_hf(meta, "GPTBigCodeForCausalLM", "gpt_bigcode") || is_gguf(meta, "starcoder"); }

std::unique_ptr<Module> build_gpt2(const Metadata& meta, const WeightSource& weights) {
  if (meta.format == Metadata::Format::gguf) return std::make_unique<Gpt2>(read_gguf(ConfigReader(meta.values, meta.origin, "gpt2."), weights));
  const ConfigReader reader(meta.values, meta.origin);
  Sizes s = read_hf(reader, weights);
  s.act = activation(reader.string_or("activation_function", "gelu_new"));
  return std::make_unique<Gpt2>(s);
}

std::unique_ptr<Module> build_bigcode(const Metadata& meta, const WeightSource& weights) {
  if (meta.format == Metadata::Format::gguf) return std::make_unique<Gpt2>(read_gguf(ConfigReader(meta.values, meta.origin, "starcoder."), weights));
  const ConfigReader reader(meta.values, meta.origin);
  Sizes s = read_hf(reader, weights);
  s.act = activation(reader.string_or("activation_function", "gelu_pytorch_tanh"));
  s.shared_key = reader.boolean_or("multi_query", true);
  s.by_head = !s.shared_key;
  return std::make_unique<Gpt2>(s);
}

Bindings bindings(const Metadata& meta) {
  Bindings b;
  if (meta.format == Metadata::Format::hf) {
    b.leftovers = {"transformer.h.{}.attn.bias", "transformer.h.{}.attn.masked_bias", "h.{}.attn.bias", "h.{}.attn.masked_bias", "lm_head.weight"};
    if (claims_gpt2(meta)) {
      // Conv1D: stored [in, out].
      b.own_names = false;
      const BindStep turned{BindStep::Kind::transpose};
      for (const std::string prefix : {"transformer.", ""}) {
        for (const char* name : {"h.{}.attn.c_attn.weight", "h.{}.attn.c_proj.weight", "h.{}.mlp.c_fc.weight", "h.{}.mlp.c_proj.weight"}) {
          b.rules.push_back({std::string("transformer.") + name, prefix + name, {turned}});
        }
        b.rules.push_back({"transformer.*", prefix + "*", {}});
      }
      b.rules.push_back({"*", "*", {}});
      return b;
    }
    b.rules = {{"transformer.*", "*", {}}};
    return b;
  }
  b.own_names = false;
  const std::string h = "transformer.h.{}.";
  b.rules = {{"transformer.wte.weight", "token_embd.weight", {}},
             {"transformer.wpe.weight", "position_embd.weight", {}},
             {"transformer.ln_f.*", "output_norm.*", {}},
             {"lm_head.*", "output.*", {}},
             {h + "ln_1.*", "blk.{}.attn_norm.*", {}},
             {h + "attn.c_attn.*", "blk.{}.attn_qkv.*", {}},
             {h + "attn.c_proj.*", "blk.{}.attn_output.*", {}},
             {h + "ln_2.*", "blk.{}.ffn_norm.*", {}},
             {h + "mlp.c_fc.*", "blk.{}.ffn_up.*", {}},
             {h + "mlp.c_proj.*", "blk.{}.ffn_down.*", {}}};
  return b;
}

GgufFacts gguf_facts(std::string_view arch, const Module& built) {
  const Sizes& s = static_cast<const Gpt2&>(built).sizes;
  if (s.by_head) fail("keys and values of every head's own have no GGUF form in this architecture (", arch, ")");
  if (s.act != Unary::gelu_tanh) fail("GGUF's form of this architecture (", arch, ") knows the tanh form of GELU only");
  GgufFacts facts{std::string(arch)};
  facts.set("block_count", s.layers);
  facts.set("context_length", s.positions);
  facts.set("embedding_length", s.hidden);
  facts.set("feed_forward_length", s.inner);
  facts.set("attention.head_count", s.heads);
  facts.set("attention.head_count_kv", s.shared_key ? std::int64_t{1} : s.heads);
  facts.set("attention.layer_norm_epsilon", double{s.eps});
  facts.set("vocab_size", s.vocab);
  return facts;
}
GgufFacts gguf_gpt2(const Metadata& meta, const WeightSource& weights) { return gguf_facts("gpt2", *build_gpt2(meta, weights)); }
GgufFacts gguf_bigcode(const Metadata& meta, const WeightSource& weights) { return gguf_facts("starcoder", *build_bigcode(meta, weights)); }

Json tiny_gpt2() {
  return parse_json(R"({"architectures":["GPT2LMHeadModel"],"model_type":"gpt2","vocab_size":59,"n_embd":40,"n_layer":2,
    "n_head":4,"n_positions":256,"activation_function":"gelu_new","layer_norm_epsilon":1e-5})", "tiny config");
}
Json tiny_bigcode() {
  return parse_json(R"({"architectures":["GPTBigCodeForCausalLM"],"model_type":"gpt_bigcode","vocab_size":53,"n_embd":40,
    "n_inner":72,"n_layer":2,"n_head":4,"n_positions":256,"multi_query":true,"activation_function":"gelu_pytorch_tanh"})", "tiny config");
}

constexpr ModelDef records[] = {{"gpt2", Role::language_model, "paged KV", claims_gpt2, build_gpt2, bindings, tiny_gpt2, gguf_gpt2},
                                {"gpt_bigcode", Role::language_model, "paged KV", claims_bigcode, build_bigcode, bindings, tiny_bigcode, gguf_bigcode}};

}  // namespace

extern const ModelFile gpt2;
const ModelFile gpt2{records};

}  // namespace tashika
