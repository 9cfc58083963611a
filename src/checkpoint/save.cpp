#include "checkpoint/save.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "ops/elementwise.h"
#include "ops/layout.h"

namespace tashika {
FilePlace place_of(const std::string& param, const Bindings& bindings, const WeightSource* like) {
  if (bindings.own_names && (like == nullptr || like->find(param) != nullptr)) return {param, nullptr, {}};
  std::optional<FilePlace> fallback;
  if (bindings.own_names) fallback = FilePlace{param, nullptr, {}};
  for (const BindRule& rule : bindings.rules) {
    FilePlace place{{}, &rule, {}};
    if (!match_pattern(rule.param, param, place.match)) continue;
    place.name = fill_pattern(rule.source, place.match);
    if (like == nullptr || like->find(place.name) != nullptr) return place;
    if (!fallback) fallback = place;
  }
  return fallback ? *fallback : FilePlace{param, nullptr, {}};
}

namespace {

// A tensor of the file under way: parts of it by where they stand, outermost step first.
struct Assembly {
  struct Part {
    std::vector<std::int64_t> key;    // index of each select and part step
    std::vector<std::int64_t> spans;  // how many parts each step takes
    Tensor value;
  };
  std::vector<Part> parts;
  std::vector<BindStep::Kind> kinds;                                // of those steps
  std::vector<std::int64_t> counts;                                 // of each part step; 0 for a select
};

// Undoes the steps that change a part itself, last one first; collects where the part stands.
Assembly::Part undo(const Tensor& value, const FilePlace& place, Assembly& assembly) {
  Assembly::Part part{{}, {}, value};
  if (place.rule == nullptr) return part;
  Tensor& t = part.value;
  const std::vector<BindStep>& steps = place.rule->steps;
  assembly.kinds.clear();
  assembly.counts.clear();
  for (const BindStep& step : steps) {
    if (step.kind == BindStep::Kind::select) {
      part.key.push_back(place.match.numbers.at(static_cast<std::size_t>(step.var)));
      part.spans.push_back(1);
      assembly.counts.push_back(0);
    } else if (step.kind == BindStep::Kind::part) {
      part.key.push_back(step.index);
      part.spans.push_back(step.span);
      assembly.counts.push_back(step.count);
    } else {
      continue;
    }
    assembly.kinds.push_back(step.kind);
  }
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (step->kind == BindStep::Kind::transpose) {
      if (t.dtype().is_block()) fail("tensor ", place.name, ": a block-quantised weight cannot be transposed back");
      t = ops::contiguous(t.transpose(0, 1));
    } else if (step->kind == BindStep::Kind::add_constant) {
      t = ops::cast(ops::affine(t, 1.0f, -step->value), t.dtype());
    }
  }
  return part;
}

// Puts the parts that agree in the first `level` places of their keys together.
Tensor join(const std::string& name, const Assembly& a, std::size_t begin, std::size_t end, std::size_t level) {
  if (level == a.kinds.size()) {
    if (end - begin != 1) fail("tensor ", name, ": several parameters are the same part of it");
    return a.parts[begin].value;
  }
  std::vector<Tensor> children;
  std::int64_t covered = 0;
  for (std::size_t i = begin; i < end;) {
    const std::int64_t index = a.parts[i].key[level];
    if (index != covered) fail("tensor ", name, ": part ", covered, " of it is missing");
    covered += a.parts[i].spans[level];
    std::size_t next = i;
    while (next < end && a.parts[next].key[level] == index) ++next;
    Tensor child = join(name, a, i, next, level + 1);
    children.push_back(a.kinds[level] == BindStep::Kind::select ? child.unsqueeze(0) : child);
    i = next;
  }
  if (a.counts[level] != 0 && a.counts[level] != covered) {
    fail("tensor ", name, ": ", covered, " of its ", a.counts[level], " parts are there");
  }
  if (children[0].dtype().is_block()) fail("tensor ", name, ": block-quantised parts cannot be put together");
  return ops::concat(children, 0);
}

constexpr std::string_view companions[] = {"tokenizer.json",      "tokenizer_config.json", "tokenizer.model",        "special_tokens_map.json",
                                           "added_tokens.json",   "vocab.json",            "merges.txt",             "vocab.txt",
                                           "chat_template.jinja", "chat_template.json",    "generation_config.json", "spiece.model"};

}  // namespace

std::vector<std::pair<std::string, Tensor>> unbind(Module& module, const Bindings& bindings, const WeightSource* like) {
  std::vector<std::string> order;
  std::map<std::string, Assembly> assemblies;
  for_each_param(module, [&](const std::string& name, Param& p) {
    if (!p.value.defined()) return;
    const FilePlace place = place_of(name, bindings, like);
    Assembly& assembly = assemblies[place.name];
    if (assembly.parts.empty()) order.push_back(place.name);
    Assembly::Part part = undo(p.value.detach(), place, assembly);
    if (!assembly.parts.empty() && assembly.parts[0].key.size() != part.key.size()) {
      fail("tensor ", place.name, ": the parameters that share it do so in different ways");
    }
    assembly.parts.push_back(std::move(part));
  });
  std::vector<std::pair<std::string, Tensor>> out;
  for (const std::string& name : order) {
    Assembly& a = assemblies[name];
    std::stable_sort(a.parts.begin(), a.parts.end(), [](const auto& x, const auto& y) { return x.key < y.key; });
    const Tensor whole = join(name, a, 0, a.parts.size(), 0);
    out.emplace_back(name, whole.dtype().is_block() ? whole : ops::contiguous(whole));
  }
  return out;
}

std::vector<std::string> companion_files(const std::string& folder) {
  std::vector<std::string> out;
  if (file_type(folder) != FileType::directory) return out;
  for (const std::string& name : list_directory(folder)) {
    if (std::ranges::find(companions, name) != std::end(companions) && file_type(join_path(folder, name)) == FileType::regular) out.push_back(name);
  }
  return out;
}

void copy_companions(const std::string& from_folder, const std::string& to_folder) {
  constexpr std::uint64_t limit = std::uint64_t{256} << 20;
  for (const std::string& name : companion_files(from_folder)) {
    write_file(join_path(to_folder, name), read_file(join_path(from_folder, name), limit));
  }
}

}  // namespace tashika
