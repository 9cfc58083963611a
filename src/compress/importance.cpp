#include "compress/importance.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/reader.h"
#include "checkpoint/tokenizer_files.h"
#include "compress/text_chunks.h"
#include "decode/evaluate.h"
#include "io/gguf_write.h"
#include "ops/watch.h"

namespace tashika {
namespace {

constexpr std::uint64_t max_bytes = std::uint64_t{1} << 30;
constexpr std::string_view sums_suffix = ".in_sum2", counts_suffix = ".counts";

// Sums of squares by weight. A weight is known by where its bytes lie.
class Sums {
 public:
  void add(const Tensor& x, std::span<const Tensor> weights) {
    const std::vector<float> values = x.to_host();
    const auto width = static_cast<std::size_t>(x.size(1));
    std::vector<double> squares(width, 0.0);
    for (std::size_t row = 0; row + width <= values.size(); row += width) {
      for (std::size_t i = 0; i < width; ++i) squares[i] += static_cast<double>(values[row + i]) * values[row + i];
    }
    for (const Tensor& weight : weights) {
      Entry& entry = entries_[weight.data()];
      entry.sums.resize(width, 0.0);
      for (std::size_t i = 0; i < width; ++i) entry.sums[i] += squares[i];
      entry.rows += x.size(0);
    }
  }
  struct Entry {
    std::vector<double> sums;
    std::int64_t rows = 0;
  };
  const Entry* find(const Tensor& weight) const {
    const auto at = entries_.find(weight.data());
    return at == entries_.end() ? nullptr : &at->second;
  }

 private:
  std::unordered_map<const std::byte*, Entry> entries_;
};

void put(Importance& out, const GgufPlace& place, const Sums::Entry& entry) {
  std::vector<float>& columns = out.columns[place.tensor];
  std::vector<std::int64_t>& counts = out.counts[place.tensor];
  const auto width = entry.sums.size(), part = static_cast<std::size_t>(std::max<std::int64_t>(place.expert, 0));
  if (columns.size() < (part + 1) * width) columns.resize((part + 1) * width, 0.0f);
  if (counts.size() < part + 1) counts.resize(part + 1, 0);
  // Parts of a fused matrix share their input: each says the same.
  counts[part] = entry.rows;
  for (std::size_t i = 0; i < width; ++i) columns[part * width + i] = static_cast<float>(entry.sums[i] / static_cast<double>(entry.rows));
}

Importance read_gguf(const std::string& path) {
  const std::unique_ptr<Gguf> file = Gguf::open(path);
  const Metadata meta = file->metadata();
  Importance out;
  const auto count = [&](const char* key) { return meta.values[key].is_integer() ? meta.values[key].as_integer() : 0; };
  out.chunks = count("imatrix.chunk_count");
  out.chunk_tokens = count("imatrix.chunk_size");
  if (const auto names = meta.values["imatrix.datasets"]; names.is_array() && !names.as_array().empty() && names.as_array()[0].is_string()) {
    out.dataset = names.as_array()[0].as_string();
  }
  for (const WeightInfo& info : file->list()) {
    if (!info.name.ends_with(sums_suffix)) continue;
    const std::string name = info.name.substr(0, info.name.size() - sums_suffix.size());
    const WeightInfo* counts = file->find(name + std::string(counts_suffix));
    if (counts == nullptr) fail(path, ": tensor ", info.name, " has no ", counts_suffix);
    if (info.dtype != f32 || counts->dtype != f32) fail(path, ": tensor ", info.name, " is not f32");
    const auto values = [&](const WeightInfo& which) {
      std::vector<float> v(static_cast<std::size_t>(which.shape.numel()));
      std::memcpy(v.data(), file->bytes(static_cast<std::size_t>(&which - file->list().data())).data(), v.size() * sizeof(float));
      return v;
    };
    std::vector<float> sums = values(info);
    const std::vector<float> seen = values(*counts);
    if (seen.empty() || sums.size() % seen.size() != 0) fail(path, ": tensor ", info.name, " ", info.shape.str(), " and its counts ", counts->shape.str(), " do not fit");
    const std::size_t width = sums.size() / seen.size();
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const float n = seen[i / width];
      sums[i] = n > 0.0f ? sums[i] / n : 0.0f;
    }
    for (const float n : seen) out.counts[name].push_back(static_cast<std::int64_t>(n));
    out.columns[name] = std::move(sums);
  }
  return out;
}

// i32 entries; then i32 length, name, i32 calls, i32 values, f32 each (sums of means, one a call); then i32 chunks, i32
// length and the dataset's name.
Importance read_dat(const std::string& path) {
  const std::string bytes = read_file(path, max_bytes);
  ByteReader reader(std::as_bytes(std::span(bytes.data(), bytes.size())), path);
  Importance out;
  const auto count = [&](std::string_view what, std::int64_t most) {
    const auto n = reader.read<std::int32_t>(what);
    if (n < 0 || n > most) fail(path, ": ", what, " is ", n, " before offset ", reader.offset());
    return static_cast<std::uint64_t>(n);
  };
  const std::uint64_t entries = count("the number of entries", 1 << 20);
  reader.expect_items(entries, 12, "the entries");
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::string name(reader.take_text(count("a name's length", 4096), "a name"));
    const auto calls = static_cast<float>(count("a number of calls", 0x7FFFFFFF));
    const std::uint64_t values = count("a number of values", 1 << 26);
    const std::span<const std::byte> data = reader.take(values * sizeof(float), "values");
    std::vector<float> columns(static_cast<std::size_t>(values));
    std::memcpy(columns.data(), data.data(), data.size());
    if (calls > 0) {
      for (float& v : columns) v /= calls;
    }
    out.counts[name] = {static_cast<std::int64_t>(calls)};
    out.columns[name] = std::move(columns);
  }
  if (reader.remaining() >= 8) {
    out.chunks = static_cast<std::int64_t>(count("the number of chunks", 0x7FFFFFFF));
    out.dataset = std::string(reader.take_text(count("the dataset's length", 1 << 20), "the dataset's name"));
  }
  return out;
}

}  // namespace

