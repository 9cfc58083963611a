#include "base/error.h"
#include "cli/help.h"
#include "registry/registry.h"
#include "version.h"

namespace tashika::cli {

Version version() { return {TASHIKA_VERSION, TASHIKA_COMMIT, TASHIKA_COMPILER}; }

std::string version_text() {
  const Version v = version();
  std::string sets;
  for (const std::string_view isa : instruction_sets()) sets += cat(sets.empty() ? "" : " ", isa);
  return cat("tashika ", v.number, "\ncommit ", v.commit, "\ncompiler ", v.compiler, "\ninstruction sets ", sets, " (using ",
             active_instruction_set(), ")\n");
}

}  // namespace tashika::cli
