// Filters that order, join, cut and sum sequences.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"

namespace tashika::jinja {
namespace {

// Sorted by keys as Python's sorted(): stable, also when reversed.
std::vector<Value> sorted(Interpreter& in, std::vector<std::pair<Value, Value>> keyed, bool reverse) {
  const auto less = [&](const auto& a, const auto& b) { return compare(in.heap, a.first, b.first, "<") == -1; };
  if (reverse) std::reverse(keyed.begin(), keyed.end());
  std::stable_sort(keyed.begin(), keyed.end(), less);
  if (reverse) std::reverse(keyed.begin(), keyed.end());
  std::vector<Value> items;
  items.reserve(keyed.size());
  for (auto& [key, item] : keyed) items.push_back(std::move(item));
  return items;
}

bool flag(const Value* value) {
  return value && truthy(*value);
}

Value length(Interpreter&, Args& args) {
  bind("length", args, {"/obj"}, 1);
  return Value(static_cast<std::int64_t>(length_of(args.positional[0])));
}

Value first(Interpreter& in, Args& args) {
  bind("first", args, {"seq"}, 1);
  Value item;
  if (in.iterate(args.positional[0])->next(in, item)) return item;
  return in.heap.undefined("No first item, sequence was empty.");
}

// What Python's reversed() takes; a generator it does not.
bool reversible(const Value& value) {
  return value.is_string() || value.is_seq() || value.is_dict() || value.is_undefined() ||
         (value.is_object() && value.object().sized() && value.object().iterable());
}

Value last(Interpreter& in, Args& args) {
  bind("last", args, {"seq"}, 1);
  const Value& value = args.positional[0];
  if (!reversible(value)) fail_template("'", type_name(value), "' object is not reversible");
  if (value.is_seq()) {
    if (!value.seq().items.empty()) return value.seq().items.back();
  } else {
    const std::vector<Value> items = in.items_of(value);
    if (!items.empty()) return items.back();
  }
  return in.heap.undefined("No last item, sequence was empty.");
}

Value list(Interpreter& in, Args& args) {
  bind("list", args, {"value"}, 1);
  return in.heap.list(in.items_of(args.positional[0]));
}

Value reverse(Interpreter& in, Args& args) {
  bind("reverse", args, {"value"}, 1);
  const Value& value = args.positional[0];
  if (value.is_string()) {
    return in.slice(value, Value(), Value(), Value(std::int64_t{-1}));
  }
  const bool lazily = reversible(value);
  if (!lazily && !(value.is_object() && value.object().iterable())) fail_template("argument must be iterable");
  std::vector<Value> items = in.items_of(value);
  std::reverse(items.begin(), items.end());
  if (!lazily) return in.heap.list(std::move(items));
  const int depth = depth_of(value);
  return make_generator(in, "list_reverseiterator", iterate_items(std::move(items)), depth);
}

Value join(Interpreter& in, Args& args) {
  const auto bound = bind("join", args, {"value", "d", "attribute"}, 1);
  const std::string separator = bound[1] ? to_text(in.heap, *bound[1]) : "";
  const AttributePath path(in, bound[2]);
  std::string out;
  bool first_item = true;
  const std::unique_ptr<Iterator> items = in.iterate(*bound[0]);
  Value item;
  while (items->next(in, item)) {
    in.heap.work(1);
    const std::string text = to_text(in.heap, path.get(in, item));
    Heap::check_text(out.size() + separator.size() + text.size());
    if (!first_item) out += separator;
    first_item = false;
    out += text;
  }
  return in.heap.string(std::move(out));
}

Value sort(Interpreter& in, Args& args) {
  const auto bound = bind("sort", args, {"value", "reverse", "case_sensitive", "attribute"}, 1);
  const bool case_sensitive = flag(bound[2]);
  // Several attributes, separated by commas. The key is a list, also of one: lists compare their
  // items for equality first, so two undefined ones are in order.
  std::vector<AttributePath> paths;
  if (bound[3] && bound[3]->is_string()) {
    for (std::string_view text = bound[3]->text();;) {
      const std::size_t comma = text.find(',');
      const Value part = in.heap.string(std::string(text.substr(0, comma)));
      paths.emplace_back(in, &part);
      if (comma == text.npos) break;
      text.remove_prefix(comma + 1);
    }
  } else {
    paths.emplace_back(in, bound[3]);
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : in.items_of(*bound[0])) {
    std::vector<Value> key;
    for (const AttributePath& path : paths) key.push_back(sort_key(in, path.get(in, item), case_sensitive));
    keyed.emplace_back(in.heap.list(std::move(key)), std::move(item));
  }
  return in.heap.list(sorted(in, std::move(keyed), flag(bound[1])));
}

Value dictsort(Interpreter& in, Args& args) {
  const auto bound = bind("dictsort", args, {"value", "case_sensitive", "by", "reverse"}, 1);
  const Value& value = *bound[0];
  refuse_undefined(value);
  const std::string by = bound[2] && bound[2]->is_string() ? bound[2]->text() : bound[2] ? "" : "key";
  if (by != "key" && by != "value") fail_template("You can only sort by either \"key\" or \"value\"");
  if (!value.is_dict()) fail_template("'", type_name(value), "' object has no attribute 'items'");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, item] : value.dict().entries) {
    keyed.emplace_back(sort_key(in, by == "key" ? key : item, flag(bound[1])), in.heap.pair(key, item));
  }
  return in.heap.list(sorted(in, std::move(keyed), flag(bound[3])));
}

