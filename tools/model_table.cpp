// Prints docs/models.md: a row for each model record, with what the golden cases test of it.
//
//   model_table GOLDEN > docs/models.md        (./dev docs)
//
// Nothing is listed by hand: records come from the registry, and a case belongs to the record that claims its checkpoint.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "io/gguf.h"
#include "models/model_def.h"

namespace tashika {
namespace {

namespace fs = std::filesystem;

struct Row {
  const ModelDef* def = nullptr;
  std::vector<std::string> classes, architectures, options, references;
  int folders = 0, ggufs = 0;
};

void add(std::vector<std::string>& list, const std::string& text) {
  if (!text.empty() && std::ranges::find(list, text) == list.end()) list.push_back(text);
}
std::string joined(const std::vector<std::string>& list, const char* between, const char* quote = "") {
  std::string out;
  for (const std::string& text : list) out += cat(out.empty() ? "" : between, quote, text, quote);
  return out;
}

std::vector<fs::path> descriptors(const fs::path& golden) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(golden)) {
    const fs::path& path = entry.path();
    const bool folder_case = path.filename() == "case.json", gguf_case = path.extension() == ".json" && path.parent_path().filename() == "gguf";
    if (folder_case || gguf_case) out.push_back(path);
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The checkpoint that a descriptor belongs to: a .gguf file or a folder with a config.json. None: a case of another kind.
std::optional<Metadata> metadata_of(const fs::path& descriptor) {
  const fs::path folder = descriptor.parent_path();
  for (const fs::path& file : {folder / "model.gguf", fs::path(descriptor).replace_extension(".gguf")}) {
    if (fs::exists(file)) return Gguf::open(file.string())->metadata();
  }
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {  // an embedder's model may lie one folder down
    if (entry.path().filename() != "config.json" || entry.path().parent_path().filename().string().ends_with("_Pooling") ||
        entry.path().parent_path().filename().string().ends_with("_Dense")) {
      continue;
    }
    return Metadata{Metadata::Format::hf, entry.path().string(), parse_json(read_file(entry.path().string(), 1 << 20), entry.path().string())};
  }
  return std::nullopt;
}

void read_case(const fs::path& path, std::map<const ModelDef*, Row>& rows) {
  const Json json = parse_json(read_file(path.string(), 1 << 20), path.string());
  if (!json["sequences"].is_array() && !json["texts"].is_array()) return;  // no case of this kind
  const std::optional<Metadata> beside = metadata_of(path);
  if (!beside) return;
  const Metadata& meta = *beside;
  Row& row = rows[&find_model(meta)];
  const bool gguf = meta.format == Metadata::Format::gguf;
  (gguf ? row.ggufs : row.folders)++;
  add(gguf ? row.architectures : row.classes, architecture(meta));
  if (json["options"].is_array()) {
    for (const Json& option : json["options"].as_array()) add(row.options, option.as_string());
  } else if (json["texts"].is_array()) {
    add(row.options, "text embeddings");
  }
  for (const auto& [key, name] : {std::pair{"transformers", "transformers "}, {"sentence_transformers", "sentence-transformers "}}) {
    if (json[key].is_string()) add(row.references, name + json[key].as_string());
  }
  if (json["greedy"].is_object() && json["greedy"]["by"].is_string() && json["greedy"]["by"].as_string().find("llama.cpp") != std::string::npos) add(row.references, "llama.cpp");
}

// GGUF architectures that the record claims: names met in the cases, and its own name as such files spell it.
void claim_architectures(Row& row, const std::vector<std::string>& met) {
  std::string dashed(row.def->name), joined_name;
  std::ranges::replace(dashed, '_', '-');
  for (const char c : row.def->name) {
    if (c != '_') joined_name += c;
  }
  std::vector<std::string> names = met;
  for (const std::string& name : {std::string(row.def->name), dashed, joined_name}) add(names, name);
  std::vector<std::string> claimed;
  for (const std::string& name : names) {
    for (const int experts : {0, 8}) {
      Json values{JsonObject{}};
      values.set("general.architecture", name);
      values.set(name + ".expert_count", std::int64_t{experts});
      if (row.def->claims({Metadata::Format::gguf, "a file", values})) add(claimed, name);
    }
  }
  std::string cell;
  for (const std::string& name : claimed) {
    const bool tested = std::ranges::find(row.architectures, name) != row.architectures.end();
    cell += cat(cell.empty() ? "" : ", ", "`", name, "`", tested ? "" : " (no case)");
  }
  row.architectures = {cell};
}

std::string table(const fs::path& golden) {
  std::map<const ModelDef*, Row> found;
  for (const fs::path& path : descriptors(golden)) read_case(path, found);
  std::vector<std::string> met;
  for (const auto& [def, row] : found) {
    for (const std::string& name : row.architectures) add(met, name);
  }
  std::sort(met.begin(), met.end());
  std::vector<Row> rows;
  for (const ModelFile* file : model_files()) {
    for (const ModelDef& def : file->records) {
      Row row = found.contains(&def) ? found[&def] : Row{};
      row.def = &def;
      add(row.classes, architecture({Metadata::Format::hf, "tiny", def.tiny()}));
      std::sort(row.classes.begin(), row.classes.end());
      std::sort(row.references.begin(), row.references.end());
      claim_architectures(row, met);
      rows.push_back(std::move(row));
    }
  }
  std::ranges::sort(rows, {}, [](const Row& row) { return std::pair(row.def->role, row.def->name); });

  std::string out = "# Models\n\n"
                    "Generated by `./dev docs` from the records of `src/models` and the golden cases of `tests/data/golden`; a test\n"
                    "compares it. A case is a tiny checkpoint whose every tensor is random, computed by the reference: Tashika's checking\n"
                    "mode agrees within 1e-4 of the spread at every position, the fast path within the case's own bound.\n\n"
                    "| record | role | Hugging Face classes | GGUF architectures | state | cases | tested against |\n"
                    "|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    const std::string cases = row.folders + row.ggufs == 0 ? "none" : cat(row.folders, " folders", row.ggufs ? cat(", ", row.ggufs, " GGUF") : "");
    out += cat("| ", row.def->name, " | ", row.def->role == Role::encoder ? "encoder" : "language model", " | ", joined(row.classes, ", ", "`"), " | ",
               row.architectures[0].empty() ? "–" : row.architectures[0], " | ", row.def->state, " | ", cases, " | ",
               row.references.empty() ? "–" : joined(row.references, ", "), " |\n");
  }
  out += "\nA class with a head stands for its bare backbone, too (`LlamaModel` for `LlamaForCausalLM`): it gives hidden states and, unless\n"
         "its head is tied, no logits.\n\n## Options tested\n\n";
  for (const Row& row : rows) {
    if (!row.options.empty()) out += cat("- **", row.def->name, "**: ", joined(row.options, "; "), ".\n");
  }
  return out;
}

}  // namespace
}  // namespace tashika

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: model_table GOLDEN\n", stderr);
    return 2;
  }
  try {
    const std::string text = tashika::table(argv[1]);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
