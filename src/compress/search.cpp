#include "compress/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"
#include "quant/formats.h"

namespace tashika {
namespace {

constexpr std::string_view ladder_names[] = {"q2_k", "q3_k", "iq4_xs", "q4_k", "q5_k", "q6_k", "q8_0"};

// Mean square error on normal weights in units of their variance: how errors scale from type to type.
double relative_error(DType type) {
  constexpr std::pair<std::string_view, double> table[] = {{"q2_k", 7.7e-2}, {"q3_k", 2.2e-2}, {"iq4_xs", 5.7e-3}, {"iq4_nl", 5.7e-3}, {"q4_0", 7.1e-3},
                                                           {"q4_k", 4.9e-3}, {"q5_k", 1.2e-3}, {"q5_0", 1.7e-3},   {"q5_1", 1.4e-3},   {"q6_k", 3.1e-4},
                                                           {"q8_0", 2.8e-5}};
  for (const auto& [name, error] : table) {
    if (type->name == name) return error;
  }
  return 0.0;
}

std::int64_t bytes_as(const WeightInfo& tensor, DType type) {
  const std::int64_t width = tensor.shape.rank() > 0 ? tensor.shape[-1] : 1;
  return width > 0 ? tensor.shape.numel() / width * type.row_bytes(width) : 0;
}

// The model with weights exchanged for quantised ones, in memory.
class Workbench {
 public:
  Workbench(const Checkpoint& checkpoint, const GgufForm& form, LanguageModel& model, const ColumnImportance* importance, Runtime& rt)
      : form_(form), model_(model), importance_(importance), rt_(rt), parts_(form.tensors.size()) {
    std::map<std::string_view, std::size_t> index;
    for (std::size_t i = 0; i < form.tensors.size(); ++i) index[form.tensors[i].name] = i;
    std::map<std::string, GgufPlace> places;
    for (GgufPlace& place : gguf_places(checkpoint, model)) places[place.param] = place;
    for_each_param(model, [&](const std::string& name, Param& p) {
      const auto place = places.find(name);
      if (place == places.end() || !p.value.defined()) return;
      const auto at = index.find(place->second.tensor);
      if (at != index.end()) parts_[at->second].push_back({&p, p.value, place->second.expert});
    });
    for (const WeightInfo& tensor : form.tensors) types_.push_back(tensor.dtype);
  }
  ~Workbench() {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      for (Part& part : parts_[i]) part.param->value = part.original;
    }
    try {
      tell_bound(model_);
    } catch (const Error&) {  // it was bound before with the same weights
    }
  }
  Workbench(const Workbench&) = delete;
  Workbench& operator=(const Workbench&) = delete;

  bool has(std::size_t tensor) const { return !parts_[tensor].empty(); }
  DType type(std::size_t tensor) const { return types_[tensor]; }

  void set(std::size_t tensor, DType type) {
    if (types_[tensor] == type) return;
    const std::vector<float>* columns = nullptr;
    if (importance_ != nullptr) {
      const auto found = importance_->find(form_.tensors[tensor].name);
      if (found != importance_->end()) columns = &found->second;
    }
    const std::int64_t width = form_.tensors[tensor].shape[-1];
    for (Part& part : parts_[tensor]) {
      const float* importance = nullptr;
      if (columns != nullptr) {
        const std::int64_t at = std::max<std::int64_t>(part.expert, 0) * width;
        if (at + width <= static_cast<std::int64_t>(columns->size())) importance = columns->data() + at;
      }
      const bool own = type == form_.tensors[tensor].dtype;
      part.param->value = own ? part.original : quantised(part.original, type, type.is_block() ? importance : nullptr, form_.tensors[tensor].name, rt_);
    }
    types_[tensor] = type;
  }
  void finish() { tell_bound(model_); }

