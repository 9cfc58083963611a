#include "train/state.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "io/safetensors.h"
#include "io/safetensors_write.h"
#include "ops/elementwise.h"

namespace tashika {
namespace fs = std::filesystem;
namespace {

std::string checkpoints_folder(const std::string& out) { return join_path(out, "checkpoints"); }

std::string step_name(std::int64_t step) {
  std::string digits = std::to_string(step);
  return cat("step-", std::string(digits.size() < 9 ? 9 - digits.size() : 0, '0'), digits);
}

std::vector<std::string> checkpoint_names(const std::string& out) {
  const std::string folder = checkpoints_folder(out);
  std::vector<std::string> names;
  if (file_type(folder) != FileType::directory) return names;
  for (const std::string& name : list_directory(folder)) {
    if (name.starts_with("step-")) names.push_back(name);
  }
  return names;  // sorted: the digits are as many
}

// What may differ between a run and its continuation: how long it is, and what concerns the output alone.
Json comparable(const Json& recipe) {
  Json out = recipe;
  if (!out.is_object()) return out;
  out.as_object().erase("output");
  if (Json* train = out.as_object().find("train"); train != nullptr && train->is_object()) train->as_object().erase("steps");
  return out;
}

// A copy in memory of our own.
Tensor copy_of(const Tensor& t) { return ops::affine(t, 1.0f, 0.0f); }

Progress restore(const std::string& folder, std::vector<Trained>& trained, Runtime& rt, const Json& recipe, const Say& say) {
  const std::string manifest = join_path(folder, "trainer.json"), file = join_path(folder, "state.safetensors");
  const Json values = parse_json(read_file(manifest, 16 << 20), manifest);
  if (values["state_sha256"] != Json(sha256_file(file))) fail(file, ": its digest is not the one recorded");
  const auto source = Safetensors::open(file);
  std::vector<Trained> next = trained;
  for (Trained& t : next) {
    const auto read = [&](std::string_view kind, const Tensor& like) {
      const std::string name = cat(kind, ".", t.name);
      const WeightInfo* info = source->find(name);
      if (info == nullptr || info->shape != like.shape() || info->dtype != f32) fail(file, ": tensor ", name, " is missing or of another shape");
      return copy_of(source->load(name, rt));
    };
    t.master = read("master", t.master);
    t.m = read("m", t.m);
    t.v = read("v", t.v);
    if (t.average.defined()) t.average = read("average", t.average);
  }
  Progress p;
  p.step = values["step"].as_integer();
  p.position = values["position"].as_integer();
  p.metrics_bytes = static_cast<std::uint64_t>(values["metrics_bytes"].as_integer());
  p.norm_mean = values["norm_mean"].as_double();
  p.updates = values["updates"].as_integer();
  if (!(comparable(values["recipe"]) == comparable(recipe))) say(cat(manifest, ": the recipe has changed since; going on with the new one"));
  trained = std::move(next);
  for (Trained& t : trained) {
    if (t.compute == f32) {
      Tensor value = t.master;
      value.set_grad_node(t.value->grad_node());
      *t.value = value;
    } else {
      t.refresh();
    }
  }
  return p;
}

}  // namespace

void save_state(const std::string& out, const std::vector<Trained>& trained, const Progress& progress, const Json& recipe, std::int64_t keep) {
  const std::string folder = join_path(checkpoints_folder(out), step_name(progress.step));
  make_directories(folder);
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const Trained& t : trained) {
    tensors.emplace_back(cat("master.", t.name), t.master);
    tensors.emplace_back(cat("m.", t.name), t.m);
    tensors.emplace_back(cat("v.", t.name), t.v);
    if (t.average.defined()) tensors.emplace_back(cat("average.", t.name), t.average);
  }
  const std::string file = join_path(folder, "state.safetensors");
  save_safetensors(file, tensors);
  Json values;
  values.set("format", 1);
  values.set("step", progress.step);
  values.set("position", progress.position);
  values.set("metrics_bytes", static_cast<std::int64_t>(progress.metrics_bytes));
  values.set("norm_mean", progress.norm_mean);
  values.set("updates", progress.updates);
  values.set("state_sha256", sha256_file(file));
  values.set("recipe", recipe);
  write_file(join_path(folder, "trainer.json"), dump_json(values, JsonStyle::python, 1) + "\n");
  std::vector<std::string> names = checkpoint_names(out);
  std::erase_if(names, [&](const std::string& name) { return name >= step_name(progress.step); });
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) - 1 < names.size(); ++i) {
    const std::string old = join_path(checkpoints_folder(out), names[i]);
    std::error_code ignored;  // an old checkpoint that stays does no harm
    fs::remove(join_path(old, "trainer.json"), ignored);
    fs::remove_all(old, ignored);
  }
}

std::optional<Progress> restore_state(const std::string& out, std::vector<Trained>& trained, Runtime& rt, const Json& recipe, const Say& say) {
  const std::vector<std::string> names = checkpoint_names(out);
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    const std::string folder = join_path(checkpoints_folder(out), *name);
    if (file_type(join_path(folder, "trainer.json")) != FileType::regular) {
      say(cat(folder, ": was not finished; passed over"));
      continue;
    }
    try {
      return restore(folder, trained, rt, recipe, say);
    } catch (const Error& error) {
      say(cat(folder, ": passed over: ", error.message()));
    }
  }
  return std::nullopt;
}

}  // namespace tashika
