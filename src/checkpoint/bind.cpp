#include "checkpoint/bind.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "ops/elementwise.h"

namespace tashika {
namespace {

struct Found {
  const WeightInfo* info;
  const BindRule* rule;  // null: the parameter's own name
  PatternMatch match;
};

class Binder {
 public:
  Binder(const Bindings& bindings, const WeightSource& source, Runtime& rt) : bindings_(bindings), source_(source), rt_(rt) {}

  void param(const std::string& name, Param& p) {
    const std::optional<Found> found = find(name);
    if (!found) {
      if (p.optional) return;
      fail(source_.origin(), ": tensor ", expected_name(name), " is missing (", p.shape.str(), " for ", name, ")");
    }
    claimed_.insert(found->info->name);
    Tensor t = source_.load(found->info->name, rt_);
    if (found->rule) {
      for (const BindStep& step : found->rule->steps) t = apply(step, *found, t, p.shape);
    }
    if (t.shape() != p.shape) {
      fail(source_.origin(), ": tensor ", found->info->name, " gives ", t.shape().str(), " for ", name, ", the config promises ", p.shape.str());
    }
    if (t.dtype()->decode == nullptr) fail(source_.origin(), ": tensor ", found->info->name, " has type ", t.dtype()->name, ", which nothing computes with");
    p.value = t;
  }

  void check_leftovers() const {
    std::string unclaimed;
    int count = 0;
    for (const WeightInfo& info : source_.list()) {
      if (claimed_.contains(info.name) || is_leftover(info.name)) continue;
      if (++count <= 5) unclaimed += cat(unclaimed.empty() ? "" : ", ", info.name);
    }
    if (count > 5) unclaimed += cat(" and ", count - 5, " more");
    if (count > 0) fail(source_.origin(), ": nothing in this architecture uses ", count == 1 ? "tensor " : "tensors ", unclaimed);
  }

 private:
  std::optional<Found> find(const std::string& name) const {
    if (bindings_.own_names) {
      if (const WeightInfo* info = source_.find(name)) return Found{info, nullptr, {}};
    }
    for (const BindRule& rule : bindings_.rules) {
      Found found{nullptr, &rule, {}};
      if (!match_pattern(rule.param, name, found.match)) continue;
      found.info = source_.find(fill_pattern(rule.source, found.match));
      if (found.info) return found;
    }
    return std::nullopt;
  }

  // What a missing parameter is called in this kind of file.
  std::string expected_name(const std::string& name) const {
    if (bindings_.own_names) return name;
    for (const BindRule& rule : bindings_.rules) {
      PatternMatch match;
      if (match_pattern(rule.param, name, match)) return fill_pattern(rule.source, match);
    }
    return name;
  }

  Tensor apply(const BindStep& step, const Found& found, const Tensor& t, const Shape& wanted) const {
    const std::string& file_name = found.info->name;
    switch (step.kind) {
      case BindStep::Kind::select: {
        const std::int64_t index = found.match.numbers.at(static_cast<std::size_t>(step.var));
        if (t.rank() < 2 || index >= t.size(0)) fail(source_.origin(), ": tensor ", file_name, " ", t.shape().str(), " has no part ", index);
        return t.select(0, index);
      }
      case BindStep::Kind::part: {
        if (t.rank() < 1 || t.size(0) % step.count != 0) fail(source_.origin(), ": tensor ", file_name, " ", t.shape().str(), " has not ", step.count, " equal parts");
        const std::int64_t n = t.size(0) / step.count;
        return t.slice(0, step.index * n, (step.index + step.span) * n);
      }
      case BindStep::Kind::transpose:
        if (t.rank() != 2 || t.dtype().is_block()) fail(source_.origin(), ": tensor ", file_name, " ", t.str(), " cannot be transposed");
        return ops::contiguous(t.transpose(0, 1));
      case BindStep::Kind::add_constant:
        return ops::affine(t, 1.0f, step.value);
      case BindStep::Kind::reshape:
        if (t.numel() != wanted.numel() || t.dtype().is_block()) {
          fail(source_.origin(), ": tensor ", file_name, " ", t.str(), " does not fit in ", wanted.str());
        }
        return ops::contiguous(t).view(wanted);
    }
    return t;
  }

  bool is_leftover(const std::string& name) const {
    return std::ranges::any_of(bindings_.leftovers, [&](const std::string& pattern) {
      PatternMatch match;
      return match_pattern(pattern, name, match);
    });
  }

  const Bindings& bindings_;
  const WeightSource& source_;
  Runtime& rt_;
  std::set<std::string, std::less<>> claimed_;
};

}  // namespace

void bind(Module& module, const Bindings& bindings, const WeightSource& source, Runtime& rt) {
  Binder binder(bindings, source, rt);
  for_each_param(module, [&](const std::string& name, Param& p) { binder.param(name, p); });
  binder.check_leftovers();
  tell_bound(module);
}

Tensor bind_one(const std::string& param, const Shape& shape, const Bindings& bindings, const WeightSource& source, Runtime& rt) {
  Param p(shape);
  Binder(bindings, source, rt).param(param, p);
  return p.value;
}

}  // namespace tashika
