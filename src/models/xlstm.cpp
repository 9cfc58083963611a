// xLSTM: the 7B architecture (Beck et al. 2025) and the blocks of the first paper (Beck et al. 2024).
//
// 7B: every block is a matrix cell (mLSTM) and a gated MLP, both pre-norm; the gates and the logits are softly capped.
// The first paper: mLSTM blocks whose cell lies inside an up-projection behind a causal convolution, and sLSTM blocks
// with a gated MLP behind them. Names are those of transformers and of the `xlstm` package's state dict.
//
// The package feeds its sLSTM cell crosswise: what it calls `fgate` opens the input gate and `igate` the forget gate. It
// keeps the cross for the sake of its checkpoints; here the names are right and the bindings exchange the tensors.
#include <cmath>
#include <numeric>

#include "models/config.h"
#include "models/model_def.h"
#include "nn/linear.h"
#include "nn/recurrent.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/lstm.h"

namespace tashika {
namespace {

constexpr std::int64_t max_width = std::int64_t{1} << 20;

// cap · tanh(x / cap); 0: none.
Tensor soft_cap(const Tensor& x, float cap) { return cap > 0 ? ops::scale(ops::tanh(ops::scale(x, 1.0f / cap)), cap) : x; }

Tensor empty_matrix_state(Runtime& rt, std::int64_t heads, std::int64_t qk, std::int64_t dv) {
  return Tensor::full(rt, {heads, qk * dv + qk + 1}, 0.0f);
}

// The queries do not touch the state.
Tensor scan_matrix(const Tensor& before, std::span<const Tensor> rows) {
  const RecurrenceSegment all{0, rows[0].size(0)};
  return ops::mlstm(rows[0], rows[0], rows[1], rows[2], rows[3], {&before, 1}, {{&all, 1}, 1.0f, 1e-6f}).states[0];
}

// The matrix cell on a batch; leaves its state and inputs in `now`. [t, heads, dv].
Tensor matrix_cell(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& i, const Tensor& f, float eps, RecurrentLayer& now) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(q.size(2)));
  const ops::Recurrence out = ops::mlstm(q, k, v, i, f, now.states(), {now.segments(), scale, eps});
  const Tensor steps[] = {k, v, i, f};
  now.finish(out.states, steps);
  return out.y;
}

// ---- the 7B architecture ----

struct Sizes {
  std::int64_t vocab = 0, hidden = 0, layers = 0, heads = 0, qk = 0, dv = 0, inner = 0;  // qk, dv: of all heads
  float norm_eps = 1e-6f, eps = 1e-6f, gate_cap = 0, logit_cap = 0;
};

struct Norm : Module {
  Param weight, bias;
  float eps;
  Norm(std::int64_t n, float epsilon) : weight({n}), bias({n}, true), eps(epsilon) {}
  void parts(Visitor& v) override {
    v("weight", weight);
    v("bias", bias);
  }
  Tensor operator()(const Tensor& x) const {
    const Tensor y = ops::rms_norm(x, weight, eps);
    return bias.value.defined() ? ops::add(y, bias) : y;
  }
};

struct MatrixLayer : Module {
  Linear q, k, v, ogate_preact, igate_preact, fgate_preact, out_proj;
  LayerNorm multihead_norm;
  std::int64_t heads;
  float gate_cap, eps;

  explicit MatrixLayer(const Sizes& s)
      : q(s.qk, s.hidden),
        k(s.qk, s.hidden),
        v(s.dv, s.hidden),
        ogate_preact(s.dv, s.hidden),
        igate_preact(s.heads, s.hidden),
        fgate_preact(s.heads, s.hidden),
        out_proj(s.hidden, s.dv),
        multihead_norm(s.dv, s.norm_eps),
        heads(s.heads),
        gate_cap(s.gate_cap),
        eps(s.eps) {}
  void parts(Visitor& visit) override {
    visit("q", q);
    visit("k", k);
    visit("v", v);
    visit("ogate_preact", ogate_preact);
    visit("igate_preact", igate_preact);
    visit("fgate_preact", fgate_preact);
    visit("multihead_norm", multihead_norm);
    visit("out_proj", out_proj);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual, RecurrentLayer& now) const {
    const Linear* const maps[] = {&q, &k, &v, &ogate_preact, &igate_preact, &fgate_preact};
    const std::vector<Tensor> all = apply_together(x, maps);
    const auto by_head = [&](const Tensor& t) { return ops::reshape(t, {x.size(0), heads, t.size(1) / heads}); };
    const Tensor h = matrix_cell(by_head(all[0]), by_head(all[1]), by_head(all[2]), soft_cap(all[4], gate_cap), soft_cap(all[5], gate_cap), eps, now);
    const Tensor normed = ops::group_norm(ops::reshape(h, all[2].shape()), heads, multihead_norm.weight, multihead_norm.bias, multihead_norm.eps);
    return out_proj(ops::gated(Unary::sigmoid, all[3], normed), residual);
  }
};

