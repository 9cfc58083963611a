#include "decode/bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace tashika {
namespace {

using States = std::vector<std::unique_ptr<SequenceState>>;

std::vector<std::int32_t> random_tokens(std::int64_t count, std::int64_t vocab, std::uint32_t sequence) {
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < count; ++i) {
    out.push_back(static_cast<std::int32_t>(draw_uniform(1, Draw::bench, sequence, static_cast<std::uint64_t>(i)) * static_cast<double>(vocab)));
  }
  return out;
}

// Every sequence reads `count` tokens, in chunks; logits of the last only.
void read_prompt(LanguageModel& model, Runtime& rt, States& states, std::int64_t count, std::int64_t chunk) {
  std::vector<std::vector<std::int32_t>> tokens;
  for (std::size_t i = 0; i < states.size(); ++i) tokens.push_back(random_tokens(count, model.info().vocab, static_cast<std::uint32_t>(i)));
  const std::int64_t each = std::max<std::int64_t>(1, chunk / static_cast<std::int64_t>(states.size()));
  for (std::int64_t at = 0; at < count; at += each) {
    const std::int64_t n = std::min(each, count - at);
    std::vector<Slice> slices;
    for (std::size_t i = 0; i < states.size(); ++i) {
      slices.push_back({states[i].get(), std::span(tokens[i]).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(n)), at + n == count ? 1 : 0,
                        count});
    }
    if (at + n == count) {
      model.forward(rt, slices);
    } else {
      model.hidden(rt, slices);
    }
  }
}

void generate(LanguageModel& model, Runtime& rt, States& states, std::int64_t count) {
  for (std::int64_t t = 0; t < count; ++t) {
    std::vector<std::int32_t> token(states.size());
    std::vector<Slice> slices;
    for (std::size_t i = 0; i < states.size(); ++i) {
      token[i] = random_tokens(1, model.info().vocab, static_cast<std::uint32_t>(t * 64) + static_cast<std::uint32_t>(i))[0];
      slices.push_back({states[i].get(), std::span(token).subspan(i, 1), 1});
    }
    model.forward(rt, slices);
  }
}

States fork_all(const States& from) {
  States out;
  for (const auto& state : from) out.push_back(state->fork());
  return out;
}

BenchResult measure(std::string test, std::int64_t tokens, int repeats, const std::function<void()>& prepare, const std::function<void(bool warm_up)>& body) {
  prepare();
  body(true);
  std::vector<double> rates;
  for (int r = 0; r < repeats; ++r) {
    prepare();
    const auto start = std::chrono::steady_clock::now();
    body(false);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    rates.push_back(static_cast<double>(tokens) / seconds.count());
  }
  BenchResult result{std::move(test), tokens};
  for (const double rate : rates) result.tokens_per_s += rate / static_cast<double>(rates.size());
  double sum = 0;
  for (const double rate : rates) sum += (rate - result.tokens_per_s) * (rate - result.tokens_per_s);
  result.sd = rates.size() > 1 ? std::sqrt(sum / static_cast<double>(rates.size() - 1)) : 0;
  return result;
}

}  // namespace

void run_bench(LanguageModel& model, Runtime& rt, const BenchOptions& options, const std::function<void(const BenchResult&)>& report) {
  const std::int64_t context = model.info().context;
  for (const std::int64_t depth : options.depth) {
    for (const std::int64_t batch : options.batch) {
      const auto name = [&](std::string_view kind, std::int64_t n) {
        return cat(kind, n, depth > 0 ? cat("@d", depth) : std::string(), batch > 1 ? cat("@b", batch) : std::string());
      };
      const auto fits = [&](std::string_view kind, std::int64_t n) {
        if (context > 0 && depth + n > context) fail_with(ErrorKind::limit, cat(name(kind, n), " needs ", depth + n, " positions, the model has ", context));
      };
      States base;
      for (std::int64_t i = 0; i < batch; ++i) base.push_back(model.new_state(rt));
      if (depth > 0) read_prompt(model, rt, base, depth, options.chunk);
      States states;
      const auto prepare = [&] { states = fork_all(base); };
      for (const std::int64_t n : options.prompt) {
        if (n == 0) continue;
        fits("pp", n);
        report(measure(name("pp", n), n * batch, options.repeats, prepare, [&](bool) { read_prompt(model, rt, states, n, options.chunk); }));
      }
      for (const std::int64_t n : options.generate) {
        if (n == 0) continue;
        fits("tg", n);
        report(measure(name("tg", n), n * batch, options.repeats, prepare, [&](bool warm_up) { generate(model, rt, states, warm_up ? std::min<std::int64_t>(n, 4) : n); }));
      }
    }
  }
}

}  // namespace tashika
