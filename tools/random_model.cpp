// random_model FAMILY SHAPE TYPE OUT: writes a GGUF file with random weights, for speed tests and for properties at size.
//
// FAMILY llama or mixtral (8 experts, 2 chosen); SHAPE 1m, 100m, 1b, 3b or 7b (of a mixture: of one expert); TYPE q4_k_m,
// q8_0, bf16 or f16. The weights are sized so that activations stay finite; the same arguments give the same bytes. The
// vocabulary is made up: the 256 bytes, letters and syllables, as a SentencePiece model with byte fallback.
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "io/gguf_write.h"
#include "quant/formats.h"

namespace tashika {
namespace {

struct ModelShape {
  std::string_view name;
  std::int64_t width, layers, inner, heads, kv_heads, vocab;
};

constexpr ModelShape shapes[] = {{"1m", 256, 2, 512, 4, 2, 512},
                                 {"100m", 768, 12, 2048, 12, 4, 32000},
                                 {"1b", 2048, 16, 8192, 32, 8, 32000},
                                 {"3b", 3072, 26, 9216, 24, 8, 32000},
                                 {"7b", 4096, 32, 14336, 32, 8, 32000}};

// xorshift64* (Vigna 2016): fast, and good enough for weights.
struct Random {
  std::uint64_t state;
  std::uint64_t next() {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1Dull;
  }
  float uniform(float low, float high) { return low + (high - low) * static_cast<float>(next() >> 40) * 0x1p-24f; }
};

void put_half(std::byte* at, float value) {
  const std::uint16_t half = f32_to_f16(value);
  std::memcpy(at, &half, sizeof half);
}

// One block (or one element of a plain type) of weights with a standard deviation near 0.02. Random quants under random
// scales are written at once: quantising random floats would take minutes for the large shapes.
void fill_block(DType type, Random& random, std::byte* at) {
  for (std::int32_t i = 0; i < type->bytes; i += 8) {
    const std::uint64_t bits = random.next();
    std::memcpy(at + i, &bits, static_cast<std::size_t>(std::min(8, type->bytes - i)));
  }
  const float jitter = random.uniform(0.8f, 1.2f);
  if (type->name == "q4_k") {
    put_half(at, jitter * 1e-4f);
    put_half(at + 2, jitter * 7.5e-4f);
  } else if (type->name == "q6_k") {
    for (int i = 192; i < 208; ++i) at[i] = static_cast<std::byte>(static_cast<int>(random.next() >> 33) % 40 * ((i & 1) != 0 ? 1 : -1));
    put_half(at + 208, jitter * 6e-5f);
  } else if (type->name == "q8_0") {
    put_half(at, jitter * 2.5e-4f);
  } else if (type->name == "f32") {
    const float one = 1.0f;
    std::memcpy(at, &one, sizeof one);
  } else {
    const float value = random.uniform(-0.035f, 0.035f);
    const std::uint16_t bits = type->name == "f16" ? f32_to_f16(value) : f32_to_bf16(value);
    std::memcpy(at, &bits, sizeof bits);
  }
}

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<std::int32_t> types;  // 1 normal, 2 unknown, 3 control, 6 byte
};

Vocabulary make_vocabulary(std::int64_t size) {
  Vocabulary v;
  const auto add = [&v](std::string text, int type) {
    v.scores.push_back(type == 1 ? -static_cast<float>(v.tokens.size()) : 0.0f);
    v.tokens.push_back(std::move(text));
    v.types.push_back(type);
  };
  add("<unk>", 2);
  add("<s>", 3);
  add("</s>", 3);
  for (int byte = 0; byte < 256; ++byte) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    add(cat("<0x", hex[static_cast<std::size_t>(byte / 16)], hex[static_cast<std::size_t>(byte % 16)], ">"), 6);
  }
  const std::string space = "\xE2\x96\x81";  // U+2581
  add(space, 1);
  for (char c = '!'; c <= '~'; ++c) add(std::string(1, c), 1);
  // Pieces from pairs of earlier ones, so that merging reaches them: letters, syllables, words.
  const std::string_view consonants = "bcdfghjklmnprstvwz", vowels = "aeiou";
  std::vector<std::string> syllables;
  for (const char c : consonants) {
    for (const char w : vowels) syllables.push_back({c, w});
  }
  const auto full = [&] { return static_cast<std::int64_t>(v.tokens.size()) >= size; };
  for (const std::string& s : syllables) {
    if (!full()) add(s, 1);
  }
  for (const std::string& s : syllables) {
    if (!full()) add(space + s, 1);
  }
  for (const std::string_view start : {std::string_view(space), std::string_view()}) {
    for (std::size_t i = 0; i < syllables.size(); ++i) {
      for (std::size_t j = 0; j < syllables.size() && !full(); ++j) add(cat(start, syllables[i], syllables[j]), 1);
    }
  }
  for (std::size_t i = 0; !full(); ++i) {
    const std::size_t n = syllables.size();
    add(cat(space, syllables[i % n], syllables[i / n % n], syllables[i / n / n % n]), 1);
  }
  return v;
}

struct Plan {
  ModelShape shape;
  std::int64_t experts;
  std::string_view type;

  // The mix of q4_k_m: attn_v and ffn_down of the first and last eighth and of every third layer between in q6_k.
  DType dtype(std::string_view tensor, std::int64_t layer) const {
    if (type != "q4_k_m") return find_dtype(type);
    const std::int64_t eighth = shape.layers / 8;
    const bool more = layer < eighth || layer >= 7 * shape.layers / 8 || (layer - eighth) % 3 == 2;
    return find_dtype(more && (tensor == "attn_v" || tensor.starts_with("ffn_down")) ? "q6_k" : "q4_k");
  }