struct FeedForward : Module {
  Linear proj_up_gate, proj_up, proj_down;
  explicit FeedForward(const Sizes& s) : proj_up_gate(s.inner, s.hidden), proj_up(s.inner, s.hidden), proj_down(s.hidden, s.inner) {}
  void parts(Visitor& v) override {
    v("proj_up_gate", proj_up_gate);
    v("proj_up", proj_up);
    v("proj_down", proj_down);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual) const {
    const Linear* const maps[] = {&proj_up_gate, &proj_up};
    const std::vector<Tensor> both = apply_together(x, maps);
    return proj_down(ops::gated(Unary::silu, both[0], both[1]), residual);
  }
};

struct Block : Module {
  Norm norm_mlstm, norm_ffn;
  MatrixLayer mlstm_layer;
  FeedForward ffn;
  explicit Block(const Sizes& s) : norm_mlstm(s.hidden, s.norm_eps), norm_ffn(s.hidden, s.norm_eps), mlstm_layer(s), ffn(s) {}
  void parts(Visitor& v) override {
    v("norm_mlstm", norm_mlstm);
    v("mlstm_layer", mlstm_layer);
    v("norm_ffn", norm_ffn);
    v("ffn", ffn);
  }
};

struct Xlstm final : LanguageModel {
  Sizes sizes;
  Embedding embeddings;
  std::vector<Block> blocks;
  Norm out_norm;
  Linear lm_head;

  explicit Xlstm(const Sizes& s)
      : LanguageModel({s.vocab, s.hidden, s.layers, 0}), sizes(s), embeddings(s.vocab, s.hidden), out_norm(s.hidden, s.norm_eps), lm_head(s.vocab, s.hidden) {
    for (std::int64_t i = 0; i < s.layers; ++i) blocks.emplace_back(s);
  }
  void parts(Visitor& v) override {
    v("backbone.embeddings", embeddings);
    v("backbone.blocks", blocks);
    v("backbone.out_norm", out_norm);
    v("lm_head", lm_head);
  }

 protected:
  Tensor initial(Runtime& rt) const { return empty_matrix_state(rt, sizes.heads, sizes.qk / sizes.heads, sizes.dv / sizes.heads); }
  std::unique_ptr<LayerState> new_layer_state(std::int64_t, std::shared_ptr<PagePool> pool, const StateOptions& options) const override {
    return new_recurrent_state({initial(pool->runtime())}, options.margin, scan_matrix);
  }
  Tensor trunk(Batch& batch) override {
    const Tensor nothing = initial(batch.runtime());
    Tensor x = embeddings(batch.tokens());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      batch.runtime().throw_if_cancelled();
      const Block& b = blocks[i];
      RecurrentLayer now(batch, i, {&nothing, 1});
      x = b.mlstm_layer(b.norm_mlstm(x), x, now);
      x = b.ffn(b.norm_ffn(x), x);
      now.store();
    }
    return out_norm(x);
  }
  Tensor head(const Tensor& hidden) override { return soft_cap(lm_head(hidden), sizes.logit_cap); }
};

bool claims(const Metadata& meta) { return is_hf(meta, "xLSTMForCausalLM", "xlstm"); }

// A factor of the width, within bounds; `multiple` 1: rounded down.
std::int64_t scaled(const ConfigReader& reader, std::string_view key, double fallback, std::int64_t width, std::int64_t multiple) {
  const double n = static_cast<double>(width) * reader.number_or(key, fallback) + static_cast<double>(multiple - 1);
  if (!(n >= 1 && n < static_cast<double>(8 * max_width))) reader.bad(key, "gives a width of ", n);
  return static_cast<std::int64_t>(std::floor(n / static_cast<double>(multiple))) * multiple;
}

