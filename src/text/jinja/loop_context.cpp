#include "text/jinja/loop_context.h"

namespace tashika::jinja {

LoopContext::LoopContext(Interpreter&, const Value& iterable, std::unique_ptr<Iterator> items, const Stmt& stmt,
                         VariablesRef scope, int depth0)
    : items_(std::move(items)), stmt_(stmt), scope_(std::move(scope)), depth0_(depth0) {
  if (has_length(iterable)) length_ = static_cast<std::int64_t>(length_of(iterable));
}

bool LoopContext::next(Interpreter& in, Value& out) {
  if (after_) {
    out = std::move(*after_);
    after_.reset();
  } else if (!items_->next(in, out)) {
    return false;
  }
  ++index0_;
  before_ = std::move(current_);
  current_ = out;
  return true;
}

bool LoopContext::peek(Interpreter& in) {
  if (after_) return true;
  Value item;
  if (!items_->next(in, item)) return false;
  after_ = std::move(item);
  return true;
}

// Of an iterable without a length: what is left is read to count it.
std::int64_t LoopContext::length(Interpreter& in) {
  if (length_) return *length_;
  auto rest = std::make_shared<std::vector<Value>>();
  Value item;
  while (items_->next(in, item)) {
    in.heap.work(1);
    rest->push_back(std::move(item));
  }
  const std::int64_t left = static_cast<std::int64_t>(rest->size());
  items_ = make_iterator([rest, i = std::size_t{0}](Interpreter&, Value& out) mutable {
    if (i >= rest->size()) return false;
    out = (*rest)[i++];
    return true;
  });
  length_ = left + index0_ + 1 + (after_ ? 1 : 0);
  return *length_;
}

std::string LoopContext::repr(Heap&, int) {
  return cat("<LoopContext ", index0_ + 1, "/", length_ ? cat(*length_) : "?", ">");
}

Value LoopContext::call(Interpreter& in, Args& args) {
  const auto bound = bind("loop", args, {"iterable"}, 1);
  if (!stmt_.recursive) fail_template("The loop must have the 'recursive' marker to be called recursively.");
  return in.loop_text(stmt_, *bound[0], scope_, depth0_ + 1);
}

Value LoopContext::cycle(Interpreter&, Args& args) {
  if (args.positional.empty()) fail_template("no items for cycling given");
  if (!args.named.empty()) fail_template("cycle() takes no keyword arguments");
  return args.positional[static_cast<std::size_t>(index0_) % args.positional.size()];
}

Value LoopContext::changed(Interpreter& in, const Value& self, Args& args) {
  if (!args.named.empty()) fail_template("changed() takes no keyword arguments");
  bool same = last_changed_ && last_changed_->size() == args.positional.size();
  for (std::size_t i = 0; same && i < args.positional.size(); ++i) {
    const Value &a = (*last_changed_)[i], &b = args.positional[i];
    same = a.same_as(b) || equal(in.heap, a, b);
  }
  if (same) return Value(false);
  if (!last_changed_) in.heap.keep(self.object_ref());
  last_changed_ = args.positional;
  return Value(true);
}

Value loop_cycle(Interpreter& in, const Value& self, Args& args) {
  return self.object_as<LoopContext>()->cycle(in, args);
}

Value loop_changed(Interpreter& in, const Value& self, Args& args) {
  return self.object_as<LoopContext>()->changed(in, self, args);
}

bool LoopContext::attribute(Interpreter& in, const Value& self, std::string_view name, Value& out) {
  const auto optional = [&](bool present, const std::optional<Value>& value, std::string_view message) {
    out = present && value ? *value : in.heap.undefined(std::string(message));
  };
  if (name == "index0") {
    out = Value(index0_);
  } else if (name == "index") {
    out = Value(index0_ + 1);
  } else if (name == "first") {
    out = Value(index0_ == 0);
  } else if (name == "last") {
    out = Value(!peek(in));
  } else if (name == "length") {
    out = Value(length(in));
  } else if (name == "revindex") {
    out = Value(length(in) - index0_);
  } else if (name == "revindex0") {
    out = Value(length(in) - index0_ - 1);
  } else if (name == "depth") {
    out = Value(static_cast<std::int64_t>(depth0_ + 1));
  } else if (name == "depth0") {
    out = Value(static_cast<std::int64_t>(depth0_));
  } else if (name == "previtem") {
    optional(index0_ != 0, before_, "there is no previous item");
  } else if (name == "nextitem") {
    optional(peek(in), after_, "there is no next item");
  } else if (name == "cycle") {
    out = make_function(in, "cycle", loop_cycle, self);
  } else if (name == "changed") {
    out = make_function(in, "changed", loop_changed, self);
  } else {
    return false;
  }
  return true;
}

}  // namespace tashika::jinja
