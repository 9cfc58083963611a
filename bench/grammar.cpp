// tashika_bench_grammar VOCABULARY SCHEMAS.json: what a mask costs, over texts drawn at random from the masks. VOCABULARY
// is a GGUF file or a folder with a tokenizer; each schema is run cold and then twice warm.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/tokenizer_files.h"
#include "text/grammar/grammar.h"

using namespace tashika;

namespace {

double micros(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - since).count();
}

void report(const char* name, std::vector<double>& t) {
  if (t.empty()) return;
  std::ranges::sort(t);
  double sum = 0;
  for (const double x : t) sum += x;
  const auto at = [&](double p) { return t[static_cast<std::size_t>(p * static_cast<double>(t.size() - 1))]; };
  std::printf("%-10s n %7zu  mean %8.1f  p50 %8.1f  p90 %8.1f  p99 %8.1f  max %9.1f us\n", name, t.size(), sum / static_cast<double>(t.size()), at(0.5), at(0.9), at(0.99), t.back());
}

void run(const std::string& vocabulary_path, const std::string& schemas_path) {
  const Checkpoint checkpoint = open_checkpoint(vocabulary_path);
  const Tokenizer tokenizer = load_tokenizer(checkpoint);
  auto start = std::chrono::steady_clock::now();
  const GrammarVocabulary vocabulary(tokenizer);
  std::printf("%zu tokens, tree in %.0f ms\n", vocabulary.width(), micros(start) / 1000);
  const Json schemas = parse_json(read_file(schemas_path, 1 << 24), "schemas");
  std::vector<double> compile, cold, warm, accept;
  std::size_t taken = 0;
  for (const Json& schema : schemas.as_array()) {
    start = std::chrono::steady_clock::now();
    std::optional<Grammar> grammar;
    try {
      grammar.emplace(Grammar::json_schema(schema));
    } catch (const Error&) {
      continue;
    }
    ++taken;
    compile.push_back(micros(start));
    for (std::uint64_t pass = 0; pass < 3; ++pass) {
      GrammarState state(*grammar, vocabulary);
      TokenMask mask;
      for (std::uint64_t n = 0; n < 100 && !state.must_end(); ++n) {
        start = std::chrono::steady_clock::now();
        state.mask(mask);
        (pass == 0 ? cold : warm).push_back(micros(start));
        const std::size_t count = mask.count();
        if (count == 0) break;
        auto pick = static_cast<std::size_t>(draw_uniform(pass, Draw::token, 0, n) * static_cast<double>(count));
        std::size_t word = 0;
        for (;; ++word) {
          const auto here = static_cast<std::size_t>(__builtin_popcountll(mask.words()[word]));
          if (pick < here) break;
          pick -= here;
        }
        auto id = static_cast<std::int32_t>(word * 64);
        while (!mask[id] || pick-- > 0) ++id;
        start = std::chrono::steady_clock::now();
        state.accept(id);
        accept.push_back(micros(start));
      }
    }
  }
  std::printf("%zu of %zu schemas taken\n", taken, schemas.as_array().size());
  report("compile", compile), report("mask cold", cold), report("mask warm", warm), report("accept", accept);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) fail("usage: tashika_bench_grammar VOCABULARY SCHEMAS.json");
    run(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