// null means no cap, an absent field the usual one.
float read_cap(const ConfigReader& reader, const Metadata& meta, std::string_view key, double usual) {
  if (!reader.has(key)) return meta.values.find(key) != nullptr ? 0.0f : static_cast<float>(usual);
  const double cap = reader.number(key);
  if (!(cap > 0)) reader.bad(key, cap, " is no cap");
  return static_cast<float>(cap);
}

std::int64_t per_head(const ConfigReader& reader, std::string_view what, std::int64_t width, std::int64_t heads) {
  if (width < heads || width % heads != 0) reader.bad("num_heads", heads, " does not divide the ", what, "' width ", width);
  return width / heads;
}

Sizes read_sizes(const Metadata& meta, const WeightSource& weights) {
  const ConfigReader reader(meta.values, meta.origin);
  Sizes s;
  s.vocab = reader.integer_or("vocab_size", 50304, 1, std::int64_t{1} << 24);
  s.hidden = reader.integer(reader.has("hidden_size") ? "hidden_size" : "embedding_dim", 1, max_width);
  if (reader.integer_or("embedding_dim", s.hidden, 1, max_width) != s.hidden) reader.bad("embedding_dim", "differs from hidden_size");
  s.layers = read_layers(reader, reader.has("num_blocks") ? "num_blocks" : "num_hidden_layers", weights);
  s.heads = reader.integer_or("num_heads", 8, 1, max_width);
  s.qk = scaled(reader, "qk_dim_factor", 0.5, s.hidden, 1);
  s.dv = scaled(reader, "v_dim_factor", 1.0, s.hidden, 1);
  per_head(reader, "keys", s.qk, s.heads);
  per_head(reader, "values", s.dv, s.heads);
  s.inner = scaled(reader, "ffn_proj_factor", 2.667, s.hidden, reader.integer_or("ffn_round_up_to_multiple_of", 64, 1, max_width));
  s.norm_eps = static_cast<float>(reader.number_or("norm_eps", 1e-6));
  s.eps = static_cast<float>(reader.number_or("eps", 1e-6));
  s.gate_cap = read_cap(reader, meta, "gate_soft_cap", 15.0);
  s.logit_cap = read_cap(reader, meta, "output_logit_soft_cap", 30.0);
  return s;
}

std::unique_ptr<Module> build(const Metadata& meta, const WeightSource& weights) { return std::make_unique<Xlstm>(read_sizes(meta, weights)); }

// With weight_mode "fused" a block's maps are stacked: q, k, v, o; i, f; gate, up.
Bindings bindings(const Metadata& meta) {
  Bindings b;
  const ConfigReader reader(meta.values, meta.origin);
  const std::int64_t hidden = reader.integer(reader.has("hidden_size") ? "hidden_size" : "embedding_dim", 1, max_width);
  const std::int64_t qk = scaled(reader, "qk_dim_factor", 0.5, hidden, 1), dv = scaled(reader, "v_dim_factor", 1.0, hidden, 1);
  const std::int64_t unit = std::gcd(qk, dv);
  const auto of = [&](std::int64_t n) { return static_cast<int>(n / unit); };
  const int all = 2 * of(qk) + 2 * of(dv);
  struct Part {
    const char *ours, *theirs;
    BindStep step;
  };
  const Part parts[] = {{"mlstm_layer.q", "mlstm_layer.qkv_opreact", BindStep::rows(0, of(qk), all)},
                        {"mlstm_layer.k", "mlstm_layer.qkv_opreact", BindStep::rows(of(qk), of(qk), all)},
                        {"mlstm_layer.v", "mlstm_layer.qkv_opreact", BindStep::rows(2 * of(qk), of(dv), all)},
                        {"mlstm_layer.ogate_preact", "mlstm_layer.qkv_opreact", BindStep::rows(2 * of(qk) + of(dv), of(dv), all)},
                        {"mlstm_layer.igate_preact", "mlstm_layer.ifgate_preact", BindStep::rows(0, 1, 2)},
                        {"mlstm_layer.fgate_preact", "mlstm_layer.ifgate_preact", BindStep::rows(1, 1, 2)},
                        {"ffn.proj_up_gate", "ffn.proj_up_gate_z", BindStep::rows(0, 1, 2)},
                        {"ffn.proj_up", "ffn.proj_up_gate_z", BindStep::rows(1, 1, 2)}};
  // The bare backbone has no prefix.
  for (const std::string prefix : {"backbone.", ""}) {
    for (const Part& p : parts) {
      b.rules.push_back({cat("backbone.blocks.{}.", p.ours, ".*"), cat(prefix, "blocks.{}.", p.theirs, ".*"), {p.step}});
    }
  }
  b.rules.push_back({"backbone.*", "*", {}});
  return b;
}

