#include "train/recipe.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "train/yaml.h"

namespace tashika {
namespace {

constexpr std::uint64_t max_recipe_bytes = 1 << 20;

// Gives fields their values, remembers which keys there are, and complains about all others.
class Reader {
 public:
  Reader(const Json& values, const std::string& origin) : values_(values), origin_(origin) {
    if (!values.is_object()) fail_with(ErrorKind::usage, cat(origin, ": expected keys and values, found ", json_type_name(values.type())));
  }

  template <typename... Args>
  [[noreturn]] void bad(std::string_view key, const Args&... what) const {
    fail_with(ErrorKind::usage, cat(origin_, ": ", key, ": ", what...));
  }

  // Null when absent or null.
  const Json* find(std::string_view key) {
    known_.emplace(key);
    const Json* value = &values_;
    for (std::string_view rest = key; value != nullptr;) {
      const std::size_t dot = rest.find('.');
      value = value->find(rest.substr(0, dot));
      if (dot == std::string_view::npos) break;
      rest.remove_prefix(dot + 1);
    }
    return value != nullptr && !value->is_null() ? value : nullptr;
  }

  void field(std::string_view key, std::int64_t& out, std::int64_t low, std::int64_t high) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_number() || std::floor(value->as_double()) != value->as_double()) bad(key, "expected a whole number, found ", shown(*value));
    const double number = value->as_double();
    if (number < static_cast<double>(low) || number > static_cast<double>(high)) bad(key, shown(*value), " is outside ", low, "…", high);
    out = value->as_integer();
  }
  void field(std::string_view key, double& out, double low, double high) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_number() || !std::isfinite(value->as_double())) bad(key, "expected a number, found ", shown(*value));
    if (value->as_double() < low || value->as_double() > high) bad(key, shown(*value), " is outside ", low, "…", high);
    out = value->as_double();
  }
  void field(std::string_view key, bool& out) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_bool()) bad(key, "expected true or false, found ", shown(*value));
    out = value->as_bool();
  }
  void field(std::string_view key, std::string& out) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_string()) bad(key, "expected text, found ", shown(*value));
    out = value->as_string();
  }
  void field(std::string_view key, std::vector<std::string>& out) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (value->is_string()) {
      out = {value->as_string()};
      return;
    }
    if (!value->is_array()) bad(key, "expected a path or a list of paths, found ", shown(*value));
    out.clear();
    for (const Json& item : value->as_array()) {
      if (!item.is_string()) bad(key, "expected a path, found ", shown(item));
      out.push_back(item.as_string());
    }
  }
  template <typename E>
  void field(std::string_view key, E& out, std::initializer_list<std::pair<std::string_view, E>> table) {
    const Json* value = find(key);
    if (value == nullptr) return;
    std::string list;
    for (const auto& [name, choice] : table) {
      if (value->is_string() && value->as_string() == name) {
        out = choice;
        return;
      }
      list += cat(list.empty() ? "" : ", ", name);
    }
    bad(key, shown(*value), " is none of ", list);
  }

  // Inside a `whole` key (an inline config) anything may stand.
  void check_unknown(std::string_view whole) const { walk(values_, {}, whole); }

  static std::string shown(const Json& value) { return printable(dump_json(value), 80); }

  const Json& values() const { return values_; }

 private:
  void walk(const Json& value, const std::string& path, std::string_view whole) const {
    for (const auto& [key, inner] : value.as_object().entries()) {
      const std::string full = path.empty() ? key : cat(path, ".", key);
      if (full == whole || known_.contains(full)) continue;
      const bool is_group = std::ranges::any_of(known_, [&](const std::string& name) { return name.starts_with(full + "."); });
      if (is_group) {
        if (inner.is_null()) continue;
        if (!inner.is_object()) bad(full, "expected keys and values, found ", shown(inner));
        walk(inner, full, whole);
        continue;
      }
      const std::string near = nearest_word(full, {known_.begin(), known_.end()});
      bad(printable(full), "there is no such key", near.empty() ? std::string() : cat("; did you mean ", near, "?"));
    }
  }

  const Json& values_;
  const std::string& origin_;
  std::set<std::string, std::less<>> known_;
};

