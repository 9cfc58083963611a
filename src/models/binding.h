// Binding rules: how tensors of a file become parameters of a module, as invertible data.
//
// A rule names a parameter and the file's tensor by patterns in which `{}` stands for a number;
// numbers are matched in order and may be used in the steps; a final `*` stands for any ending. Rules are tried in order and the first
// whose source exists is taken; without any matching rule the parameter's own name is the source.
// Steps on block-quantised tensors are views: selecting an expert or a range of rows copies nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/weights.h"

namespace tashika {

struct BindStep {
  enum class Kind {
    select,        // index dimension 0 by the matched number `var` (an expert of a stack)
    part,          // `span` parts from part `index` on, of `count` equal parts along dimension 0 (a fused projection)
    transpose,     // the two dimensions exchanged (plain types only)
    add_constant,  // `value` added to every element (plain types; "1 + weight" norms)
    reshape,       // the same elements in the parameter's shape (plain types; vectors stored with dimensions of one)
  };
  Kind kind;
  int var = 0;
  int index = 0, count = 1;
  float value = 0;
  int span = 1;

  static BindStep rows(int index, int span, int count) { return {Kind::part, 0, index, count, 0, span}; }
};

struct BindRule {
  std::string param;
  std::string source;
  std::vector<BindStep> steps;
};

struct Bindings {
  std::vector<BindRule> rules;
  bool own_names = true;  // a parameter may also be found under its own name
  // Tensors that may stay unclaimed, by pattern (`{}` a number, a final `*` anything): stored mask
  // buffers and the like.
  std::vector<std::string> leftovers;
};

// What a name leaves open in a pattern: the numbers at its `{}` and the text at its final `*`.
struct PatternMatch {
  std::vector<std::int64_t> numbers;
  std::string tail;
};
bool match_pattern(std::string_view pattern, std::string_view name, PatternMatch& match);
// The pattern with its `{}` filled in order and its final `*` replaced.
std::string fill_pattern(std::string_view pattern, const PatternMatch& match);

// What the file calls a parameter: the source of the first rule that matches its name and exists, or the name itself.
// Null when the file has none of them.
const WeightInfo* find_source(const Bindings& bindings, const WeightSource& weights, std::string_view param);

}  // namespace tashika