Value groupby(Interpreter& in, Args& args) {
  const auto bound = bind("groupby", args, {"value", "attribute", "default", "case_sensitive"}, 2);
  const bool case_sensitive = flag(bound[3]);
  const AttributePath path(in, bound[1], bound[2]);
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : in.items_of(*bound[0])) {
    Value key = sort_key(in, path.get(in, item), case_sensitive);
    keyed.emplace_back(std::move(key), std::move(item));
  }
  const auto less = [&](const auto& a, const auto& b) { return compare(in.heap, a.first, b.first, "<") == -1; };
  std::stable_sort(keyed.begin(), keyed.end(), less);
  std::vector<Value> groups;
  for (std::size_t i = 0; i < keyed.size();) {
    std::size_t end = i + 1;
    while (end < keyed.size() && equal(in.heap, keyed[i].first, keyed[end].first)) ++end;
    const Value key = case_sensitive ? keyed[i].first : path.get(in, keyed[i].second);
    std::vector<Value> items;
    for (; i < end; ++i) items.push_back(std::move(keyed[i].second));
    groups.push_back(in.heap.pair(key, in.heap.list(std::move(items)), true));
  }
  return in.heap.list(std::move(groups));
}

Value unique(Interpreter& in, Args& args) {
  const auto bound = bind("unique", args, {"value", "case_sensitive", "attribute"}, 1);
  const bool case_sensitive = flag(bound[1]);
  const AttributePath path(in, bound[2]);
  auto items = std::make_shared<std::unique_ptr<Iterator>>();
  return make_generator(in, "generator",
                        make_iterator([items, source = *bound[0], path, case_sensitive, seen = std::vector<Value>()](
                                          Interpreter& run, Value& out) mutable {
                          if (!*items) *items = run.iterate(source);
                          while ((*items)->next(run, out)) {
                            const Value key = sort_key(run, path.get(run, out), case_sensitive);
                            check_hashable(key);
                            const bool known = std::any_of(seen.begin(), seen.end(), [&](const Value& other) {
                              return other.same_as(key) || equal(run.heap, other, key);
                            });
                            if (known) continue;
                            seen.push_back(key);
                            return true;
                          }
                          return false;
                        }),
                        depth_of(*bound[0]));
}

Value extreme(Interpreter& in, Args& args, int wanted, std::string_view name) {
  const auto bound = bind(name, args, {"value", "case_sensitive", "attribute"}, 1);
  const bool case_sensitive = flag(bound[1]);
  const AttributePath path(in, bound[2]);
  const std::unique_ptr<Iterator> items = in.iterate(*bound[0]);
  Value best, best_key, item;
  if (!items->next(in, best)) return in.heap.undefined("No aggregated item, sequence was empty.");
  best_key = sort_key(in, path.get(in, best), case_sensitive);
  while (items->next(in, item)) {
    in.heap.work(1);
    Value key = sort_key(in, path.get(in, item), case_sensitive);
    if (compare(in.heap, key, best_key, wanted < 0 ? "<" : ">") != wanted) continue;
    best = std::move(item);
    best_key = std::move(key);
  }
  return best;
}

Value minimum(Interpreter& in, Args& args) {
  return extreme(in, args, -1, "min");
}
Value maximum(Interpreter& in, Args& args) {
  return extreme(in, args, 1, "max");
}