 private:
  struct Part {
    Param* param;
    Tensor original;
    std::int64_t expert;
  };
  const GgufForm& form_;
  LanguageModel& model_;
  const ColumnImportance* importance_;
  Runtime& rt_;
  std::vector<std::vector<Part>> parts_;
  std::vector<DType> types_;
};

struct Rung {  // a tensor on its ladder
  std::size_t tensor;
  std::vector<DType> ladder;
  std::size_t at;          // index in the ladder
  double cost = 0;         // divergence for each unit of relative error, from its probe
  std::int64_t tried = -1; // the round in which going lower failed
  double failed_at = 0;

  double predicted(std::size_t index) const { return cost * relative_error(ladder[index]); }
};

class Search {
 public:
  Search(const Checkpoint& checkpoint, const GgufForm& form, LanguageModel& model, std::span<const std::vector<TokenId>> chunks, const SearchOptions& options,
         Runtime& rt)
      : form_(form), model_(model), chunks_(chunks), options_(options), rt_(rt), base_(keep(chunks)), bench_(checkpoint, form, model, options.importance, rt) {
    for (std::size_t i = 0; i < form.tensors.size(); ++i) {
      const WeightInfo& tensor = form.tensors[i];
      if (!may_quantise(tensor) || !bench_.has(i)) continue;
      if (tensor.dtype.is_block()) fail("tensor ", tensor.name, " is ", tensor.dtype->name, " already: a mix is searched from an f16, bf16 or f32 model");
      std::vector<DType> ladder = type_ladder(tensor);
      const std::size_t top = ladder.size() - 1;
      rungs_.push_back({i, std::move(ladder), top});
    }
    if (rungs_.empty()) fail("there is nothing to quantise");
  }

  SearchResult run() {
    SearchResult out;
    const std::size_t uniform = find_uniform(out);
    std::vector<std::size_t> best(rungs_.size());
    for (std::size_t i = 0; i < rungs_.size(); ++i) best[i] = rungs_[i].ladder.size() - 1;
    if (uniform < std::size(ladder_names)) best = uniform_indices(uniform);
    probe(uniform);
    allocate(best);
    apply(best);
    descend();
    out.types.resize(form_.tensors.size());
    for (std::size_t i = 0; i < out.types.size(); ++i) {
      out.types[i] = bench_.type(i);
      out.bytes += bytes_as(form_.tensors[i], out.types[i]);
    }
    out.quality = measure_quality(model_, rt_, chunks_, base_.get());
    out.measurements = measurements_ + 1;
    return out;
  }

 private:
  std::unique_ptr<BaseDistributions> keep(std::span<const std::vector<TokenId>> chunks) {
    tell("reading the text with the original", 0, 1);
    return kept_base(model_, rt_, chunks);
  }

  void tell(std::string_view doing, std::int64_t done, std::int64_t total) {
    if (options_.progress) options_.progress(doing, done, total);
  }

  double measure(std::span<const std::vector<TokenId>> chunks, double limit) {
    bench_.finish();
    ++measurements_;
    return mean_divergence(model_, rt_, chunks, *base_, limit);
  }

  void apply(const std::vector<std::size_t>& indices) {
    for (std::size_t i = 0; i < rungs_.size(); ++i) {
      rungs_[i].at = indices[i];
      bench_.set(rungs_[i].tensor, rungs_[i].ladder[indices[i]]);
    }
  }

  std::int64_t bytes_of(const std::vector<std::size_t>& indices) const {
    std::int64_t bytes = 0;
    for (std::size_t i = 0; i < rungs_.size(); ++i) bytes += bytes_as(form_.tensors[rungs_[i].tensor], rungs_[i].ladder[indices[i]]);
    return bytes;
  }

  // All tensors at one of the ladder's names, or what their width makes of it.
  std::vector<std::size_t> uniform_indices(std::size_t name) const {
    std::vector<std::size_t> out;
    for (const Rung& rung : rungs_) {
      const DType wanted = fit_to_width(find_dtype(ladder_names[name]), form_.tensors[rung.tensor].shape[-1]);
      const std::int64_t bytes = bytes_as(form_.tensors[rung.tensor], wanted);
      std::size_t at = 0;
      while (at + 1 < rung.ladder.size() && bytes_as(form_.tensors[rung.tensor], rung.ladder[at]) < bytes) ++at;
      out.push_back(at);
    }
    return out;
  }