Json tiny() {
  return parse_json(R"({"architectures":["xLSTMForCausalLM"],"model_type":"xlstm","vocab_size":47,"hidden_size":40,"num_hidden_layers":2,
    "num_heads":4,"qk_dim_factor":0.5,"v_dim_factor":1.0,"ffn_proj_factor":1.7,"ffn_round_up_to_multiple_of":4})", "tiny config");
}

// ---- the blocks of the first paper ----

struct BlockSizes {
  std::int64_t vocab = 0, hidden = 0, layers = 0, context = 0;
  std::int64_t inner = 0, proj_block = 0, heads = 0, kernel = 0;  // of mLSTM blocks
  std::int64_t scalar_heads = 0, scalar_kernel = 0, ffn = 0;      // of sLSTM blocks; ffn 0: none
  bool by_output = false;                                         // how R and its biases lie in the file
  Unary act = Unary::gelu;
  bool tied = false, final_norm = true;
  std::vector<bool> scalar;                                       // block by block
};

constexpr float block_eps = 1e-5f;

// Depthwise, over a sequence's last tokens (Beck et al. 2024, fig. 10 and 11).
struct CausalConv : Module {
  Param weight, bias;  // [width, 1, kernel]
  CausalConv(std::int64_t width, std::int64_t kernel) : weight({width, 1, kernel}), bias({width}, true) {}
  void parts(Visitor& v) override {
    v("conv.weight", weight);
    v("conv.bias", bias);
  }
  Tensor operator()(const Tensor& x, RecurrentLayer& now) const {
    const std::int64_t kernel = weight.shape[2];
    const auto tap = [&](std::int64_t i) { return ops::reshape(ops::slice(weight, 2, i, i + 1), {weight.shape[0]}); };
    Tensor past = x, y = ops::mul(x, tap(kernel - 1));
    for (std::int64_t i = kernel - 2; i >= 0; --i) {
      past = now.shift(past);
      y = ops::add(y, ops::mul(past, tap(i)));
    }
    return bias.value.defined() ? ops::add(y, bias) : y;
  }
};

// Each of `groups` runs of channels has a map of its own.
struct HeadwiseLinear : Module {
  Param weight, bias;
  HeadwiseLinear(std::int64_t width, std::int64_t groups) : weight({groups, width / groups, width / groups}), bias({width}, true) {}
  void parts(Visitor& v) override {
    v("weight", weight);
    v("bias", bias);
  }
  Tensor operator()(const Tensor& x) const {
    const Tensor y = ops::reshape(ops::grouped_linear(ops::reshape(x, {x.size(0), weight.shape[0], weight.shape[2]}), weight), x.shape());
    return bias.value.defined() ? ops::add(y, bias) : y;
  }
};

struct Cell : Module {  // what a block's norm is put before
  virtual Tensor operator()(const Tensor& x, const Tensor& residual, RecurrentLayer& now) const = 0;
};

struct MatrixCell final : Cell {
  Linear proj_up, proj_down, igate, fgate;
  HeadwiseLinear q_proj, k_proj, v_proj;
  CausalConv conv1d;
  LayerNorm outnorm;
  Param learnable_skip;
  std::int64_t heads;