void describe(Reader& r, Recipe& recipe) {
  constexpr std::int64_t many = std::int64_t{1} << 40;
  r.field("model.init", recipe.model.init);
  if (const Json* config = r.find("model.config")) recipe.model.config = *config;
  r.field("seed", recipe.model.seed, 0, many);
  r.field("model.seed", recipe.model.seed, 0, many);

  r.field("model.quantize", recipe.model.quantize);

  r.field("lora.rank", recipe.lora.rank, 1, 65536);
  r.field("lora.alpha", recipe.lora.alpha, 0, 1e6);
  r.field("lora.targets", recipe.lora.targets);
  r.field("lora.init", recipe.lora.init);
  r.field("lora.merge", recipe.lora.merge);

  r.field("data.train", recipe.data.train);
  r.field("data.validation", recipe.data.validation);
  r.field("data.sample", recipe.data.sample);
  r.field("data.loss_on", recipe.data.loss_on, {{"answers", LossOn::answers}, {"all", LossOn::all}});
  r.field("data.seq_len", recipe.data.seq_len, 2, 1 << 24);
  r.field("data.packing", recipe.data.packing);

  Recipe::TrainPart& t = recipe.train;
  r.field("train.batch_size", t.batch_size, 1, 1 << 20);
  r.field("train.grad_accum", t.grad_accum, 1, 1 << 20);
  r.field("train.steps", t.steps, 1, many);
  r.field("train.lr", t.lr, 0, 1e6);
  r.field("train.min_lr", t.min_lr, 0, 1e6);
  r.field("train.schedule", t.schedule, {{"constant", Schedule::constant}, {"linear", Schedule::linear}, {"cosine", Schedule::cosine}});
  r.field("train.warmup_steps", t.warmup_steps, 0, many);
  r.field("train.weight_decay", t.weight_decay, 0, 1e6);
  if (const Json* betas = r.find("train.betas")) {
    const auto valid = [](const Json& b) { return b.is_number() && b.as_double() >= 0 && b.as_double() < 1; };
    if (!betas->is_array() || betas->as_array().size() != 2 || !std::ranges::all_of(betas->as_array(), valid)) {
      r.bad("train.betas", "expected two numbers in [0, 1), found ", Reader::shown(*betas));
    }
    t.beta1 = betas->as_array()[0].as_double();
    t.beta2 = betas->as_array()[1].as_double();
  }
  r.field("train.eps", t.eps, 0, 1);
  r.field("train.max_grad_norm", t.max_grad_norm, 0, 1e30);
  r.field("train.dtype", t.dtype, {{"f32", TrainType::f32}, {"bf16", TrainType::bf16}});
  r.field("train.shuffle", t.shuffle);
  r.field("train.recompute", t.recompute);
  r.field("train.ema", t.ema, 0, 1);
  r.field("train.on_nan", t.on_nan, {{"stop", NanPolicy::stop}, {"skip", NanPolicy::skip}});
  r.field("train.spike_factor", t.spike_factor, 0, 1e6);
  r.field("train.eval_every", t.eval_every, 0, many);
  r.field("train.sample_every", t.sample_every, 0, many);
  r.field("train.router_aux_loss_coef", t.router_aux_loss_coef, 0, 1e6);

  r.field("output.dir", recipe.output.dir);
  r.field("output.save_every", recipe.output.save_every, 0, many);
  r.field("output.keep", recipe.output.keep, 1, 1 << 20);
  r.field("output.log_every", recipe.output.log_every, 1, many);
  recipe.values = r.values();
}

}  // namespace

Recipe read_recipe(const Json& values, const std::string& origin) {
  Reader r(values, origin);
  Recipe recipe;
  describe(r, recipe);
  r.check_unknown("model.config");
  if (recipe.model.init.empty() == recipe.model.config.is_null()) {
    r.bad("model", recipe.model.init.empty() ? "give init (a checkpoint to start from) or config (to start fresh)" : "init and config exclude each other");
  }
  if (!recipe.model.config.is_null() && !recipe.model.config.is_object() && !recipe.model.config.is_string()) {
    r.bad("model.config", "expected the path of a config.json or the config itself");
  }
  if (recipe.data.train.empty()) r.bad("data.train", "is missing: the file of training rows");
  if (recipe.train.steps == 0) r.bad("train.steps", "is missing: the number of optimiser steps");
  if (recipe.train.lr == 0 && r.find("train.lr") == nullptr) r.bad("train.lr", "is missing: the learning rate");
  if (!recipe.model.quantize.empty() && !recipe.trains_adapters()) r.bad("model.quantize", "only a model that stays frozen can be quantised: set lora.rank");
  if (recipe.output.dir.empty()) r.bad("output.dir", "is missing: the folder that takes the model");
  return recipe;
}

Recipe load_recipe(const std::string& path) { return read_recipe(parse_yaml(read_file(path, max_recipe_bytes), path), path); }

double learning_rate(const Recipe::TrainPart& t, std::int64_t step) {
  const auto at = static_cast<double>(step), warm = static_cast<double>(t.warmup_steps);
  if (step < t.warmup_steps) return t.lr * at / std::max(1.0, warm);
  const double progress = std::min(1.0, (at - warm) / std::max(1.0, static_cast<double>(t.steps) - warm));
  switch (t.schedule) {
    case Schedule::constant: return t.lr;
    case Schedule::linear: return t.min_lr + (t.lr - t.min_lr) * (1.0 - progress);
    case Schedule::cosine: return t.min_lr + (t.lr - t.min_lr) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  }
  return t.lr;
}

}  // namespace tashika
