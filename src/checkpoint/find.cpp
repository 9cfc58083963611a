// Where MODEL is: a path, a hub id in the local Hugging Face cache, or the built-in default.
//
// Cache layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "base/terminal.h"
#include "checkpoint/checkpoint.h"

namespace tashika {
namespace {

std::string home_folder() { return environment("HOME"); }

std::string cache_folder() {
  if (std::string hub = environment("HF_HUB_CACHE"); !hub.empty()) return hub;
  if (const std::string home = environment("HF_HOME"); !home.empty()) return join_path(home, "hub");
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) return join_path(cache, "huggingface/hub");
  return join_path(home_folder(), ".cache/huggingface/hub");
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool ends_with_gguf(std::string_view name) { return lower(name).ends_with(".gguf"); }

std::vector<std::string> names_in(const std::string& folder) {
  return file_type(folder) == FileType::directory ? list_directory(folder) : std::vector<std::string>();
}

// `org/name` of the folders "models--org--name" in the cache.
std::vector<std::string> cached_models() {
  std::vector<std::string> out;
  for (const std::string& name : names_in(cache_folder())) {
    if (!name.starts_with("models--")) continue;
    std::string id = name.substr(8);
    if (const std::size_t at = id.find("--"); at != std::string::npos) out.push_back(id.replace(at, 2, "/"));
  }
  return out;
}

std::string trim(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

// The snapshot that refs/main names, or else the only one.
std::string snapshot_folder(const std::string& repo, std::string_view id) {
  const std::string snapshots = join_path(repo, "snapshots");
  const std::string ref = join_path(repo, "refs/main");
  if (file_type(ref) == FileType::regular) {
    const std::string commit = trim(read_file(ref, 4096));
    const std::string folder = join_path(snapshots, commit);
    if (!commit.empty() && commit.find('/') == std::string::npos && file_type(folder) == FileType::directory) return folder;
  }
  const std::vector<std::string> found = names_in(snapshots);
  if (found.size() == 1) return join_path(snapshots, found[0]);
  if (found.empty()) fail(id, ": is in the cache (", repo, ") but holds no snapshot; download it again");
  fail(id, ": the cache (", repo, ") holds several snapshots and refs/main names none; give the folder of one");
}

// The GGUF file of a folder that has the wanted label ("q4_k_m"), or the usual choice.
std::string pick_gguf(const std::string& folder, std::string_view quant, std::string_view id) {
  std::vector<std::string> files;
  for (const std::string& name : names_in(folder)) {
    // Of a split file the first part stands for the whole; projectors are no models.
    const bool later_part = name.find("-of-") != std::string::npos && name.find("-00001-of-") == std::string::npos;
    if (ends_with_gguf(name) && !later_part && !name.starts_with("mmproj")) files.push_back(name);
  }
  const auto with_label = [&](std::string_view label) {
    return std::ranges::find_if(files, [&](const std::string& name) {
      const std::string text = lower(name);
      for (std::size_t at = text.find(label); at != std::string::npos; at = text.find(label, at + 1)) {
        const std::size_t end = at + label.size();
        const auto is_word = [&](std::size_t i) { return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_'); };
        if ((at == 0 || !is_word(at - 1)) && !is_word(end)) return true;
      }
      return false;
    });
  };
  std::string list;
  for (const std::string& name : files) list += cat(list.empty() ? "" : ", ", name);
  if (!quant.empty()) {
    const auto it = with_label(lower(quant));
    if (it == files.end()) fail(id, ": no GGUF file with the label ", quant, "; the cache has ", list.empty() ? "none" : list);
    return join_path(folder, *it);
  }
  if (files.empty()) return {};
  const auto usual = with_label("q4_k_m");
  return join_path(folder, usual != files.end() ? *usual : files[0]);
}

std::string find_cached(const std::string& id, const std::string& quant) {
  std::string folder_name = cat("models--", id);
  folder_name.replace(folder_name.find('/'), 1, "--");
  const std::string repo = join_path(cache_folder(), folder_name);
  if (file_type(repo) != FileType::directory) return {};
  const std::string folder = snapshot_folder(repo, id);
  const bool whole = file_type(join_path(folder, "config.json")) == FileType::regular;
  if (quant.empty() && whole) return folder;
  const std::string file = pick_gguf(folder, quant, id);
  return file.empty() ? folder : file;
}

// The built-in model beside the installed program, beside the build, or in the source tree.
std::string find_builtin() {
  const std::string file = cat(default_model, ".gguf");
  if (const std::string given = environment("TASHIKA_ASSETS"); !given.empty()) {
    const std::string path = join_path(given, file);
    if (file_type(path) == FileType::regular) return path;
  }
  std::string folder(parent_path(program_path()));
  for (int up = 0; up < 5; ++up) {
    for (const char* place : {"share/tashika", "assets/standin", "assets"}) {
      const std::string path = join_path(join_path(folder, place), file);
      if (file_type(path) == FileType::regular) return path;
    }
    folder = std::string(parent_path(folder));
  }
  return {};
}

[[noreturn]] void not_found(const std::string& model) {
  std::vector<std::string> known = cached_models();
  known.emplace_back(default_model);
  const std::string folder(parent_path(model));
  for (const std::string& name : names_in(folder)) {
    const std::string path = join_path(folder, name);
    if (ends_with_gguf(name) || file_type(join_path(path, "config.json")) == FileType::regular) {
      known.push_back(model.find('/') == std::string::npos ? name : path);
    }
  }
  const std::string near = nearest_word(model, known);
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(known.size(), 6); ++i) list += cat(list.empty() ? "" : ", ", known[i]);
  fail("there is no model \"", model, "\": no such folder or .gguf file, and nothing of that name in ", cache_folder(),
       near.empty() ? cat("; known here: ", list) : cat("; did you mean \"", near, "\"?"));
}

}  // namespace

std::string find_checkpoint(const std::string& model) {
  if (model.empty()) fail("no model named; give a folder, a .gguf file or org/name");
  const FileType type = file_type(model);
  if (type == FileType::regular) return model;
  if (type == FileType::directory) {
    // A folder that holds only a GGUF file stands for that file.
    if (file_type(join_path(model, "config.json")) != FileType::regular) {
      if (std::string file = pick_gguf(model, "", model); !file.empty()) return file;
    }
    return model;
  }
  if (model == default_model) {
    if (std::string path = find_builtin(); !path.empty()) return path;
    fail("the built-in model ", default_model, ".gguf is not installed beside the program; set TASHIKA_ASSETS to its folder");
  }
  const std::size_t colon = model.find(':');
  const std::string id = model.substr(0, colon);
  const std::string quant = colon == std::string::npos ? "" : model.substr(colon + 1);
  const bool is_id = std::ranges::count(id, '/') == 1 && id.front() != '/' && id.back() != '/' && id.find("--") == std::string::npos && id.front() != '.';
  if (is_id) {
    if (std::string path = find_cached(id, quant); !path.empty()) return path;
  }
  not_found(model);
}

}  // namespace tashika
