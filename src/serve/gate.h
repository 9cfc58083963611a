// Who may ask: the Host and Origin of a request, its key, and whether there is such a route. Decided on the head alone.
#pragma once

#include <string>
#include <vector>

#include "serve/service.h"

namespace tashika::serve {

struct GateRules {
  std::vector<std::string> hosts;  // lower case, without port; empty: any
  std::vector<std::string> key_digests;
};

// The route of a method and a path. `methods` gets the path's other methods.
const Route* find_route(std::string_view method, std::string_view path, std::string* tail, std::string* methods);

Verdict judge(const GateRules& rules, const HttpHead& head);

}  // namespace tashika::serve
