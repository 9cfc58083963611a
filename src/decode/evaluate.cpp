#include "decode/evaluate.h"

#include <algorithm>
#include <memory>

#include "base/error.h"

namespace tashika {
namespace {

using Forward = Tensor (LanguageModel::*)(Runtime&, std::span<const Slice>);

void evaluate(LanguageModel& model, Runtime& rt, std::span<const std::vector<std::int32_t>> sequences, EvaluateOptions options,
              const RowsSink& sink, Forward forward) {
  const std::int64_t chunk = options.chunk > 0 ? options.chunk : 512;
  for (const auto& tokens : sequences) {
    if (tokens.empty()) fail("a sequence has no tokens");
    for (const std::int32_t id : tokens) {
      if (id < 0 || id >= model.info().vocab) fail("token id ", id, " is out of range: this model has ids 0 to ", model.info().vocab - 1);
    }
  }
  std::vector<std::unique_ptr<SequenceState>> states;
  for (std::size_t i = 0; i < sequences.size(); ++i) states.push_back(model.new_state(rt));
  while (true) {
    std::vector<Slice> slices;
    std::vector<std::size_t> whose;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const std::int64_t at = states[i]->length();
      const std::int64_t count = std::min<std::int64_t>(chunk, static_cast<std::int64_t>(sequences[i].size()) - at);
      if (count == 0) continue;
      slices.push_back({states[i].get(), std::span(sequences[i]).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(count)), count,
                        static_cast<std::int64_t>(sequences[i].size())});
      whose.push_back(i);
    }
    if (slices.empty()) return;
    rt.throw_if_cancelled();
    const Tensor out = (model.*forward)(rt, slices);
    const std::vector<float> values = out.to_host();
    const std::int64_t width = out.size(-1);
    std::size_t row = 0;
    for (std::size_t i = 0; i < slices.size(); ++i) {
      const auto rows = static_cast<std::size_t>(slices[i].wanted);
      sink(whose[i], states[whose[i]]->length() - slices[i].wanted,
           std::span(values).subspan(row * static_cast<std::size_t>(width), rows * static_cast<std::size_t>(width)), width);
      row += rows;
    }
  }
}

}  // namespace

void evaluate_logits(LanguageModel& model, Runtime& rt, std::span<const std::vector<std::int32_t>> sequences, EvaluateOptions options,
                     const RowsSink& sink) {
  evaluate(model, rt, sequences, options, sink, &LanguageModel::forward);
}

void evaluate_hidden(LanguageModel& model, Runtime& rt, std::span<const std::vector<std::int32_t>> sequences, EvaluateOptions options,
                     const RowsSink& sink) {
  evaluate(model, rt, sequences, options, sink, &LanguageModel::hidden);
}

}  // namespace tashika
