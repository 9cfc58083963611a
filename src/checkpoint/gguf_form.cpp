#include "checkpoint/gguf_form.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/bind.h"
#include "checkpoint/embedding_files.h"
#include "checkpoint/gguf_tokenizer.h"
#include "checkpoint/save.h"
#include "ops/elementwise.h"
#include "quant/formats.h"

namespace tashika {

void GgufRows::add(Run run) {
  rows_ += run.rows;
  runs_.push_back(std::move(run));
}

bool GgufRows::one_dtype() const {
  return std::ranges::all_of(runs_, [&](const Run& run) { return run.source.dtype() == dtype(); });
}

const std::byte* GgufRows::row(std::int64_t index, DType& dtype) const {
  for (const Run& run : runs_) {
    if (index >= run.rows) {
      index -= run.rows;
      continue;
    }
    if (run.heads > 0) {
      const std::int64_t per_head = run.rows / run.heads, head = index / per_head, at = index % per_head;
      index = head * per_head + at % 2 * (per_head / 2) + at / 2;
    }
    dtype = run.source.dtype();
    return run.source.bytes().data() + index * dtype.row_bytes(width_);
  }
  fail_with(ErrorKind::internal, "GgufRows: no such row");
}

void GgufRows::read(std::int64_t first, std::int64_t count, float* out) const {
  for (std::int64_t i = first; i < first + count; ++i, out += width_) {
    DType dtype;
    const std::byte* bytes = row(i, dtype);
    dtype->decode(bytes, out, width_);
  }
}

void GgufRows::copy(std::int64_t first, std::int64_t count, std::byte* out) const {
  const std::int64_t bytes_per_row = dtype().row_bytes(width_);
  for (std::int64_t i = first; i < first + count; ++i, out += bytes_per_row) {
    DType dtype;
    std::memcpy(out, row(i, dtype), static_cast<std::size_t>(bytes_per_row));
  }
}

namespace {

GgufForm form_of_file(const Checkpoint& checkpoint) {
  GgufForm form;
  for (const GgufField& field : checkpoint.gguf->fields()) {
    if (!field.key.starts_with("split.")) form.fields.add(field);
  }
  form.facts = checkpoint.meta.values;
  form.tensors = checkpoint.weights->list();
  form.open = [weights = checkpoint.weights](std::size_t tensor, Runtime& rt) {
    const WeightInfo& info = weights->list()[tensor];
    const std::int64_t width = info.shape.rank() > 0 ? info.shape[-1] : 1;
    GgufRows rows(width);
    rows.add({weights->load(info.name, rt), width > 0 ? info.shape.numel() / width : 0, 0});
    return rows;
  };
  return form;
}

// A tensor of the GGUF file as parts of the folder's module.
struct Assembly {
  struct Part {
    std::vector<std::int64_t> key;  // where it stands: an index for each select and part step
    std::string param;
    Shape shape;
    DType dtype;
    std::int64_t heads = 0;  // above 0: rows go in pairs
  };
  std::string name;
  std::vector<Part> parts;
  int selects = 0;                // of the steps; they come first
  std::vector<float> made;        // instead of parts: made of the config
  std::optional<GgufFacts::HeadPart> heads;  // of the one part