  explicit MatrixCell(const BlockSizes& s)
      : proj_up(2 * s.inner, s.hidden),
        proj_down(s.hidden, s.inner),
        igate(s.heads, 3 * s.inner),
        fgate(s.heads, 3 * s.inner),
        q_proj(s.inner, s.inner / s.proj_block),
        k_proj(s.inner, s.inner / s.proj_block),
        v_proj(s.inner, s.inner / s.proj_block),
        conv1d(s.inner, s.kernel),
        outnorm(s.inner, block_eps),
        learnable_skip({s.inner}),
        heads(s.heads) {}
  void parts(Visitor& v) override {
    v("proj_up", proj_up);
    v("q_proj", q_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("conv1d", conv1d);
    v("mlstm_cell.igate", igate);
    v("mlstm_cell.fgate", fgate);
    v("mlstm_cell.outnorm", outnorm);
    v("learnable_skip", learnable_skip);
    v("proj_down", proj_down);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual, RecurrentLayer& now) const override {
    const Tensor both = proj_up(x);
    const std::int64_t rows = x.size(0), inner = learnable_skip.shape[0];
    const Tensor in = ops::slice(both, 1, 0, inner), z = ops::slice(both, 1, inner, 2 * inner);
    const Tensor mixed = ops::silu(conv1d(in, now));
    const Tensor qkv[] = {q_proj(mixed), k_proj(mixed), v_proj(in)};
    const Tensor gate_in = ops::concat(qkv, 1);
    const auto by_head = [&](const Tensor& t) { return ops::reshape(t, {rows, heads, inner / heads}); };
    const Tensor h = matrix_cell(by_head(qkv[0]), by_head(qkv[1]), by_head(qkv[2]), igate(gate_in), fgate(gate_in), 1e-6f, now);
    const Tensor normed = ops::group_norm(ops::reshape(h, {rows, inner}), heads, outnorm.weight, outnorm.bias, outnorm.eps);
    return proj_down(ops::gated(Unary::silu, z, ops::add(normed, ops::mul(mixed, learnable_skip))), residual);
  }
};

struct ScalarCell final : Cell {
  std::unique_ptr<CausalConv> conv1d;
  HeadwiseLinear igate, fgate, zgate, ogate;
  Param kernel, bias;  // R and the gates' biases
  LayerNorm group_norm;
  std::int64_t heads, width;
  bool by_output;  // R [heads, 4 · to, from] and biases [4, heads, d], else [heads, from, 4 · to] and [heads, 4, d]
  Tensor prepared;

  explicit ScalarCell(const BlockSizes& s)
      : igate(s.hidden, s.scalar_heads),
        fgate(s.hidden, s.scalar_heads),
        zgate(s.hidden, s.scalar_heads),
        ogate(s.hidden, s.scalar_heads),
        bias({4 * s.hidden}),
        group_norm(s.hidden, block_eps),
        heads(s.scalar_heads),
        width(s.hidden / s.scalar_heads),
        by_output(s.by_output) {
    if (s.scalar_kernel > 0) conv1d = std::make_unique<CausalConv>(s.hidden, s.scalar_kernel);
    kernel = by_output ? Param({heads, 4 * width, width}) : Param({heads, width, 4 * width});
  }
  void parts(Visitor& v) override {
    v("conv1d", conv1d);
    v("igate", igate);
    v("fgate", fgate);
    v("zgate", zgate);
    v("ogate", ogate);
    v("slstm_cell._recurrent_kernel_", kernel);
    v("slstm_cell._bias_", bias);
    v("group_norm", group_norm);
  }
  Tensor recurrent() const {
    const Tensor r = ops::cast(kernel, f32);
    return ops::reshape(by_output ? ops::transpose(r, 1, 2) : r, {heads, width, 4, width});
  }
  void bound() override { prepared = recurrent().detach(); }
  // `fixed`: as bound. A tape needs R's own tensor, and training changes it between steps.
  Tensor weights(bool fixed) const { return fixed && !kernel.value.requires_grad() && prepared.defined() ? prepared : recurrent(); }

