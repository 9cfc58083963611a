#include "nn/module.h"

#include <utility>

namespace tashika {

void Visitor::operator()(std::string_view name, Module& module) {
  std::string outer = std::exchange(prefix_, join(name));
  enter(prefix_, module);
  module.parts(*this);
  prefix_ = std::move(outer);
}

void tell_bound(Module& root) {
  struct Collect : Visitor {
    std::vector<Module*> modules;
    void param(const std::string&, Param&) override {}
    void enter(const std::string&, Module& module) override { modules.push_back(&module); }
  };
  Collect all;
  root.parts(all);
  for (auto it = all.modules.rbegin(); it != all.modules.rend(); ++it) (*it)->bound();
  root.bound();
}

}  // namespace tashika
