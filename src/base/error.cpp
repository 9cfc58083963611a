#include "base/error.h"

#include <utility>

namespace tashika {

Error::Error(std::string message, ErrorKind kind) : message_(std::move(message)), kind_(kind) {}

void fail_with(ErrorKind kind, std::string message) { throw Error(std::move(message), kind); }

void check(bool ok, const char* what) {
  if (!ok) fail_with(ErrorKind::internal, cat("internal error: ", what));
}

}  // namespace tashika
