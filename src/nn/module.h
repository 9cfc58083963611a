// Modules: structs that hold their parts as typed members and list them once.
//
// The list `parts` serves loading, saving, counting, quantising, adapters, optimisers and `show`.
// Names are those of the Hugging Face checkpoint, so a folder binds without a map.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace tashika {

// A named tensor of a module: the shape is what the config promises, the value comes with binding.
struct Param {
  Shape shape;
  bool optional = false;  // may be absent from the file; then `value` stays undefined
  Tensor value;

  Param() = default;
  explicit Param(const Shape& expected, bool may_be_absent = false) : shape(expected), optional(may_be_absent) {}
  operator const Tensor&() const { return value; }
};

class Visitor;

struct Module {
  virtual ~Module() = default;
  virtual void parts(Visitor& v) = 0;
  virtual void bound() {}  // called once every parameter has its tensor, and again after they change; parts before wholes
};

// Walks a module tree; `param` sees every tensor under its full dotted name.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void param(const std::string& name, Param& p) = 0;
  virtual void enter(const std::string& /*name*/, Module& /*module*/) {}

  void operator()(std::string_view name, Param& p) { param(join(name), p); }
  void operator()(std::string_view name, Module& module);
  template <typename M>
  void operator()(std::string_view name, std::vector<M>& list) {
    for (std::size_t i = 0; i < list.size(); ++i) (*this)(std::string(name) + "." + std::to_string(i), list[i]);
  }
  template <typename M>
  void operator()(std::string_view name, std::unique_ptr<M>& part) {
    if (part) (*this)(name, *part);
  }

 private:
  std::string join(std::string_view name) const { return prefix_.empty() ? std::string(name) : prefix_ + "." + std::string(name); }
  std::string prefix_;
};

// Calls bound() on every module of the tree.
void tell_bound(Module& root);

// Calls f(name, param) for every tensor.
template <typename F>
void for_each_param(Module& module, F&& f) {
  struct Walk : Visitor {
    explicit Walk(F& call) : call_(call) {}
    void param(const std::string& name, Param& p) override { call_(name, p); }
    F& call_;
  };
  Walk walk(f);
  module.parts(walk);
}

}  // namespace tashika
