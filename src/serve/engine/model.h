// A model as the server holds it: weights, tokenizer, template, and what its makers recommend.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/generation_defaults.h"
#include "checkpoint/template_files.h"
#include "decode/generation.h"
#include "nn/language_model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tashika::serve {

// What of a model needs no runtime; safe to use from many threads.
struct ServedModel {
  std::string id;    // its file's or folder's name without .gguf
  std::string path;
  Checkpoint checkpoint;
  std::int64_t created = 0;  // seconds since 1970
  std::unique_ptr<LanguageModel> network;  // the engine's thread alone computes with it
  std::optional<Tokenizer> tokenizer;
  std::string no_tokenizer;  // why there is none
  std::vector<std::int32_t> ends;
  SamplingDefaults defaults;
  std::vector<TemplateSource> templates;
  JsonObject special;
  std::int64_t context = 0;       // of one sequence
  std::int64_t longest_token = 1;  // bytes
  StateOptions state;             // with the pool that all its sequences share
  std::int64_t page_bytes = 0;    // of one page in every layer
  std::int64_t state_budget = 0;  // bytes of all sequences' states; 0: no bound
  std::int64_t footprint = 0;     // what the memory budget counts for it
  bool rolls_back = true;         // every layer can go back to any position

  const Tokenizer& text() const;  // Error when there is none
  // The prompt that a conversation makes. Error when the model has no template, or the template refuses.
  std::string render(const Json& messages, const Json& tools, bool add_generation_prompt, const JsonObject& variables) const;
  bool has_template() const { return !templates.empty(); }

 private:
  friend std::shared_ptr<ServedModel> open_model(const std::string&, const std::string&, Runtime&, std::int64_t, std::int64_t);
  std::vector<std::optional<ChatTemplate>> parsed_;
};

// "folder/name.gguf" to "name"; the reserved name of the built-in model stays.
std::string model_id(std::string_view path);

// Opens, binds and prepares. `context`: positions of one sequence, 0 for the model's own. `budget`: bytes for the
// states of all sequences, 0 for no bound.
std::shared_ptr<ServedModel> open_model(const std::string& id, const std::string& path, Runtime& rt, std::int64_t context, std::int64_t budget);

}  // namespace tashika::serve
