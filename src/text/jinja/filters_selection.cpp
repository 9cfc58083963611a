// map, select, reject and their attribute forms, attr and default. The first five are generators:
// nothing happens, and nothing fails, before they are read.
#include <algorithm>
#include <optional>

#include "text/jinja/filters.h"

namespace tashika::jinja {
namespace {

Value default_filter(Interpreter& in, Args& args) {
  const auto bound = bind("default", args, {"value", "default_value", "boolean"}, 1);
  const bool by_truth = bound[2] && truthy(*bound[2]);
  if (!bound[0]->is_undefined() && !(by_truth && !truthy(*bound[0]))) return *bound[0];
  return bound[1] ? *bound[1] : in.heap.string("");
}

Value attr(Interpreter& in, Args& args) {
  const auto bound = bind("attr", args, {"obj", "name"}, 2);
  const Value &object = *bound[0], &name = *bound[1];
  refuse_undefined(object);
  const std::string text = to_text(in.heap, name);
  // A dict's keys are no attributes.
  if (object.is_dict() && !find_method(object, text) && !is_mutator(object, text)) {
    return in.heap.undefined(cat("'dict object' has no attribute '", text, "'"));
  }
  return in.attribute(object, text);
}

// What a generator filter works with; the arguments stay as they were given.
struct Stream {
  Value source;
  Args args;
  std::unique_ptr<Iterator> items;

  bool next(Interpreter& in, Value& out) {
    if (!items) items = in.iterate(source);
    if (!items->next(in, out)) return false;
    in.heap.step();
    return true;
  }
};

int depth_of_args(const Args& args) {
  int depth = 0;
  for (const Value& value : args.positional) depth = std::max(depth, depth_of(value));
  for (const auto& [name, value] : args.named) depth = std::max(depth, depth_of(value));
  return depth;
}

Args rest_of(const Args& args, std::size_t from) {
  Args rest;
  rest.positional.push_back(Value());
  rest.positional.insert(rest.positional.end(), args.positional.begin() + static_cast<std::ptrdiff_t>(from),
                         args.positional.end());
  rest.named = args.named;
  return rest;
}

Value map(Interpreter& in, Args& args) {
  auto stream = std::make_shared<Stream>();
  const int depth = depth_of_args(args);
  stream->source = args.positional[0];
  stream->args = std::move(args);
  auto path = std::make_shared<std::optional<AttributePath>>();
  return make_generator(in, "generator", make_iterator([stream, path](Interpreter& run, Value& out) {
                          const Args& given = stream->args;
                          if (!truthy(stream->source)) return false;
                          const auto named = [&](std::string_view name) -> const Value* {
                            for (const auto& [key, value] : given.named) {
                              if (key == name) return &value;
                            }
                            return nullptr;
                          };
                          if (given.positional.size() == 1 && named("attribute")) {
                            if (!*path) {
                              const Value* fallback = named("default");
                              if (given.named.size() > (fallback ? 2 : 1))
                                fail_template("Unexpected keyword argument of map");
                              path->emplace(run, named("attribute"), fallback);
                            }
                            if (!stream->next(run, out)) return false;
                            out = (*path)->get(run, out);
                            return true;
                          }
                          if (given.positional.size() < 2) fail_template("map requires a filter argument");
                          const Value& name = given.positional[1];
                          if (!name.is_string() || !filter_exists(name.text())) {
                            fail_template("No filter named ", to_repr(run.heap, name), ".");
                          }
                          if (!stream->next(run, out)) return false;
                          Args call = rest_of(given, 2);
                          call.positional[0] = std::move(out);
                          out = run.filter(name.text(), call);
                          return true;
                        }),
                        depth);
}

Value pick(Interpreter& in, Args& args, bool wanted, bool by_attribute) {
  auto stream = std::make_shared<Stream>();
  const int depth = depth_of_args(args);
  stream->source = args.positional[0];
  stream->args = std::move(args);
  auto path = std::make_shared<std::optional<AttributePath>>();
  return make_generator(
      in, "generator", make_iterator([=](Interpreter& run, Value& out) {
        const Args& given = stream->args;
        if (!truthy(stream->source)) return false;
        if (by_attribute && !*path) {
          if (given.positional.size() < 2) fail_template("Missing parameter for attribute name");
          path->emplace(run, &given.positional[1]);
        }
        const std::size_t at = by_attribute ? 2 : 1;
        const bool plain = given.positional.size() <= at;
        if (!plain && (!given.positional[at].is_string() || !test_exists(given.positional[at].text()))) {
          fail_template("No test named ", to_repr(run.heap, given.positional[at]), ".");
        }
        while (stream->next(run, out)) {
          Value value = by_attribute ? (*path)->get(run, out) : out;
          bool holds = false;
          if (plain) {
            holds = truthy(value);
          } else {
            Args call = rest_of(given, at + 1);
            call.positional[0] = std::move(value);
            holds = run.test(given.positional[at].text(), call);
          }
          if (holds == wanted) return true;
        }
        return false;
      }),
      depth);
}

Value select(Interpreter& in, Args& args) {
  return pick(in, args, true, false);
}
Value reject(Interpreter& in, Args& args) {
  return pick(in, args, false, false);
}
Value select_attr(Interpreter& in, Args& args) {
  return pick(in, args, true, true);
}
Value reject_attr(Interpreter& in, Args& args) {
  return pick(in, args, false, true);
}

constexpr Filter filters[] = {
    {"attr", attr},     {"d", default_filter},       {"default", default_filter}, {"map", map},
    {"reject", reject}, {"rejectattr", reject_attr}, {"select", select},          {"selectattr", select_attr},
};

}  // namespace

std::span<const Filter> selection_filters() {
  return filters;
}

}  // namespace tashika::jinja
