// Texts to vectors: tokenizer, encoder (or a language model used as one), pooling and what follows it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/embedding_files.h"
#include "text/tokenizer.h"

namespace tashika {

struct EmbedOptions {
  std::string prompt_name;            // of the recipe's prompts; empty: its default
  std::optional<std::string> prompt;  // put before every text instead
  std::optional<Pooling> pooling;     // instead of the recipe's
  std::optional<bool> normalise;      // instead of what the recipe does at its end
  std::int64_t batch_tokens = 1024;   // about as many tokens go through the model at once
};

struct Embeddings {
  std::int64_t width = 0;
  std::vector<float> values;         // [texts, width]
  std::vector<std::int64_t> tokens;  // of each text, after cutting
  std::int64_t cut = 0;              // texts that were longer than the model takes
};

class Embedder {
 public:
  // `path` is what find_checkpoint gave. The runtime outlives the embedder.
  Embedder(const std::string& path, Runtime& rt);
  const EmbeddingRecipe& recipe() const { return recipe_; }
  const Checkpoint& checkpoint() const { return checkpoint_; }

  // One vector a text, the same whatever is beside it. Texts too long for the model are cut and counted.
  Embeddings embed(std::span<const std::string> texts, const EmbedOptions& options = {}) const;

 private:
  struct Text {
    std::vector<std::int32_t> ids;
    std::int64_t prompt = 0;  // tokens that pooling passes over
  };
  std::string prompt_of(const EmbedOptions& options) const;
  Text encode(const std::string& text, std::int64_t prompt, std::int64_t limit, bool& cut) const;
  // Pooled rows of the texts, by the given ways or (none) the encoder's own output.
  std::vector<std::vector<float>> states(std::span<const Text* const> texts, std::span<const Pooling> pooling) const;

  Runtime& rt_;
  EmbeddingRecipe recipe_;
  Checkpoint checkpoint_;
  std::unique_ptr<Encoder> encoder_;
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

}  // namespace tashika
