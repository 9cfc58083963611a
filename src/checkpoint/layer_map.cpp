#include "checkpoint/layer_map.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/save.h"
#include "io/safetensors_write.h"

namespace tashika {
namespace {

constexpr std::int64_t max_layers = 1 << 20;
constexpr const char* layer_keys[] = {"num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_blocks"};

// A tensor's name around its first number: "model.layers.", 7, ".mlp.up_proj.weight".
struct Numbered {
  std::string_view before;
  std::int64_t number;
  std::string_view behind;
};

std::optional<Numbered> numbered(std::string_view name) {
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    std::int64_t number = 0;
    const auto [last, error] = std::from_chars(name.data() + begin, name.data() + end, number);
    if (end > begin && error == std::errc() && last == name.data() + end && number >= 0) {
      return Numbered{name.substr(0, begin), number, name.substr(end)};
    }
    begin = end + 1;
  }
  return std::nullopt;
}

// The source's tensors under the result's names.
class MappedLayers final : public WeightSource {
 public:
  MappedLayers(std::shared_ptr<WeightSource> source, const LayerMap& map) : source_(std::move(source)) {
    for (const WeightInfo& info : source_->list()) {
      const std::optional<Numbered> n = numbered(info.name);
      if (!n) add(info.name, info);
      for (std::size_t i = 0; n && i < map.size(); ++i) {
        if (map[i] == n->number) add(cat(n->before, i, n->behind), info);
      }
    }
  }
  const std::vector<WeightInfo>& list() const override { return list_; }
  const WeightInfo* find(std::string_view name) const override {
    const auto at = places_.find(name);
    return at != places_.end() ? &list_[at->second.first] : nullptr;
  }
  Tensor load(std::string_view name, Runtime& rt) const override {
    const auto at = places_.find(name);
    if (at == places_.end()) fail(origin(), ": there is no tensor ", printable(name));
    return source_->load(at->second.second, rt);
  }
  std::string origin() const override { return source_->origin(); }

 private:
  void add(std::string name, const WeightInfo& from) {
    places_[name] = {list_.size(), from.name};
    list_.push_back({std::move(name), from.dtype, from.shape});
  }
  std::shared_ptr<WeightSource> source_;
  std::vector<WeightInfo> list_;
  std::map<std::string, std::pair<std::size_t, std::string>, std::less<>> places_;
};

// The config of the result: its number of layers, and lists that have an entry a layer.
Json mapped_config(const Json& source, std::int64_t layers, const LayerMap& map, const std::string& origin) {
  Json out = source;
  bool counted = false;
  for (const char* key : layer_keys) {
    const Json* value = source.find(key);
    if (value == nullptr || value->is_null()) continue;
    if (!value->is_number() || value->as_double() != static_cast<double>(layers)) {
      fail(origin, ": ", key, " is not the ", layers, " layers that the tensors have");
    }
    out.set(key, Json(static_cast<std::int64_t>(map.size())));
    counted = true;
  }
  if (!counted) fail(origin, ": the config states no number of layers (num_hidden_layers, n_layer, …)");
  for (const auto& [key, value] : source.as_object().entries()) {
    if (!value.is_array() || static_cast<std::int64_t>(value.as_array().size()) != layers || key.find("layer") == std::string::npos) continue;
    JsonArray chosen;
    for (const std::int64_t layer : map) chosen.push_back(value.as_array()[static_cast<std::size_t>(layer)]);
    out.set(key, Json(std::move(chosen)));
  }
  return out;
}

std::int64_t read_number(std::string_view text, std::string_view whole, std::int64_t layers) {
  std::int64_t n = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    fail("layers ", printable(whole), ": expected runs like 0-43,8-51");
  }
  if (n < 0 || n >= layers) fail("layers ", printable(whole), ": there is no layer ", n, "; the model has 0 to ", layers - 1);
  return n;
}

}  // namespace

LayerMap depth_upscale(std::int64_t layers, std::int64_t left_out) {
  if (left_out < 0 || left_out >= layers) fail("depth up-scaling: ", left_out, " of ", layers, " layers left out leaves none");
  LayerMap map;
  for (std::int64_t i = 0; i < layers - left_out; ++i) map.push_back(i);
  for (std::int64_t i = left_out; i < layers; ++i) map.push_back(i);
  return map;
}

LayerMap parse_layer_map(std::string_view text, std::int64_t layers) {
  LayerMap map;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view run = text.substr(begin, end - begin);
    const std::size_t dash = run.find('-');
    const std::int64_t first = read_number(run.substr(0, dash), text, layers);
    const std::int64_t last = dash == std::string_view::npos ? first : read_number(run.substr(dash + 1), text, layers);
    if (last < first) fail("layers ", printable(text), ": ", run, " runs backwards");
    if (static_cast<std::int64_t>(map.size()) + last - first >= max_layers) fail("layers ", printable(text), ": too many");
    for (std::int64_t i = first; i <= last; ++i) map.push_back(i);
    begin = end + 1;
  }
  return map;
}

std::int64_t count_layers(const Checkpoint& checkpoint) {
  if (checkpoint.is_gguf() || checkpoint.meta.format != Metadata::Format::hf || checkpoint.weights == nullptr) {
    fail(checkpoint.path, ": layers can be chosen of a Hugging Face folder with config.json and safetensors only");
  }
  std::set<std::int64_t> found;
  std::string_view before;
  for (const WeightInfo& info : checkpoint.weights->list()) {
    const std::optional<Numbered> n = numbered(info.name);
    if (!n) continue;
    if (!found.empty() && n->before != before) {
      fail(checkpoint.path, ": both ", before, "N and ", n->before, "N are numbered; which are the layers cannot be told");
    }
    before = n->before;
    found.insert(n->number);
  }
  if (found.empty()) fail(checkpoint.path, ": no tensor's name has a layer's number");
  const auto layers = static_cast<std::int64_t>(found.size());
  if (*found.rbegin() != layers - 1) fail(checkpoint.path, ": the layers are not numbered from 0 without gaps");
  return layers;
}

void write_layer_map(const Checkpoint& checkpoint, const LayerMap& map, const std::string& folder, Runtime& rt) {
  const std::int64_t layers = count_layers(checkpoint);
  for (const std::int64_t layer : map) {
    if (layer < 0 || layer >= layers) fail("there is no layer ", layer, "; the model has 0 to ", layers - 1);
  }
  for (const char* name : {"config.json", "model.safetensors", "model.safetensors.index.json"}) {
    if (file_type(join_path(folder, name)) != FileType::none) fail(folder, ": already holds ", name, "; name another folder");
  }
  Checkpoint result = checkpoint;
  result.meta.values = mapped_config(checkpoint.meta.values, layers, map, checkpoint.meta.origin);
  result.weights = std::make_shared<MappedLayers>(checkpoint.weights, map);
  Runtime shapes("meta", nullptr, RuntimeOptions{});
  load_module(result, shapes);

  make_directories(folder);
  SafetensorsWriter writer(join_path(folder, "model.safetensors"), result.weights->list(), {{"format", "pt"}});
  for (const WeightInfo& info : writer.order()) writer.write(result.weights->load(info.name, rt).bytes());
  writer.commit();
  copy_companions(checkpoint.path, folder);
  write_file(join_path(folder, "config.json"), dump_json(result.meta.values, JsonStyle::python, 2) + "\n");
}

}  // namespace tashika
