#include "golden/golden_case.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "io/npy.h"
#include "support/runtimes.h"

namespace tashika::test {
namespace {

std::vector<std::int32_t> ids_of(const Json& array) {
  std::vector<std::int32_t> ids;
  for (const Json& id : array.as_array()) ids.push_back(static_cast<std::int32_t>(id.as_integer()));
  return ids;
}

}  // namespace

std::vector<std::string> golden_descriptors(const std::string& kind) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TASHIKA_TEST_DATA) + "/golden/" + kind)) {
    const std::filesystem::path path = entry.is_directory() ? entry.path() / "case.json" : entry.path();
    if (path.extension() == ".json") found.push_back(path.string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

GoldenCase read_golden(const std::string& descriptor) {
  const Json json = parse_json(read_file(descriptor, std::uint64_t{1} << 20), descriptor);
  const std::filesystem::path folder = std::filesystem::path(descriptor).parent_path();
  GoldenCase c;
  c.name = json["name"].as_string();
  c.model = json.contains("formats") ? (folder / (c.name + ".gguf")).string() : folder.string();
  c.spread = json["spread"].as_double();
  c.fast_bound = json["fast_bound"].as_double();
  for (const Json& s : json["sequences"].as_array()) {
    GoldenSequence sequence;
    sequence.ids = ids_of(s["ids"]);
    sequence.logits = read_npy((folder / s["logits"].as_string()).string()).floats();
    if (s.contains("hidden")) sequence.hidden = read_npy((folder / s["hidden"].as_string()).string()).floats();
    c.sequences.push_back(std::move(sequence));
  }
  c.greedy_prompt = ids_of(json["greedy"]["prompt"]);
  c.greedy_ids = ids_of(json["greedy"]["ids"]);
  c.greedy_by_peer = json["greedy"].contains("by");
  c.greedy_margin = json["greedy"]["margin"].as_double();
  return c;
}

GoldenModel::GoldenModel(const std::string& path, const std::string& backend, int threads, ComputeMode compute)
    : rt_(test::runtime(backend, threads, compute)), model_(load_language_model(open_checkpoint(path), *rt_)) {}

std::unique_ptr<SequenceState> GoldenModel::state() const { return model_->new_state(*rt_); }

std::vector<float> GoldenModel::logits(const std::vector<std::int32_t>& ids, std::size_t chunk) const {
  const auto s = state();
  std::vector<float> out;
  const std::size_t step = chunk ? chunk : ids.size();
  for (std::size_t i = 0; i < ids.size(); i += step) {
    const std::size_t n = std::min(step, ids.size() - i);
    const Slice slice{s.get(), std::span(ids).subspan(i, n), static_cast<std::int64_t>(n), static_cast<std::int64_t>(ids.size())};
    const std::vector<float> part = model_->forward(*rt_, {&slice, 1}).to_host();
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

std::vector<float> GoldenModel::batch(const std::vector<std::vector<std::int32_t>>& sequences) const {
  std::vector<std::unique_ptr<SequenceState>> states;
  std::vector<Slice> slices;
  for (const auto& ids : sequences) {
    states.push_back(state());
    slices.push_back({states.back().get(), ids, static_cast<std::int64_t>(ids.size())});
  }
  return model_->forward(*rt_, slices).to_host();
}

std::vector<float> GoldenModel::hidden(const std::vector<std::int32_t>& ids) const {
  const auto s = state();
  const Slice slice{s.get(), ids, 0};
  return model_->hidden(*rt_, {&slice, 1}).to_host();
}

std::vector<std::int32_t> GoldenModel::greedy(const std::vector<std::int32_t>& prompt, std::size_t count) const {
  const auto s = state();
  std::vector<std::int32_t> made, next = prompt;
  for (std::size_t i = 0; i < count; ++i) {
    const Slice slice{s.get(), next, 1};
    const std::vector<float> row = model_->forward(*rt_, {&slice, 1}).to_host();
    made.push_back(static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
    next = {made.back()};
  }
  return made;
}

}  // namespace tashika::test
