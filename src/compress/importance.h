// Importance matrices: how large the inputs of each linear map are, column by column, on text like the user's. The columns
// that meet large inputs are worth more bits.
//
// Values are mean squares over tokens, as llama.cpp's imatrix tool measures them; its files can be read, the current form
// (a GGUF of general.type "imatrix") and the older one (.dat), and the current form is written.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "compress/quantize.h"

namespace tashika {

struct Importance {
  ColumnImportance columns;            // by GGUF tensor name; of a stack, expert after expert (zeros: never chosen)
  std::map<std::string, std::vector<std::int64_t>, std::less<>> counts;  // tokens seen, one a matrix or one an expert
  std::int64_t chunks = 0, chunk_tokens = 0;
  std::string dataset;                 // file name of the text
};

struct ImportanceOptions {
  std::int64_t context = 512;  // tokens of a chunk
  std::int64_t chunks = 0;     // at most; 0: all of the text
  std::function<void(std::int64_t chunk, std::int64_t chunks)> progress;
};

// Runs the model over the text. Each chunk begins with BOS where the tokenizer begins texts with it. The head and the
// embedding are left out. Error(input) when the text has not one chunk.
Importance collect_importance(const Checkpoint& checkpoint, std::string_view text, const std::string& dataset, const ImportanceOptions& options,
                              Runtime& rt);

// Whether the file is an importance matrix (else it is taken for text).
bool is_importance_file(const std::string& path);
Importance read_importance(const std::string& path);
void write_importance(const Importance& importance, const std::string& path);

}  // namespace tashika