  std::vector<WeightInfo> tensors() const {
    const DType base = find_dtype(type == "q4_k_m" ? "q4_k" : type);
    const std::int64_t d = shape.width, kv = shape.kv_heads * (d / shape.heads);
    std::vector<WeightInfo> out{{"token_embd.weight", base, Shape{shape.vocab, d}}};
    for (std::int64_t i = 0; i < shape.layers; ++i) {
      const auto add = [&](std::string_view name, const Shape& s) {
        out.push_back({cat("blk.", i, ".", name, ".weight"), s.rank() == 1 || name == "ffn_gate_inp" ? f32 : dtype(name, i), s});
      };
      add("attn_norm", Shape{d});
      add("ffn_norm", Shape{d});
      add("attn_q", Shape{d, d});
      add("attn_k", Shape{kv, d});
      add("attn_v", Shape{kv, d});
      add("attn_output", Shape{d, d});
      if (experts == 0) {
        add("ffn_gate", Shape{shape.inner, d});
        add("ffn_up", Shape{shape.inner, d});
        add("ffn_down", Shape{d, shape.inner});
      } else {
        add("ffn_gate_inp", Shape{experts, d});
        add("ffn_gate_exps", Shape{experts, shape.inner, d});
        add("ffn_up_exps", Shape{experts, shape.inner, d});
        add("ffn_down_exps", Shape{experts, d, shape.inner});
      }
    }
    out.push_back({"output_norm.weight", f32, Shape{d}});
    out.push_back({"output.weight", type == "q4_k_m" ? find_dtype("q6_k") : base, Shape{shape.vocab, d}});
    return out;
  }

  GgufFields fields() const {
    GgufFields f;
    const auto count = [&f](std::string_view key, std::int64_t value) { f.add(cat("llama.", key), static_cast<std::uint32_t>(value)); };
    f.add_text("general.architecture", "llama");
    f.add_text("general.name", cat("random-", experts ? "8x" : "", shape.name));
    count("block_count", shape.layers);
    count("context_length", 32768);
    count("embedding_length", shape.width);
    count("feed_forward_length", shape.inner);
    count("attention.head_count", shape.heads);
    count("attention.head_count_kv", shape.kv_heads);
    f.add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    f.add("llama.rope.freq_base", 1e6f);
    count("rope.dimension_count", shape.width / shape.heads);
    count("vocab_size", shape.vocab);
    if (experts != 0) {
      count("expert_count", experts);
      count("expert_used_count", 2);
    }
    const Vocabulary v = make_vocabulary(shape.vocab);
    f.add_text("tokenizer.ggml.model", "llama");
    const std::vector<std::string_view> texts(v.tokens.begin(), v.tokens.end());
    f.add_texts("tokenizer.ggml.tokens", texts);
    f.add_array<float>("tokenizer.ggml.scores", v.scores);
    f.add_array<std::int32_t>("tokenizer.ggml.token_type", v.types);
    f.add("tokenizer.ggml.bos_token_id", std::uint32_t{1});
    f.add("tokenizer.ggml.eos_token_id", std::uint32_t{2});
    f.add("tokenizer.ggml.unknown_token_id", std::uint32_t{0});
    return f;
  }
};

void write_model(const Plan& plan, const std::string& path) {
  const std::vector<WeightInfo> tensors = plan.tensors();
  GgufWriter writer(path, plan.fields(), tensors);
  Random random{0x9E3779B97F4A7C15ull};
  std::vector<std::byte> piece;
  for (const WeightInfo& info : tensors) {
    const std::int64_t block = info.dtype->bytes, blocks = info.shape.numel() / info.dtype->block;
    constexpr std::int64_t at_once = 1 << 15;
    for (std::int64_t done = 0; done < blocks; done += at_once) {
      const std::int64_t n = std::min(at_once, blocks - done);
      piece.resize(static_cast<std::size_t>(n * block));
      for (std::int64_t i = 0; i < n; ++i) fill_block(info.dtype, random, piece.data() + i * block);
      // A router of ones would give every expert the same score.
      if (info.name.ends_with("ffn_gate_inp.weight")) {
        for (std::int64_t i = 0; i < n; ++i) {
          const float value = random.uniform(-0.05f, 0.05f);
          std::memcpy(piece.data() + i * block, &value, sizeof value);
        }
      }
      writer.write(piece);
    }
  }
  writer.commit();
}

int run(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: random_model llama|mixtral 1m|100m|1b|3b|7b q4_k_m|q8_0|bf16|f16 OUT.gguf\n", stderr);
    return 2;
  }
  const std::string_view family = argv[1], shape = argv[2], type = argv[3];
  if (family != "llama" && family != "mixtral") fail("there is no random family \"", family, "\"; known: llama, mixtral");
  if (type != "q4_k_m" && type != "q8_0" && type != "bf16" && type != "f16") {
    fail("there is no random type \"", type, "\"; known: q4_k_m, q8_0, bf16, f16");
  }
  for (const ModelShape& s : shapes) {
    if (s.name == shape) {
      write_model({s, family == "mixtral" ? 8 : 0, type}, argv[4]);
      return 0;
    }
  }
  fail("there is no shape \"", shape, "\"; known: 1m, 100m, 1b, 3b, 7b");
}

}  // namespace
}  // namespace tashika

int main(int argc, char** argv) {
  try {
    return tashika::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "random_model: %s\n", error.what());
    return 1;
  }
}