  Tensor operator()(const Tensor& x, const Tensor& residual, RecurrentLayer& now) const override {
    const Tensor mixed = conv1d ? ops::silu((*conv1d)(x, now)) : x;
    const Shape gate = {x.size(0), heads, 1, width};
    const Tensor gates[] = {ops::reshape(igate(mixed), gate), ops::reshape(fgate(mixed), gate), ops::reshape(zgate(x), gate), ops::reshape(ogate(x), gate)};
    const Tensor b = by_output ? ops::transpose(ops::reshape(bias, {4, heads, width}), 0, 1) : ops::reshape(bias, {heads, 4, width});
    const Tensor in = ops::add(ops::concat(gates, 2), b);
    const ops::Recurrence out = ops::slstm(in, weights(now.has_states()), now.states(), {now.segments()});
    now.finish(out.states, {&in, 1});
    return ops::add(ops::group_norm(ops::reshape(out.y, x.shape()), heads, group_norm.weight, group_norm.bias, group_norm.eps), residual);
  }
};

struct GatedMlp : Module {
  Linear proj_up, proj_down;
  Unary act;
  explicit GatedMlp(const BlockSizes& s) : proj_up(2 * s.ffn, s.hidden), proj_down(s.hidden, s.ffn), act(s.act) {}
  void parts(Visitor& v) override {
    v("proj_up", proj_up);
    v("proj_down", proj_down);
  }
  Tensor operator()(const Tensor& x, const Tensor& residual) const {
    const Tensor both = proj_up(x);
    const std::int64_t inner = both.size(1) / 2;
    return proj_down(ops::gated(act, ops::slice(both, 1, 0, inner), ops::slice(both, 1, inner, 2 * inner)), residual);
  }
};

struct MixedBlock : Module {
  LayerNorm xlstm_norm, ffn_norm;
  std::unique_ptr<Cell> xlstm;
  std::unique_ptr<GatedMlp> ffn;
  MixedBlock(const BlockSizes& s, bool scalar) : xlstm_norm(s.hidden, block_eps), ffn_norm(s.hidden, block_eps) {
    if (scalar) xlstm = std::make_unique<ScalarCell>(s);
    else xlstm = std::make_unique<MatrixCell>(s);
    if (scalar && s.ffn > 0) ffn = std::make_unique<GatedMlp>(s);
  }
  void parts(Visitor& v) override {
    v("xlstm_norm", xlstm_norm);
    v("xlstm", xlstm);
    if (ffn) v("ffn_norm", ffn_norm);
    v("ffn", ffn);
  }
};

struct XlstmBlocks final : LanguageModel {
  BlockSizes sizes;
  Embedding token_embedding;
  std::vector<MixedBlock> blocks;
  LayerNorm post_blocks_norm;
  Linear lm_head;

  explicit XlstmBlocks(const BlockSizes& s)
      : LanguageModel({s.vocab, s.hidden, s.layers, s.context}),
        sizes(s),
        token_embedding(s.vocab, s.hidden),
        post_blocks_norm(s.hidden, block_eps),
        lm_head(s.vocab, s.hidden) {
    for (const bool scalar : s.scalar) blocks.emplace_back(s, scalar);
  }
  void parts(Visitor& v) override {
    v("token_embedding", token_embedding);
    v("xlstm_block_stack.blocks", blocks);
    if (sizes.final_norm) v("xlstm_block_stack.post_blocks_norm", post_blocks_norm);
    if (!sizes.tied) v("lm_head", lm_head);
  }

 protected:
  // Shifted rows of the convolution, then the cell's state.
  std::vector<Tensor> initial(Runtime& rt, std::size_t layer) const {
    const bool scalar = sizes.scalar[layer];
    const std::int64_t width = scalar ? sizes.hidden : sizes.inner, kernel = scalar ? sizes.scalar_kernel : sizes.kernel;
    std::vector<Tensor> out;
    for (std::int64_t i = 1; i < kernel; ++i) out.push_back(Tensor::full(rt, {1, width}, 0.0f));
    const std::int64_t each = sizes.inner / std::max<std::int64_t>(1, sizes.heads);
    out.push_back(scalar ? Tensor::full(rt, {sizes.scalar_heads, 4, sizes.hidden / sizes.scalar_heads}, 0.0f) : empty_matrix_state(rt, sizes.heads, each, each));
    return out;
  }
  std::unique_ptr<LayerState> new_layer_state(std::int64_t layer, std::shared_ptr<PagePool> pool, const StateOptions& options) const override {
    const auto i = static_cast<std::size_t>(layer);
    std::vector<Tensor> start = initial(pool->runtime(), i);
    if (!sizes.scalar[i]) return new_recurrent_state(std::move(start), options.margin, scan_matrix);
    const Tensor r = static_cast<const ScalarCell&>(*blocks[i].xlstm).weights(true);
    return new_recurrent_state(std::move(start), options.margin, [r](const Tensor& before, std::span<const Tensor> rows) {
      const RecurrenceSegment all{0, rows[0].size(0)};
      return ops::slstm(rows[0], r, {&before, 1}, {{&all, 1}}).states[0];
    });
  }
  Tensor trunk(Batch& batch) override {
    Tensor x = token_embedding(batch.tokens());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      batch.runtime().throw_if_cancelled();
      const MixedBlock& b = blocks[i];
      const std::vector<Tensor> nothing = initial(batch.runtime(), i);
      RecurrentLayer now(batch, i, nothing);
      x = (*b.xlstm)(b.xlstm_norm(x), x, now);
      if (b.ffn) x = (*b.ffn)(b.ffn_norm(x), x);
      now.store();
    }
    return sizes.final_norm ? post_blocks_norm(x) : x;
  }
  Tensor head(const Tensor& hidden) override { return sizes.tied ? ops::linear(hidden, token_embedding.weight) : lm_head(hidden); }
};