  // The index of the smallest uniform type under the limit; beyond the names when there is none.
  std::size_t find_uniform(SearchResult& out) {
    std::size_t low = 0, high = std::size(ladder_names);
    while (low < high) {
      tell("uniform types", static_cast<std::int64_t>(std::size(ladder_names) - (high - low)), static_cast<std::int64_t>(std::size(ladder_names)));
      const std::size_t middle = (low + high) / 2;
      apply(uniform_indices(middle));
      if (measure(chunks_, options_.max_kld) <= options_.max_kld) high = middle;
      else low = middle + 1;
    }
    if (high < std::size(ladder_names)) {
      out.uniform = find_dtype(ladder_names[high]);
      out.uniform_bytes = bytes_of(uniform_indices(high));
      for (std::size_t i = 0; i < form_.tensors.size(); ++i) {
        if (std::ranges::none_of(rungs_, [&](const Rung& rung) { return rung.tensor == i; })) out.uniform_bytes += bytes_as(form_.tensors[i], form_.tensors[i].dtype);
      }
    }
    return high;
  }

  // What each tensor costs alone, near the type where the answer will lie; on one chunk, for it only orders.
  void probe(std::size_t uniform) {
    const std::size_t name = std::clamp<std::size_t>(uniform == 0 ? 0 : uniform - 1, 0, std::size(ladder_names) - 1);
    const std::vector<std::size_t> at = uniform_indices(name);
    for (Rung& rung : rungs_) bench_.set(rung.tensor, rung.ladder.back());
    for (std::size_t i = 0; i < rungs_.size(); ++i) {
      tell("what each tensor costs", static_cast<std::int64_t>(i), static_cast<std::int64_t>(rungs_.size()));
      Rung& rung = rungs_[i];
      bench_.set(rung.tensor, rung.ladder[at[i]]);
      const double alone = measure(chunks_.first(1), std::numeric_limits<double>::max());
      bench_.set(rung.tensor, rung.ladder.back());
      const double error = relative_error(rung.ladder[at[i]]);
      rung.cost = error > 0 ? std::max(alone, 1e-12) / error : 1e-12;
    }
  }

  // The mix that is predicted to cost no more than `budget` at least bytes: each tensor takes the type of least
  // bytes + price * cost, and the price is found by bisection.
  std::vector<std::size_t> within(double budget) const {
    const auto at_price = [&](double price) {
      std::vector<std::size_t> out;
      for (const Rung& rung : rungs_) {
        std::size_t best = 0;
        double least = std::numeric_limits<double>::max();
        for (std::size_t i = 0; i < rung.ladder.size(); ++i) {
          const double value = static_cast<double>(bytes_as(form_.tensors[rung.tensor], rung.ladder[i])) + price * rung.predicted(i);
          if (value < least) {
            least = value;
            best = i;
          }
        }
        out.push_back(best);
      }
      return out;
    };
    const auto cost_of = [&](const std::vector<std::size_t>& mix) {
      double sum = 0;
      for (std::size_t i = 0; i < rungs_.size(); ++i) sum += rungs_[i].predicted(mix[i]);
      return sum;
    };
    double cheap = 0, dear = 1;
    while (cost_of(at_price(dear)) > budget && dear < 1e30) dear *= 4;
    for (int i = 0; i < 60; ++i) {
      const double middle = (cheap + dear) / 2;
      (cost_of(at_price(middle)) > budget ? cheap : dear) = middle;
    }
    return at_price(dear);
  }

