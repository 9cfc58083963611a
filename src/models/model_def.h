// ModelDef: one record per architecture, the only thing the rest of the program knows of a family.
//
// A file of this folder defines `extern const ModelFile NAME;` named after itself, with one or more
// records. Exactly one record must claim a checkpoint.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "models/binding.h"
#include "nn/language_model.h"
#include "nn/module.h"
#include "tensor/weights.h"

namespace tashika {

enum class Role { language_model, encoder };

// A GGUF file of a checkpoint, as far as the family decides it. Names and layouts of the tensors come from the bindings of
// the record that claims such a file, read backwards.
struct GgufFacts {
  std::string architecture;  // general.architecture
  Json values = JsonObject();  // by full key; whole numbers are stored as u32, others as f32, lists likewise
  struct Pairs {
    std::string param;  // a pattern
    std::int64_t heads;
  };
  std::vector<Pairs> pairs;  // parameters whose heads' rows (first half, second half) GGUF stores as pairs of neighbours
  // A parameter [heads * rows, n] whose heads' rows GGUF stores apart: rows first … last - 1 of every head as [heads, last - first, n],
  // or each head's turned, [heads, n, last - first]. Both names are patterns.
  struct HeadPart {
    std::string param, tensor;
    std::int64_t heads, first, last;
    bool turned;
  };
  std::vector<HeadPart> head_parts;
  std::vector<std::pair<std::string, std::vector<float>>> tensors;  // those made of the config, by their GGUF names
  std::vector<std::string> left_out;  // parameters that GGUF has no place for, by pattern
  std::vector<std::string> losses;  // what other programs will not find in the file, for people

  void set(std::string_view key, Json value) { values.set(architecture + "." + std::string(key), std::move(value)); }
};

struct ModelDef {
  std::string_view name;     // as users see it: "mistral"
  Role role = Role::language_model;
  std::string_view state;    // kind of sequence state, for docs: "paged KV", "sliding KV"
  bool (*claims)(const Metadata& meta);
  // The module tree without tensors. Reads the config; every count in it that sizes something is
  // checked against the tensors present. Error naming the field otherwise.
  std::unique_ptr<Module> (*build)(const Metadata& meta, const WeightSource& weights);
  // How the checkpoint's names and layouts become the module's.
  Bindings (*bindings)(const Metadata& meta);
  // config.json of a tiny model of this family, for tests that need no file.
  Json (*tiny)();
  // Null: a checkpoint of this family has no GGUF form here. Error(input) for a config that GGUF cannot hold.
  GgufFacts (*gguf)(const Metadata& meta, const WeightSource& weights) = nullptr;
};

struct ModelFile {
  std::span<const ModelDef> records;
};

std::span<const ModelFile* const> model_files();  // generated from this folder's listing

// The record that claims the checkpoint. Error listing what is supported when none does, or the
// records when several do.
const ModelDef& find_model(const Metadata& meta);

// The class that a Hugging Face config names is a bare backbone: it was saved without a head, and without the prefix that models
// with one put before the backbone's names.
bool is_backbone(const Metadata& meta);

// The value of `architectures[0]` (HF) or `general.architecture` (GGUF); empty when absent.
std::string architecture(const Metadata& meta);

}  // namespace tashika
