// Command lines to option fields.
#pragma once

#include <span>
#include <string>

#include "base/options.h"

namespace tashika::cli {

// Sets every option that the environment names (TASHIKA_…), then those of the arguments, which win.
// "--flag value", "--flag=value" and "--no-flag" are understood; "--" ends the options; a word that
// begins with '-' but holds white space or is a number is no option. Throws Error(usage) with a
// suggestion for an unknown one. Returns true when help is asked for (-h, --help).
bool parse_arguments(std::span<const std::string> arguments, Options& options);

}  // namespace tashika::cli