  WeightInfo info() const {
    if (parts.empty()) return {name, f32, Shape{static_cast<std::int64_t>(made.size())}};
    const Shape& first = parts.front().shape;
    if (heads) {
      const std::int64_t taken = heads->last - heads->first;
      return {name, parts.front().dtype, heads->turned ? Shape{heads->heads, first[1], taken} : Shape{heads->heads, taken, first[1]}};
    }
    std::int64_t rows = 0, experts = 0, last = -1;
    for (const Part& part : parts) {
      rows += part.shape.rank() > 0 ? part.shape[0] : 1;
      if (selects > 0 && part.key[0] != last) ++experts;
      if (selects > 0) last = part.key[0];
    }
    Shape shape;
    if (selects > 0) {
      if (last != experts - 1 || rows % experts != 0) fail("tensor ", name, ": some of its experts are missing");
      shape.push_back(experts);
      rows /= experts;
    }
    shape.push_back(rows);
    for (int i = 1; i < first.rank(); ++i) shape.push_back(first[i]);
    return {name, parts.front().dtype, shape};
  }
};

Assembly::Part part_of(const std::string& param, const Tensor& value, const FilePlace& place, int& selects) {
  Assembly::Part part{{}, param, value.shape(), value.dtype(), 0};
  selects = 0;
  if (place.rule == nullptr) return part;
  for (const BindStep& step : place.rule->steps) {
    if (step.kind == BindStep::Kind::select) {
      part.key.push_back(place.match.numbers.at(static_cast<std::size_t>(step.var)));
      ++selects;
    } else if (step.kind == BindStep::Kind::part) {
      part.key.push_back(step.index);
    } else {
      fail("tensor ", place.name, ": this family's GGUF layout cannot be written yet");
    }
  }
  return part;
}

// Everything that reading a tensor later needs.
struct Folder {
  Checkpoint checkpoint;
  Bindings bindings;
  std::vector<Assembly> tensors;
};

// The part's values in the form's order, as f32.
Tensor rows_of_heads(const Tensor& value, const GgufFacts::HeadPart& part, Runtime& rt) {
  const std::int64_t width = value.size(1), per_head = value.size(0) / part.heads, taken = part.last - part.first;
  const std::vector<float> from = value.to_host();
  std::vector<float> to(static_cast<std::size_t>(part.heads * taken * width));
  std::size_t at = 0;
  const auto element = [&](std::int64_t head, std::int64_t row, std::int64_t column) {
    return from[static_cast<std::size_t>((head * per_head + part.first + row) * width + column)];
  };
  for (std::int64_t head = 0; head < part.heads; ++head) {
    if (part.turned) {
      for (std::int64_t column = 0; column < width; ++column) {
        for (std::int64_t row = 0; row < taken; ++row) to[at++] = element(head, row, column);
      }
    } else {
      for (std::int64_t row = 0; row < taken; ++row) {
        for (std::int64_t column = 0; column < width; ++column) to[at++] = element(head, row, column);
      }
    }
  }
  return Tensor::from_host(rt, part.turned ? Shape{part.heads * width, taken} : Shape{part.heads * taken, width}, to);
}

GgufRows open_rows(const Folder& folder, std::size_t index, Runtime& rt) {
  const Assembly& assembly = folder.tensors[index];
  if (assembly.parts.empty()) {
    GgufRows rows(static_cast<std::int64_t>(assembly.made.size()));
    rows.add({Tensor::from_host(rt, Shape{static_cast<std::int64_t>(assembly.made.size())}, assembly.made), 1, 0});
    return rows;
  }
  if (assembly.heads) {
    const Assembly::Part& part = assembly.parts.front();
    const Tensor values = rows_of_heads(bind_one(part.param, part.shape, folder.bindings, *folder.checkpoint.weights, rt), *assembly.heads, rt);
    GgufRows rows(values.size(1));
    rows.add({values, values.size(0), 0});
    return rows;
  }
  // A vector is one row, unless its elements change places.
  const bool vector = assembly.parts.front().shape.rank() == 1;
  const bool elements = vector && (assembly.parts.size() > 1 || assembly.parts.front().heads > 0);
  GgufRows rows(elements ? 1 : assembly.parts.front().shape[-1]);
  for (const Assembly::Part& part : assembly.parts) {
    Tensor value = bind_one(part.param, part.shape, folder.bindings, *folder.checkpoint.weights, rt);
    if (!value.is_contiguous()) value = ops::contiguous(value);
    rows.add({value, elements ? part.shape.numel() : part.shape.numel() / part.shape[-1], part.heads});
  }
  return rows;
}

void add_facts(GgufForm& form, const GgufFacts& facts, const std::string& path) {
  form.fields.add_text("general.architecture", facts.architecture);
  form.fields.add_text("general.type", "model");
  const std::string_view name = file_name(path.ends_with('/') ? std::string_view(path).substr(0, path.size() - 1) : std::string_view(path));
  form.fields.add_text("general.name", name);
  for (const auto& [key, value] : facts.values.as_object().entries()) {
    if (key == "general.architecture") continue;
    if (value.is_integer()) {
      if (value.as_integer() < 0 || value.as_integer() > 0xFFFFFFFF) fail(path, ": ", key, ": ", value.as_integer(), " is no 32-bit count");
      form.fields.add(key, static_cast<std::uint32_t>(value.as_integer()));
    } else if (value.is_number()) {
      form.fields.add(key, static_cast<float>(value.as_double()));
    } else if (value.is_bool()) {
      form.fields.add(key, value.as_bool());
    } else if (value.is_string()) {
      form.fields.add_text(key, value.as_string());
    } else {
      fail_with(ErrorKind::internal, cat("GgufFacts: ", key, " has a type that is not written"));
    }
  }
}

GgufFacts facts_of_folder(const Checkpoint& checkpoint) {
  const ModelDef& def = model_of(checkpoint);
  if (def.gguf == nullptr || checkpoint.meta.format != Metadata::Format::hf) {
    fail(checkpoint.path, ": the family ", def.name, " has no GGUF form here: run its folder as it is");
  }
  GgufFacts facts = def.gguf(checkpoint.meta, *checkpoint.weights);
  facts.values.set("general.architecture", facts.architecture);
  return facts;
}

// The rules that read such a file.
Bindings layout_of(const GgufFacts& facts, const std::string& path) {
  const Metadata target{Metadata::Format::gguf, path, facts.values};
  return find_model(target).bindings(target);
}

// How an encoder's states become one vector, where the files say it and GGUF has a number for it.
void add_pooling(GgufForm& form, const std::string& arch, const Checkpoint& checkpoint, Runtime& shapes) {
  const EmbeddingRecipe recipe = read_embedding_recipe(checkpoint.path, shapes);
  if (recipe.origin.empty()) return;
  const std::optional<Pooling> only = recipe.pooling.size() == 1 ? std::optional(recipe.pooling[0]) : std::nullopt;
  const std::uint32_t number = only == Pooling::mean ? 1 : only == Pooling::first ? 2 : only == Pooling::last ? 3 : 0;
  if (number == 0) form.notes.push_back("GGUF has no number for how this model pools: say it where the file is used");
  else form.fields.add(arch + ".pooling_type", number);
  if (std::ranges::any_of(recipe.steps, [](const EmbeddingStep& step) { return !step.normalise; })) {
    form.notes.push_back("the dense layers behind the model have no place in the file");
  }
}

GgufForm form_of_folder(const Checkpoint& checkpoint, const std::string& tokenizer_pre) {
  const ModelDef& def = model_of(checkpoint);
  const GgufFacts facts = facts_of_folder(checkpoint);
  const Bindings layout = layout_of(facts, checkpoint.path);
  GgufForm form;
  form.converted = true;
  form.facts = facts.values;

  auto folder = std::make_shared<Folder>();
  folder->checkpoint = checkpoint;
  folder->bindings = def.bindings(checkpoint.meta);
  Runtime shapes("meta", nullptr, RuntimeOptions{});
  const std::unique_ptr<Module> module = load_module(checkpoint, shapes);
  if (def.role == Role::encoder) add_pooling(form, facts.architecture, checkpoint, shapes);
  std::map<std::string, std::size_t, std::less<>> places;
  bool left_out = false;
  for_each_param(*module, [&](const std::string& name, Param& p) {
    if (!p.value.defined()) return;
    PatternMatch left;
    if (std::ranges::any_of(facts.left_out, [&](const std::string& pattern) { return match_pattern(pattern, name, left); })) {
      if (!left_out) form.notes.push_back(cat("the file has no place for ", name, " and its like"));
      left_out = true;
      return;
    }
    bool apart = false;
    for (const GgufFacts::HeadPart& part : facts.head_parts) {
      PatternMatch match;
      if (!match_pattern(part.param, name, match)) continue;
      apart = true;
      if (p.shape.rank() != 2 || p.shape[0] % part.heads != 0 || part.last > p.shape[0] / part.heads) fail("tensor ", name, " ", p.shape.str(), " has no such heads");
      folder->tensors.push_back({fill_pattern(part.tensor, match), {{{}, name, p.value.shape(), p.value.dtype(), 0}}, 0, {}, part});
    }
    if (apart) return;
    const FilePlace place = place_of(name, layout, nullptr);
    const auto [at, fresh] = places.emplace(place.name, folder->tensors.size());
    if (fresh) folder->tensors.push_back({place.name, {}, 0, {}, std::nullopt});
    Assembly& assembly = folder->tensors[at->second];
    Assembly::Part part = part_of(name, p.value, place, assembly.selects);
    for (const GgufFacts::Pairs& pairs : facts.pairs) {
      PatternMatch match;
      if (match_pattern(pairs.param, name, match)) part.heads = pairs.heads;
    }
    if (!assembly.parts.empty() && assembly.parts.front().key.size() != part.key.size()) {
      fail("tensor ", place.name, ": the parameters that share it do so in different ways");
    }
    assembly.parts.push_back(std::move(part));
  });
  for (const auto& [name, values] : facts.tensors) folder->tensors.push_back({name, {}, 0, values, std::nullopt});
  for (Assembly& assembly : folder->tensors) {
    std::stable_sort(assembly.parts.begin(), assembly.parts.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    form.tensors.push_back(assembly.info());
  }
  add_facts(form, facts, checkpoint.path);
  for (const std::string& loss : facts.losses) form.notes.push_back(cat("other programs will not find in the file what this one does: ", loss));
  const auto embedding = std::ranges::find(form.tensors, "token_embd.weight", &WeightInfo::name);
  if (embedding == form.tensors.end()) fail(checkpoint.path, ": there is no embedding");
  add_gguf_tokenizer(form.fields, checkpoint, embedding->shape[0], tokenizer_pre, form.notes);
  form.open = [folder](std::size_t tensor, Runtime& rt) { return open_rows(*folder, tensor, rt); };
  return form;
}

}  // namespace

GgufForm gguf_form(const Checkpoint& checkpoint, const std::string& tokenizer_pre) {
  if (checkpoint.weights == nullptr) fail(checkpoint.path, ": there are no weights");
  return checkpoint.is_gguf() ? form_of_file(checkpoint) : form_of_folder(checkpoint, tokenizer_pre);
}

std::vector<GgufPlace> gguf_places(const Checkpoint& checkpoint, Module& bound) {
  const bool is_file = checkpoint.is_gguf();
  const Bindings layout = is_file ? model_of(checkpoint).bindings(checkpoint.meta) : layout_of(facts_of_folder(checkpoint), checkpoint.path);
  std::vector<GgufPlace> out;
  for_each_param(bound, [&](const std::string& name, Param& p) {
    if (!p.value.defined()) return;
    const FilePlace place = place_of(name, layout, is_file ? checkpoint.weights.get() : nullptr);
    GgufPlace row{name, place.name, -1};
    if (place.rule != nullptr && !place.rule->steps.empty() && place.rule->steps[0].kind == BindStep::Kind::select) {
      row.expert = place.match.numbers.at(static_cast<std::size_t>(place.rule->steps[0].var));
    }
    out.push_back(std::move(row));
  });
  return out;
}

}  // namespace tashika
