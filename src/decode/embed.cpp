#include "decode/embed.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "checkpoint/tokenizer_files.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"

namespace tashika {
namespace {

// Adds the pooled rows [tokens, width] to `out`. Sums are in double: their order cannot matter then.
void pool(Pooling way, std::span<const float> rows, std::int64_t width, std::int64_t prompt, std::vector<float>& out) {
  const auto wide = static_cast<std::size_t>(width);
  const std::size_t count = rows.size() / wide, first = std::min(static_cast<std::size_t>(prompt), count - 1);
  const auto copy = [&](std::size_t row) { out.insert(out.end(), rows.begin() + static_cast<std::ptrdiff_t>(row * wide), rows.begin() + static_cast<std::ptrdiff_t>((row + 1) * wide)); };
  if (way == Pooling::first) return copy(first);
  if (way == Pooling::last) return copy(count - 1);
  const std::size_t at = out.size();
  if (way == Pooling::max) {
    copy(first);
    for (std::size_t row = first + 1; row < count; ++row) {
      for (std::size_t d = 0; d < wide; ++d) out[at + d] = std::max(out[at + d], rows[row * wide + d]);
    }
    return;
  }
  std::vector<double> sums(wide, 0.0);
  double total = 0;
  for (std::size_t row = first; row < count; ++row) {
    const double weight = way == Pooling::weighted_mean ? static_cast<double>(row + 1) : 1.0;
    total += weight;
    for (std::size_t d = 0; d < wide; ++d) sums[d] += weight * static_cast<double>(rows[row * wide + d]);
  }
  const double divisor = way == Pooling::mean_sqrt_length ? std::sqrt(total) : total;
  for (const double sum : sums) out.push_back(static_cast<float>(sum / divisor));
}

void normalise(std::vector<float>& v) {
  double squares = 0;
  for (const float x : v) squares += static_cast<double>(x) * static_cast<double>(x);
  const double length = std::max(std::sqrt(squares), 1e-12);
  for (float& x : v) x = static_cast<float>(static_cast<double>(x) / length);
}

}  // namespace

Embedder::Embedder(const std::string& path, Runtime& rt) : rt_(rt), recipe_(read_embedding_recipe(path, rt)), checkpoint_(open_checkpoint(recipe_.model_path)) {
  if (model_of(checkpoint_).role == Role::encoder) encoder_ = load_encoder(checkpoint_, rt);
  else model_ = load_language_model(checkpoint_, rt);
  if (encoder_ && recipe_.origin.empty() && !encoder_->pools_texts()) recipe_.pooling = {Pooling::mean};
  tokenizer_ = std::make_unique<Tokenizer>(load_tokenizer(checkpoint_));
}

std::string Embedder::prompt_of(const EmbedOptions& options) const {
  if (options.prompt) return *options.prompt;
  const std::string& name = options.prompt_name.empty() ? recipe_.default_prompt : options.prompt_name;
  if (name.empty()) return {};
  std::string known;
  for (const auto& [key, text] : recipe_.prompts) {
    if (key == name) return text;
    known += cat(known.empty() ? "" : ", ", key);
  }
  fail(recipe_.origin.empty() ? recipe_.model_path : recipe_.origin, ": there is no prompt \"", name, "\"; known: ", known.empty() ? "none" : known);
}

Embedder::Text Embedder::encode(const std::string& text, std::int64_t prompt, std::int64_t limit, bool& cut) const {
  Text out{tokenizer_->encode(text), prompt};
  if (out.ids.empty()) fail("a text has no tokens");
  const auto most = static_cast<std::size_t>(limit);
  if (limit == 0 || out.ids.size() <= most) return out;
  cut = true;
  // The special tokens that the tokenizer puts around the text stay, as the reference cuts.
  const std::vector<TokenId> content = tokenizer_->encode(text, {.add_special = false, .special_as_text = false});
  const std::size_t around = out.ids.size() > content.size() ? out.ids.size() - content.size() : 0;
  const auto found = std::search(out.ids.begin(), out.ids.end(), content.begin(), content.end());
  if (found == out.ids.end() || around >= most) {
    out.ids.resize(most);
    return out;
  }
  const auto before = found - out.ids.begin();
  const auto kept = static_cast<std::ptrdiff_t>(most - around);
  out.ids.erase(out.ids.begin() + before + kept, out.ids.begin() + before + static_cast<std::ptrdiff_t>(content.size()));
  return out;
}

std::vector<std::vector<float>> Embedder::states(std::span<const Text* const> texts, std::span<const Pooling> pooling) const {
  rt_.throw_if_cancelled();
  Tensor hidden, pooled;
  if (encoder_) {
    std::vector<std::span<const std::int32_t>> sequences;
    for (const Text* text : texts) sequences.emplace_back(text->ids);
    const Encoder::Output out = encoder_->encode(rt_, sequences, pooling.empty());
    hidden = out.hidden;
    pooled = out.pooled;
  } else {
    std::vector<Slice> slices;
    for (const Text* text : texts) slices.push_back({nullptr, text->ids, 0});
    hidden = model_->hidden(rt_, slices);
  }
  std::vector<std::vector<float>> vectors(texts.size());
  const std::vector<float> values = (pooling.empty() ? pooled : hidden).to_host();
  const std::int64_t width = pooling.empty() ? pooled.size(1) : hidden.size(1);
  std::span<const float> rest(values);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::size_t rows = pooling.empty() ? 1 : texts[i]->ids.size(), count = rows * static_cast<std::size_t>(width);
    if (pooling.empty()) vectors[i].assign(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(count));
    for (const Pooling way : pooling) pool(way, rest.first(count), width, texts[i]->prompt, vectors[i]);
    rest = rest.subspan(count);
  }
  return vectors;
}