Value sum(Interpreter& in, Args& args) {
  const auto bound = bind("sum", args, {"iterable", "attribute", "start"}, 1);
  const AttributePath path(in, bound[1]);
  Value total = bound[2] ? *bound[2] : Value(std::int64_t{0});
  if (total.is_string()) fail_template("sum() can't sum strings [use ''.join(seq) instead]");
  const std::unique_ptr<Iterator> items = in.iterate(*bound[0]);
  Value item;
  while (items->next(in, item)) total = binary(in, BinaryOp::add, total, path.get(in, item));
  return total;
}

Value batch(Interpreter& in, Args& args) {
  const auto bound = bind("batch", args, {"value", "linecount", "fill_with"}, 2);
  const std::int64_t count = integer_of("batch", bound[1], 0);
  if (count > static_cast<std::int64_t>(max_range)) throw_limit("batch: the count is too large");
  const Value fill = bound[2] ? *bound[2] : Value();
  const Value source = *bound[0];
  auto items = std::make_shared<std::unique_ptr<Iterator>>();
  auto row = std::make_shared<std::vector<Value>>();
  auto done = std::make_shared<bool>(false);
  return make_generator(in, "generator", make_iterator([=](Interpreter& run, Value& out) {
                          if (*done) return false;
                          if (!*items) *items = run.iterate(source);
                          Value item;
                          while ((*items)->next(run, item)) {
                            if (static_cast<std::int64_t>(row->size()) == count) {
                              out = run.heap.list(std::exchange(*row, {std::move(item)}));
                              return true;
                            }
                            row->push_back(std::move(item));
                            run.heap.work(1);
                          }
                          *done = true;
                          if (row->empty()) return false;
                          if (!fill.is_none() && static_cast<std::int64_t>(row->size()) < count) {
                            row->resize(static_cast<std::size_t>(count), fill);
                          }
                          out = run.heap.list(std::move(*row));
                          return true;
                        }),
                        std::max(depth_of(source), depth_of(fill)));
}

Value slice(Interpreter& in, Args& args) {
  const auto bound = bind("slice", args, {"value", "slices", "fill_with"}, 2);
  const std::int64_t slices = integer_of("slice", bound[1], 0);
  const Value fill = bound[2] ? *bound[2] : Value();
  const Value source = *bound[0];
  auto items = std::make_shared<std::vector<Value>>();
  auto started = std::make_shared<bool>(false);
  auto number = std::make_shared<std::int64_t>(0);
  return make_generator(in, "generator", make_iterator([=](Interpreter& run, Value& out) {
                          if (!*started) {
                            *items = run.items_of(source);
                            *started = true;
                            if (slices == 0) fail_template("integer division or modulo by zero");
                          }
                          if (*number >= slices) return false;
                          run.heap.step();
                          const auto length = static_cast<std::int64_t>(items->size());
                          const std::int64_t each = length / slices, extra = length % slices, i = (*number)++;
                          const std::int64_t begin = i * each + std::min(i, extra),
                                             end = begin + each + (i < extra ? 1 : 0);
                          std::vector<Value> part(items->begin() + begin, items->begin() + end);
                          if (!fill.is_none() && i >= extra) part.push_back(fill);
                          out = run.heap.list(std::move(part));
                          return true;
                        }),
                        std::max(depth_of(source), depth_of(fill)));
}

Value items_filter(Interpreter& in, Args& args) {
  bind("items", args, {"value"}, 1);
  const Value source = args.positional[0];
  return make_generator(in, "generator",
                        make_iterator([source, i = std::size_t{0}](Interpreter& run, Value& out) mutable {
                          if (source.is_undefined()) return false;
                          if (!source.is_dict()) fail_template("Can only get item pairs from a mapping.");
                          if (i >= source.dict().entries.size()) return false;
                          const auto& [key, value] = source.dict().entries[i++];
                          out = run.heap.pair(key, value);
                          return true;
                        }),
                        depth_of(source));
}

constexpr Filter filters[] = {
    {"batch", batch},        {"count", length}, {"dictsort", dictsort}, {"first", first},     {"groupby", groupby},
    {"items", items_filter}, {"join", join},    {"last", last},         {"length", length},   {"list", list},
    {"max", maximum},        {"min", minimum},  {"random", nullptr},    {"reverse", reverse}, {"slice", slice},
    {"sort", sort},          {"sum", sum},      {"unique", unique},
};

}  // namespace

std::span<const Filter> sequence_filters() {
  return filters;
}

}  // namespace tashika::jinja