// The package's configs say no architecture; their fields are its dataclasses'.
bool claims_blocks(const Metadata& meta) {
  if (meta.format != Metadata::Format::hf) return false;
  const std::string arch = architecture(meta);
  if (!arch.empty()) return arch == "xLSTMLMModel";
  return meta.values.find("model_type") == nullptr && meta.values.find("embedding_dim") != nullptr && meta.values.find("num_blocks") != nullptr &&
         (meta.values.find("mlstm_block") != nullptr || meta.values.find("slstm_block") != nullptr);
}

// A width as the package rounds it: up to a multiple, or to the nearest one.
std::int64_t up_width(const ConfigReader& reader, double factor, std::int64_t width) {
  const double wanted = reader.number_or("proj_factor", factor) * static_cast<double>(width);
  const auto multiple = static_cast<double>(reader.integer_or("round_proj_up_to_multiple_of", 64, 1, max_width));
  const bool up = reader.boolean_or("round_proj_up_dim_up", true);
  const double n = (up ? std::ceil(wanted / multiple) : std::floor(wanted / multiple)) * multiple;
  if (!(n >= 1 && n < static_cast<double>(8 * max_width))) reader.bad("proj_factor", "gives a width of ", n);
  return static_cast<std::int64_t>(n);
}

// `slstm_at` is "all" or a list of blocks.
std::vector<bool> read_block_map(const ConfigReader& reader, const Json& values, std::int64_t layers) {
  const Json* at = values.find("slstm_at");
  const bool all = reader.object("mlstm_block") == nullptr || (at != nullptr && at->is_string() && at->as_string() == "all");
  std::vector<bool> scalar(static_cast<std::size_t>(layers), all);
  if (all || !reader.has("slstm_at")) return scalar;
  for (const Json& block : *reader.array("slstm_at")) {
    const double index = block.is_number() ? block.as_double() : -1;
    if (!(index >= 0 && index < static_cast<double>(layers))) reader.bad("slstm_at", "names a block beyond the ", layers);
    scalar[static_cast<std::size_t>(index)] = true;
  }
  return scalar;
}

Unary feed_forward_act(const ConfigReader& reader) {
  const std::string name = reader.string_or("act_fn", "gelu");
  if (name == "gelu") return Unary::gelu;
  if (name == "swish") return Unary::silu;
  if (name == "relu") return Unary::relu;
  if (name == "sigmoid") return Unary::sigmoid;
  reader.bad("act_fn", "\"", name, "\" is not supported (gelu, swish, relu, sigmoid are)");
}