Importance collect_importance(const Checkpoint& checkpoint, std::string_view text, const std::string& dataset, const ImportanceOptions& options,
                              Runtime& rt) {
  const std::unique_ptr<LanguageModel> model = load_language_model(checkpoint, rt);
  const std::vector<GgufPlace> places = gguf_places(checkpoint, *model);
  std::int64_t context = options.context;
  if (model->info().context > 0) context = std::min(context, model->info().context);
  const auto chunks = text_chunks(load_tokenizer(checkpoint), text, context, options.chunks, dataset);
  Sums sums;
  {
    const ops::WatchLinears watch(rt, [&](const Tensor& x, std::span<const Tensor> weights) { sums.add(x, weights); });
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      rt.throw_if_cancelled();
      if (options.progress) options.progress(static_cast<std::int64_t>(i), static_cast<std::int64_t>(chunks.size()));
      evaluate_hidden(*model, rt, {&chunks[i], 1}, {}, [](std::size_t, std::int64_t, std::span<const float>, std::int64_t) {});
    }
  }
  Importance out;
  out.chunks = static_cast<std::int64_t>(chunks.size());
  out.chunk_tokens = context;
  out.dataset = dataset;
  std::unordered_map<std::string_view, const GgufPlace*> by_param;
  for (const GgufPlace& place : places) by_param[place.param] = &place;
  for_each_param(*model, [&](const std::string& name, Param& p) {
    const auto place = by_param.find(name);
    const Sums::Entry* entry = p.value.defined() ? sums.find(p.value) : nullptr;
    if (place != by_param.end() && entry != nullptr) put(out, *place->second, *entry);
  });
  // Experts behind the last one that was chosen.
  for (const GgufPlace& place : places) {
    const auto columns = out.columns.find(place.tensor);
    if (place.expert < 0 || columns == out.columns.end()) continue;
    auto& counts = out.counts[place.tensor];
    const std::size_t width = columns->second.size() / counts.size(), needed = static_cast<std::size_t>(place.expert) + 1;
    if (counts.size() >= needed) continue;
    counts.resize(needed, 0);
    columns->second.resize(needed * width, 0.0f);
  }
  for (const auto& [name, columns] : out.columns) {
    for (const float v : columns) {
      if (!std::isfinite(v)) fail("the inputs of ", name, " are not finite on this text");
    }
  }
  return out;
}

bool is_importance_file(const std::string& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  if (bytes.size() < 8) return false;
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), 4);
  return head == "GGUF" || head.find('\0') != std::string_view::npos;
}

Importance read_importance(const std::string& path) {
  const std::string_view magic = "GGUF";
  const auto file = MappedFile::open(path);
  const bool gguf = file->bytes().size() >= 4 && std::memcmp(file->bytes().data(), magic.data(), 4) == 0;
  Importance out = gguf ? read_gguf(path) : read_dat(path);
  if (out.columns.empty()) fail(path, ": this file holds no importance matrix");
  for (const auto& [name, columns] : out.columns) {
    for (const float v : columns) {
      if (!(v >= 0.0f) || !std::isfinite(v)) fail(path, ": ", printable(name), " holds ", v, ", which is no mean square");
    }
  }
  return out;
}

void write_importance(const Importance& importance, const std::string& path) {
  GgufFields fields;
  fields.add_text("general.type", "imatrix");
  const std::string_view dataset = importance.dataset;
  fields.add_texts("imatrix.datasets", std::span(&dataset, 1));
  fields.add("imatrix.chunk_count", static_cast<std::uint32_t>(importance.chunks));
  fields.add("imatrix.chunk_size", static_cast<std::uint32_t>(importance.chunk_tokens));
  std::vector<WeightInfo> infos;
  for (const auto& [name, columns] : importance.columns) {
    const auto parts = static_cast<std::int64_t>(importance.counts.at(name).size());
    infos.push_back({name + std::string(sums_suffix), f32, Shape{parts, static_cast<std::int64_t>(columns.size()) / parts}});
    infos.push_back({name + std::string(counts_suffix), f32, Shape{parts, 1}});
  }
  GgufWriter writer(path, fields, infos);
  for (const auto& [name, columns] : importance.columns) {
    const std::vector<std::int64_t>& counts = importance.counts.at(name);
    std::vector<float> sums(columns.size()), seen;
    const std::size_t width = columns.size() / counts.size();
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = columns[i] * static_cast<float>(counts[i / width]);
    for (const std::int64_t n : counts) seen.push_back(static_cast<float>(n));
    writer.write(std::as_bytes(std::span(sums)));
    writer.write(std::as_bytes(std::span(seen)));
  }
  writer.commit();
}

}  // namespace tashika
