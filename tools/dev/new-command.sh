#!/usr/bin/env bash
# new-command NAME: start a verb of the program: src/cli/verbs/NAME.cpp
#
# What it writes builds, runs and is listed by --help. docs/howto-add-command.md says what next.
set -euo pipefail
. tools/scaffold/fill.sh
checked_name command "${1-}"
fill verb.cpp.in "src/cli/verbs/$name.cpp"
echo "next: ./dev build dev tashika && build/dev/tashika $verb --help"