Embeddings Embedder::embed(std::span<const std::string> texts, const EmbedOptions& options) const {
  const std::string prompt = prompt_of(options);
  std::int64_t skipped = 0;
  if (!prompt.empty() && !recipe_.include_prompt) {
    const std::vector<TokenId> ids = tokenizer_->encode(prompt);
    skipped = static_cast<std::int64_t>(ids.size());
    if (!ids.empty() && tokenizer_->kind(ids.back()).special) --skipped;
  }
  const std::int64_t context = encoder_ ? encoder_->info().context : model_->info().context;
  std::int64_t limit = recipe_.max_tokens;
  if (context > 0) limit = limit > 0 ? std::min(limit, context) : context;
  const std::vector<Pooling> pooling = options.pooling ? std::vector<Pooling>{*options.pooling} : recipe_.pooling;

  Embeddings out;
  std::vector<Text> encoded;
  for (const std::string& text : texts) {
    bool cut = false;
    encoded.push_back(encode(prompt + text, skipped, limit, cut));
    out.cut += cut ? 1 : 0;
    out.tokens.push_back(static_cast<std::int64_t>(encoded.back().ids.size()));
  }
  // Texts of like length go together; nothing else depends on it.
  std::vector<std::size_t> order(texts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return encoded[i].ids.size(); });
  std::vector<std::vector<float>> vectors(texts.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    std::vector<const Text*> batch;
    for (std::int64_t sum = 0; end < order.size(); ++end) {
      sum += out.tokens[order[end]];
      if (end > begin && sum > options.batch_tokens) break;
      batch.push_back(&encoded[order[end]]);
    }
    std::vector<std::vector<float>> found = states(batch, pooling);
    for (std::size_t i = begin; i < end; ++i) vectors[order[i]] = std::move(found[i - begin]);
    begin = end;
  }

  bool unit = false;
  for (const EmbeddingStep& step : recipe_.steps) {
    unit = step.normalise;
    for (std::vector<float>& v : vectors) {
      if (step.normalise) {
        if (options.normalise.value_or(true) || &step != &recipe_.steps.back()) normalise(v);
        continue;
      }
      const auto width = static_cast<std::int64_t>(v.size());
      if (step.weight.size(1) != width) fail(recipe_.origin, ": a dense layer takes ", step.weight.size(1), " numbers and is given ", width);
      Tensor x = ops::linear(Tensor::from_host(rt_, {1, width}, v), step.weight, step.bias);
      if (step.act) x = ops::unary(*step.act, x);
      v = x.to_host();
    }
  }
  if (!unit && options.normalise.value_or(false)) std::ranges::for_each(vectors, normalise);
  for (const std::vector<float>& v : vectors) out.values.insert(out.values.end(), v.begin(), v.end());
  out.width = vectors.empty() ? 0 : static_cast<std::int64_t>(vectors[0].size());
  return out;
}

}  // namespace tashika
