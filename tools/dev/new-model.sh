#!/usr/bin/env bash
# new-model NAME: start a model family: src/models/NAME.cpp
#
# The file builds and passes the family properties as it is, as a plain decoder. docs/howto-add-model.md says what next.
set -euo pipefail
. tools/scaffold/fill.sh
checked_name model "${1-}"
fill model.cpp.in "src/models/$name.cpp"
echo "next: make it $class, add its golden case in tools/fixtures/golden.py, then ./dev test -p dev models"
