#!/usr/bin/env bash
# new-op NAME: start an op: contract, ops/ pair, reference kernel and test
#
# What it writes builds, passes and computes scale * x. docs/howto-add-op.md says what next.
set -euo pipefail
. tools/scaffold/fill.sh
checked_name op "${1-}"
fill contract.h.in "src/backend/contract/$name.h"
fill op.h.in "src/ops/$name.h"
fill op.cpp.in "src/ops/$name.cpp"
fill ref.cpp.in "src/backend/ref/$name.cpp"
fill op_test.cpp.in "tests/ops/${name}_test.cpp"
echo "next: say in the contract what it computes, then ./dev test -p dev ops"
