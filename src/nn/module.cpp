#include "nn/module.h"

#include <utility>

namespace tashika {

void Visitor::operator()(std::string_view name, Module& module) {
  std::string outer = std::exchange(prefix_, join(name));
  enter(prefix_, module);
  module.parts(*this);
  prefix_ = std::move(outer);
}

}  // namespace tashika
