#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "ops/elementwise.h"
#include "ops/norm.h"
#include "ops/training.h"
#include "train/metrics.h"
#include "train/report.h"
#include "train/text.h"

namespace tashika {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Json StepRecord::json() const {
  const auto number = [](double x) { return std::isfinite(x) ? Json(x) : Json(); };  // JSON has no NaN
  Json out;
  out.set("step", step);
  out.set("loss", number(loss));
  out.set("grad_norm", number(grad_norm));
  out.set("lr", lr);
  out.set("tokens", tokens);
  out.set("tokens_per_s", tokens_per_s);
  out.set("input_tokens", input_tokens);
  if (routed) {
    out.set("cross_entropy", number(cross_entropy));
    out.set("router_loss", number(router_loss));
  }
  if (validation_loss >= 0) out.set("validation_loss", validation_loss);
  if (!sample.empty()) out.set("sample", sample);
  if (!skipped.empty()) out.set("skipped", skipped);
  return out;
}

Trainer::Trainer(const Recipe& recipe, Runtime& rt, Say say) : recipe_(recipe), rt_(rt), say_(std::move(say)) {
  const auto seed = static_cast<std::uint64_t>(recipe_.model.seed);
  start_ = start_model(recipe_, rt);
  const OpenText open_text = [this] { return std::make_unique<TextRows>(text_checkpoint(start_), recipe_.data.loss_on); };
  const std::int64_t piece = 3 * recipe_.data.seq_len;
  rows_ = open_rows(recipe_.data.train, open_text, piece);
  if (!recipe_.data.validation.empty()) validation_ = open_rows(recipe_.data.validation, open_text, piece);
  if (recipe_.trains_adapters()) {
    lora_ = {recipe_.lora.rank, recipe_.lora.alpha > 0 ? recipe_.lora.alpha : static_cast<double>(recipe_.lora.rank), recipe_.lora.targets};
    if (!recipe_.lora.init.empty()) lora_ = read_adapter_config(recipe_.lora.init);
    maps_ = find_targets(*start_.model, lora_.targets);
    if (!recipe_.model.quantize.empty()) quantise_linears(*start_.model, recipe_.model.quantize, rt);
    if (recipe_.lora.init.empty()) attach_adapters(maps_, lora_, rt, seed);
    else load_adapters(maps_, lora_, recipe_.lora.init, rt);
    trained_ = train_adapters(maps_, rt);
  } else {
    trained_ = train_all(*start_.model, rt, recipe_.train.dtype == TrainType::bf16 ? bf16 : f32);
  }
  if (recipe_.train.ema > 0) {
    for (Trained& t : trained_) t.average = ops::affine(t.master, 1.0f, 0.0f);
  }
  stream_ = std::make_unique<BatchStream>(*rows_, RowOrder(rows_->size(), recipe_.train.shuffle, seed),
                                          BatchOptions{recipe_.train.batch_size, recipe_.train.grad_accum, recipe_.data.seq_len, recipe_.data.packing});
}

std::int64_t Trainer::trained_elements() const {
  std::int64_t n = 0;
  for (const Trained& t : trained_) n += t.master.numel();
  return n;
}

std::int64_t Trainer::all_elements() {
  std::int64_t n = 0;
  for_each_param(*start_.model, [&](const std::string&, Param& p) {
    if (p.value.defined()) n += p.value.numel();
  });
  return n;
}

// The recipe's coefficient, or the config's where the config asks for the routers' scores as transformers wants it.
RouterLoss Trainer::router_loss() const {
  const Json& config = start_.meta.values;
  RouterLoss router;
  if (recipe_.train.router_aux_loss_coef >= 0) {
    router.coefficient = recipe_.train.router_aux_loss_coef;
  } else if (config["output_router_logits"] == Json(true)) {
    const Json& coefficient = config["router_aux_loss_coef"];
    router.coefficient = coefficient.is_number() ? coefficient.as_double() : 0.001;
  }
  if (router.coefficient > 0 && recipe_.train.recompute) fail("train.recompute: cannot be combined with a router loss");
  const Json& chosen = config["num_experts_per_tok"];
  router.chosen = chosen.is_integer() ? chosen.as_integer() : 2;
  return router;
}

Trainer::Evaluated Trainer::gradients(std::span<const MicroBatch> batches) {
  Evaluated out;
  for (const MicroBatch& batch : batches) {
    out.tokens += batch.targets();
    out.input_tokens += batch.tokens();
  }
  // A step without any target changes nothing: there is nothing to divide by.
  const double normaliser = std::max<double>(1, static_cast<double>(out.tokens));
  for (const Trained& t : trained_) clear_grad(*t.value);
  RouterLoss router = router_loss();
  if (router.coefficient > 0 && batches.size() > 1) {
    const WithoutTape forward_only(trained_);
    count_routes(*start_.model, rt_, batches, router);
  }
  double total = 0;
  for (const MicroBatch& batch : batches) {
    const LossParts parts =
        accumulate_gradients(*start_.model, rt_, batch, {.normaliser = normaliser, .router = &router, .recompute = recipe_.train.recompute});
    total += parts.cross_entropy;
    out.router_loss += parts.router;
  }
  out.cross_entropy = total / normaliser;
  out.loss = out.cross_entropy + out.router_loss;
  return out;
}

double Trainer::validation_loss() {
  const WithoutTape forward_only(trained_);
  double total = 0;
  std::int64_t tokens = 0;
  BatchStream stream(*validation_, RowOrder(validation_->size(), false, 0), {recipe_.train.batch_size, 1, recipe_.data.seq_len, false});
  while (stream.position() < validation_->size()) {
    std::vector<MicroBatch> batches = stream.next();
    for (MicroBatch& batch : batches) {
      const std::int64_t beyond = stream.position() - validation_->size();  // the stream goes round
      if (beyond > 0) batch.rows.resize(batch.rows.size() - static_cast<std::size_t>(beyond));
      total += evaluate_loss(*start_.model, rt_, batch, {}).cross_entropy;
      tokens += batch.targets();
    }
  }
  return tokens > 0 ? total / static_cast<double>(tokens) : 0;
}

std::string Trainer::sample() {
  const WithoutTape forward_only(trained_);
  const TextRows words(text_checkpoint(start_), recipe_.data.loss_on);
  const std::unique_ptr<SequenceState> state = start_.model->new_state(rt_);
  std::vector<std::int32_t> next = words.tokenizer().encode_prompt(recipe_.data.sample), out;
  if (next.empty()) return {};
  while (out.size() < 64) {
    const Slice slice{state.get(), next, 1};
    const std::int64_t id = ops::top_k(start_.model->forward(rt_, {&slice, 1}), 1).ids.to_host_int()[0];
    if (id == words.tokenizer().eos() || id >= words.tokenizer().id_limit()) break;
    out.push_back(static_cast<std::int32_t>(id));
    next = {out.back()};
  }
  return words.tokenizer().decode(out, true, DecodeErrors::replace);
}

void Trainer::update(StepRecord& record) {
  const Recipe::TrainPart& t = recipe_.train;
  if (!std::isfinite(record.loss) || !std::isfinite(record.grad_norm)) {
    const std::string name = not_finite(trained_);
    const std::string what = cat(std::isfinite(record.loss) ? "the gradient" : "the loss", " is not finite", name.empty() ? "" : cat("; first in the gradient of ", name));
    if (t.on_nan == NanPolicy::stop) fail("step ", record.step, ": ", what, "; nothing was updated (train.on_nan: skip passes over such steps)");
    record.skipped = what;
    return;
  }
  if (t.spike_factor > 0 && progress_.updates >= 20 && record.grad_norm > t.spike_factor * progress_.norm_mean) {
    record.skipped = cat("the gradient norm is ", record.grad_norm / progress_.norm_mean, " times its mean");
    return;
  }
  progress_.norm_mean = progress_.updates == 0 ? record.grad_norm : 0.95 * progress_.norm_mean + 0.05 * record.grad_norm;
  ++progress_.updates;
  AdamWAttrs adam{record.lr, t.beta1, t.beta2, t.eps, 0, 1, progress_.updates};
  if (t.max_grad_norm > 0) adam.gradient_scale = std::min(1.0, t.max_grad_norm / (record.grad_norm + 1e-6));
  for (Trained& p : trained_) {
    if (!p.gradient().defined()) continue;
    adam.decay = p.decays ? t.weight_decay : 0.0;
    ops::adamw(p.master, p.m, p.v, p.gradient(), adam);
    p.refresh();
    if (p.average.defined()) {
      const auto keep = static_cast<float>(t.ema);
      p.average = ops::add(ops::scale(p.average, keep), ops::scale(p.master, 1.0f - keep));
    }
  }
}

StepRecord Trainer::step() {
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<MicroBatch> batches = stream_->next();
  StepRecord record;
  record.step = progress_.step + 1;
  const Evaluated e = gradients(batches);
  record.loss = e.loss;
  record.cross_entropy = e.cross_entropy;
  record.router_loss = e.router_loss;
  record.routed = router_loss().coefficient > 0;
  record.tokens = e.tokens;
  record.input_tokens = e.input_tokens;
  record.grad_norm = std::sqrt(squared_gradient_norm(trained_));
  record.lr = learning_rate(recipe_.train, progress_.step);
  update(record);
  progress_.step = record.step;
  progress_.position = stream_->position();
  record.tokens_per_s = static_cast<double>(record.input_tokens) / std::max(1e-9, seconds_since(begin));
  const bool last = record.step == recipe_.train.steps;
  if (validation_ && (last || (recipe_.train.eval_every > 0 && record.step % recipe_.train.eval_every == 0))) record.validation_loss = validation_loss();
  if (!recipe_.data.sample.empty() && (last || (recipe_.train.sample_every > 0 && record.step % recipe_.train.sample_every == 0))) record.sample = sample();
  return record;
}

bool Trainer::resume() {
  const std::optional<Progress> found = restore_state(recipe_.output.dir, trained_, rt_, recipe_.values, say_);
  if (!found) return false;
  progress_ = *found;
  stream_->seek(progress_.position);
  return true;
}

void Trainer::save() { save_state(recipe_.output.dir, trained_, progress_, recipe_.values, recipe_.output.keep); }

void Trainer::run(const std::function<void(const StepRecord&)>& listen) {
  const std::string& out = recipe_.output.dir;
  make_directories(out);
  const std::string metrics_path = join_path(out, "metrics.jsonl");
  MetricsFile metrics(metrics_path, progress_.metrics_bytes);
  EventFile events(out, progress_.step);
  const std::int64_t every = recipe_.output.save_every;
  bool saved = true;
  try {
    while (progress_.step < recipe_.train.steps) {
      rt_.throw_if_cancelled();
      const StepRecord record = step();
      metrics.append(record.json());
      progress_.metrics_bytes = metrics.size();
      events.append(record.step, {{"loss", record.loss}, {"grad_norm", record.grad_norm}, {"lr", record.lr}, {"tokens_per_s", record.tokens_per_s}});
      if (record.validation_loss >= 0) events.append(record.step, {{"validation_loss", record.validation_loss}});
      saved = every > 0 && record.step % every == 0;
      if (saved) {
        metrics.sync();
        save();
        write_report(out, recipe_.values);
      }
      listen(record);
    }
  } catch (const Error& error) {
    // What is finished is kept, so that an interrupted run can go on. The masters change only once a step is through.
    if (error.kind() == ErrorKind::cancelled && every > 0 && !saved && progress_.step > 0) save();
    throw;
  }
  if (every > 0 && !saved) save();
  finish();
  write_report(out, recipe_.values);
}

void Trainer::finish() {
  const std::string& out = recipe_.output.dir;
  if (!maps_.empty()) {
    save_adapters(maps_, lora_, recipe_.model.init, out);
    if (recipe_.lora.merge) {
      merge_adapters(maps_);
      save_model(start_, out);
    }
    return;
  }
  for (Trained& t : trained_) *t.value = t.master;
  save_model(start_, out);
  if (recipe_.train.ema > 0) {
    for (Trained& t : trained_) *t.value = t.average;
    save_model(start_, join_path(out, "ema"));
  }
}

void train(const Recipe& recipe, Runtime& rt, const std::function<void(const StepRecord&)>& listen) {
  Trainer(recipe, rt, [](std::string_view) {}).run(listen);
}

}  // namespace tashika
