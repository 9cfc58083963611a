// The `loop` variable.
#pragma once

#include <memory>
#include <optional>

#include "text/jinja/interpreter.h"

namespace tashika::jinja {

class LoopContext : public Object {
 public:
  LoopContext(Interpreter& in, const Value& iterable, std::unique_ptr<Iterator> items, const Stmt& stmt,
              VariablesRef scope, int depth0);

  bool next(Interpreter& in, Value& out);  // advances to the next round

  std::string_view type_name() const override { return "LoopContext"; }
  std::string repr(Heap& heap, int depth) override;
  bool callable() const override { return true; }
  Value call(Interpreter& in, Args& args) override;
  bool attribute(Interpreter& in, const Value& self, std::string_view name, Value& out) override;
  bool sized() const override { return length_.has_value(); }
  std::size_t size() const override { return static_cast<std::size_t>(length_.value_or(0)); }
  bool truthy() const override { return true; }
  void drop() override { last_changed_.reset(); }

 private:
  std::int64_t length(Interpreter& in);
  bool peek(Interpreter& in);
  Value cycle(Interpreter& in, Args& args);
  Value changed(Interpreter& in, const Value& self, Args& args);
  friend Value loop_cycle(Interpreter& in, const Value& self, Args& args);
  friend Value loop_changed(Interpreter& in, const Value& self, Args& args);

  std::unique_ptr<Iterator> items_;
  std::optional<std::int64_t> length_;
  std::optional<Value> after_, current_, before_;
  std::optional<std::vector<Value>> last_changed_;
  const Stmt& stmt_;
  VariablesRef scope_;
  std::int64_t index0_ = -1;
  int depth0_;
};

}  // namespace tashika::jinja