  // `best` becomes a predicted mix if its measured divergence is under the limit and it is smaller.
  void allocate(std::vector<std::size_t>& best) {
    double budget = options_.max_kld, low = 0, high = std::numeric_limits<double>::infinity();
    constexpr int rounds = 6;
    for (int i = 0; i < rounds; ++i) {
      tell("mixes", i, rounds);
      const std::vector<std::size_t> mix = within(budget);
      apply(mix);
      const double measured = measure(chunks_, options_.max_kld * 4);
      if (measured <= options_.max_kld) {
        low = budget;
        if (bytes_of(mix) < bytes_of(best)) best = mix;
      } else {
        high = budget;
      }
      const double factor = std::isfinite(measured) && measured > 0 ? std::clamp(options_.max_kld / measured, 0.25, 4.0) : 0.25;
      budget = std::isfinite(high) && low > 0 ? std::sqrt(low * high) : budget * factor;
      if (std::isfinite(high) && high / std::max(low, 1e-300) < 1.02) break;
    }
  }

  // One step down for any tensor that can, until a whole round finds none.
  void descend() {
    for (std::int64_t round = 0;;) {
      Rung* next = nullptr;
      double promise = 0;
      std::int64_t open = 0;
      for (Rung& rung : rungs_) {
        if (rung.at == 0 || rung.tried == round) continue;
        ++open;
        const WeightInfo& tensor = form_.tensors[rung.tensor];
        const auto saved = static_cast<double>(bytes_as(tensor, rung.ladder[rung.at]) - bytes_as(tensor, rung.ladder[rung.at - 1]));
        const double more = std::max(rung.predicted(rung.at - 1) - rung.predicted(rung.at), 1e-15);
        if (next == nullptr || saved / more > promise) {
          next = &rung;
          promise = saved / more;
        }
      }
      if (next == nullptr) return;
      tell("single steps", static_cast<std::int64_t>(rungs_.size()) - open, static_cast<std::int64_t>(rungs_.size()));
      bench_.set(next->tensor, next->ladder[next->at - 1]);
      if (measure(chunks_, options_.max_kld) <= options_.max_kld) {
        --next->at;
        ++round;  // what failed before is asked again
      } else {
        bench_.set(next->tensor, next->ladder[next->at]);
        next->tried = round;
      }
    }
  }

  const GgufForm& form_;
  LanguageModel& model_;
  std::span<const std::vector<TokenId>> chunks_;
  const SearchOptions& options_;
  Runtime& rt_;
  std::unique_ptr<BaseDistributions> base_;
  Workbench bench_;
  std::vector<Rung> rungs_;
  std::int64_t measurements_ = 0;
};

}  // namespace

std::vector<DType> type_ladder(const WeightInfo& tensor) {
  std::vector<DType> out;
  const std::int64_t own = bytes_as(tensor, tensor.dtype);
  for (const std::string_view name : ladder_names) {
    const DType type = fit_to_width(find_dtype(name), tensor.shape[-1]);
    const std::int64_t bytes = bytes_as(tensor, type);
    if (bytes >= own) continue;
    // Of two types of one size the later is the better one.
    if (!out.empty() && bytes_as(tensor, out.back()) >= bytes) out.pop_back();
    out.push_back(type);
  }
  out.push_back(tensor.dtype);
  return out;
}

SearchResult search_mix(const Checkpoint& checkpoint, const GgufForm& form, LanguageModel& model, std::span<const std::vector<TokenId>> chunks,
                        const SearchOptions& options, Runtime& rt) {
  if (!(options.max_kld > 0)) fail_with(ErrorKind::usage, "the limit of the divergence must be above zero");
  return Search(checkpoint, form, model, chunks, options, rt).run();
}

Quality measure_types(const Checkpoint& checkpoint, const GgufForm& form, LanguageModel& model, std::span<const std::vector<TokenId>> chunks,
                      std::span<const DType> types, const ColumnImportance* importance, Runtime& rt) {
  const auto base = kept_base(model, rt, chunks);
  Workbench bench(checkpoint, form, model, importance, rt);
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (bench.has(i)) bench.set(i, types[i]);
  }
  bench.finish();
  return measure_quality(model, rt, chunks, base.get());
}

}  // namespace tashika
