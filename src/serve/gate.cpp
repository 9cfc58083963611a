#include "serve/gate.h"

#include <algorithm>

#include "base/digest.h"

namespace tashika::serve {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// "name:80" and "[::1]:80" to "name" and "::1".
std::string host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    return end == std::string_view::npos ? std::string() : lower(authority.substr(1, end - 1));
  }
  return lower(authority.substr(0, authority.find(':')));
}

// Takes the same time whatever the digests are.
bool same_digest(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

// The number of the key from 1; 0: none that is known. Whoever gives two must give the same one twice.
std::size_t key_of(const GateRules& rules, const HttpHead& head) {
  if (head.count("authorization") > 1 || head.count("x-api-key") > 1) return 0;
  const auto number = [&](std::string_view key) {
    const std::string digest = sha256(std::as_bytes(std::span(key.data(), key.size())));
    std::size_t found = 0;
    for (std::size_t i = 0; i < rules.key_digests.size(); ++i) {
      if (same_digest(rules.key_digests[i], digest)) found = i + 1;
    }
    return found;
  };
  const std::string_view bearer = head.header("authorization"), plain = head.header("x-api-key");
  constexpr std::string_view scheme = "Bearer ";
  if (bearer.empty()) return plain.empty() ? 0 : number(plain);
  if (!bearer.starts_with(scheme)) return 0;
  const std::size_t first = number(bearer.substr(scheme.size()));
  return plain.empty() || number(plain) == first ? first : 0;
}

Verdict refuse(const HttpHead& head, int status, std::string message, Headers headers = {}) {
  ApiError error(status, std::move(message));
  error.headers = std::move(headers);
  return {error_reply(error_style(head.path), error), 0};
}

}  // namespace

const Route* find_route(std::string_view method, std::string_view path, std::string* tail, std::string* methods) {
  const Route* found = nullptr;
  for (const Surface* surface : surfaces()) {
    for (const Route& route : surface->routes) {
      const bool open_end = route.path.ends_with('*');
      const std::string_view fixed = open_end ? route.path.substr(0, route.path.size() - 1) : route.path;
      if (open_end ? !path.starts_with(fixed) || path.size() == fixed.size() : path != fixed) continue;
      if (route.method == method) {
        if (found == nullptr || found->path.size() < route.path.size()) {
          found = &route;
          if (tail) *tail = open_end ? std::string(path.substr(fixed.size())) : std::string();
        }
      } else if (methods && methods->find(route.method) == std::string::npos) {
        *methods += cat(methods->empty() ? "" : ", ", route.method);
      }
    }
  }
  return found;
}

Verdict judge(const GateRules& rules, const HttpHead& head) {
  const std::string_view authority = head.header("host");
  if (!rules.hosts.empty() && std::ranges::find(rules.hosts, host_of(authority)) == rules.hosts.end()) {
    return refuse(head, 421, "this server does not answer to that Host; --allow-host names further ones");
  }
  if (head.count("origin") > 0) {
    // Pages of this server itself only.
    const std::string origin = lower(head.header("origin"));
    if (origin != cat("http://", lower(authority)) && origin != cat("https://", lower(authority))) {
      return refuse(head, 403, "requests from pages of other sites are not answered");
    }
  }
  std::string methods;
  const Route* route = find_route(head.method, head.path, nullptr, &methods);
  std::size_t holder = 0;
  if (!rules.key_digests.empty()) {
    holder = key_of(rules, head);
    if (holder == 0 && (route == nullptr || route->access == Access::keyed)) {
      return refuse(head, 401, "a valid API key is needed: Authorization: Bearer KEY, or x-api-key: KEY", {{"WWW-Authenticate", "Bearer"}});
    }
  }
  if (route == nullptr) {
    if (!methods.empty()) return refuse(head, 405, cat(printable(head.method), " is not for ", printable(head.path), "; it takes ", methods), {{"Allow", methods}});
    return refuse(head, 404, cat("there is nothing at ", printable(head.path)));
  }
  return {std::nullopt, holder};
}

}  // namespace tashika::serve