BlockSizes read_blocks(const Metadata& meta, const WeightSource& weights) {
  const ConfigReader reader(meta.values, meta.origin);
  BlockSizes s;
  s.vocab = reader.integer("vocab_size", 1, std::int64_t{1} << 24);
  s.hidden = reader.integer("embedding_dim", 1, max_width);
  s.layers = read_layers(reader, "num_blocks", weights);
  s.context = reader.integer_or("context_length", 0, -1, std::int64_t{1} << 40);
  if (s.context < 0) s.context = 0;
  s.tied = reader.boolean_or("tie_weights", false);
  s.final_norm = reader.boolean_or("add_post_blocks_norm", true);
  s.scalar = read_block_map(reader, meta.values, s.layers);
  const Json empty{JsonObject{}};
  const auto inside = [&](std::string_view outer, std::string_view inner) {
    const Json* block = reader.object(outer);
    const Json* found = block != nullptr ? block->find(inner) : nullptr;
    return found != nullptr && found->is_object() ? found : nullptr;
  };
  const Json *matrix = inside("mlstm_block", "mlstm"), *scalar = inside("slstm_block", "slstm"), *ffn = inside("slstm_block", "feedforward");
  bool any_scalar = false, any_matrix = false;
  for (const bool is_scalar : s.scalar) (is_scalar ? any_scalar : any_matrix) = true;
  if (any_matrix) {
    const ConfigReader m(matrix != nullptr ? *matrix : empty, meta.origin + ": mlstm_block.mlstm");
    s.inner = up_width(m, 2.0, s.hidden);
    s.proj_block = m.integer_or("qkv_proj_blocksize", 4, 1, max_width);
    s.heads = m.integer_or("num_heads", 4, 1, max_width);
    s.kernel = m.integer_or("conv1d_kernel_size", 4, 1, 64);
    if (s.inner % s.proj_block != 0) m.bad("qkv_proj_blocksize", s.proj_block, " does not divide ", s.inner);
    per_head(m, "cell", s.inner, s.heads);
  }
  if (any_scalar) {
    const ConfigReader c(scalar != nullptr ? *scalar : empty, meta.origin + ": slstm_block.slstm");
    s.scalar_heads = c.integer_or("num_heads", 4, 1, max_width);
    s.scalar_kernel = c.integer_or("conv1d_kernel_size", 4, 0, 64);
    const std::int64_t width = per_head(c, "cell", s.hidden, s.scalar_heads);
    if (c.string_or("function", "slstm") != "slstm") c.bad("function", "only slstm is supported");
    s.by_output = c.string_or("backend", "cuda") == "vanilla";
    for (std::size_t i = 0; i < s.scalar.size(); ++i) {
      const WeightInfo* r = s.scalar[i] ? weights.find(cat("xlstm_block_stack.blocks.", i, ".xlstm.slstm_cell._recurrent_kernel_")) : nullptr;
      if (r != nullptr) s.by_output = r->shape == Shape({s.scalar_heads, 4 * width, width});
    }
    if (ffn != nullptr) {
      const ConfigReader f(*ffn, meta.origin + ": slstm_block.feedforward");
      s.ffn = up_width(f, 1.3, s.hidden);
      s.act = feed_forward_act(f);
    }
  }
  return s;
}

std::unique_ptr<Module> build_blocks(const Metadata& meta, const WeightSource& weights) { return std::make_unique<XlstmBlocks>(read_blocks(meta, weights)); }

Bindings block_bindings(const Metadata&) {
  Bindings b;
  b.own_names = false;
  const std::string block = "xlstm_block_stack.blocks.{}.";
  for (const char* suffix : {"weight", "bias"}) {
    b.rules.push_back({cat(block, "xlstm.igate.", suffix), cat(block, "xlstm.fgate.", suffix), {}});
    b.rules.push_back({cat(block, "xlstm.fgate.", suffix), cat(block, "xlstm.igate.", suffix), {}});
  }
  // Norms are stored less one.
  const BindStep one{BindStep::Kind::add_constant, 0, 0, 1, 1.0f};
  for (const char* norm : {"xlstm_norm.weight", "ffn_norm.weight", "xlstm.mlstm_cell.outnorm.weight", "xlstm.group_norm.weight"}) {
    b.rules.push_back({block + norm, block + norm, {one}});
  }
  b.rules.push_back({"xlstm_block_stack.post_blocks_norm.weight", "xlstm_block_stack.post_blocks_norm.weight", {one}});
  b.rules.push_back({"*", "*", {}});
  b.leftovers = {"lm_head.weight"};  // tied: stored twice
  return b;
}

Json tiny_blocks() {
  return parse_json(R"({"architectures":["xLSTMLMModel"],"vocab_size":43,"embedding_dim":36,"num_blocks":3,"context_length":512,"slstm_at":[1],
    "mlstm_block":{"mlstm":{"num_heads":3,"qkv_proj_blocksize":4,"round_proj_up_to_multiple_of":12,"proj_factor":1.6}},
    "slstm_block":{"slstm":{"num_heads":3,"backend":"vanilla"},"feedforward":{"proj_factor":1.3,"round_proj_up_to_multiple_of":4}}})", "tiny config");
}

constexpr ModelDef records[] = {{"xlstm", Role::language_model, "recurrent (mLSTM)", claims, build, bindings, tiny},
                                {"xlstm_blocks", Role::language_model, "recurrent (mLSTM, sLSTM)", claims_blocks, build_blocks, block_bindings, tiny_blocks}};

}  // namespace

extern const ModelFile xlstm;
const ModelFile xlstm{records};

}  // namespace tashika
