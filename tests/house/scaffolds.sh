#!/usr/bin/env bash
# scaffolds.sh SOURCE BUILD CXX
#
# What ./dev new-model, new-op and new-command write compiles, defines the constant that its registry will list, and
# passes the layout checks; done in a copy of the sources.
set -euo pipefail
source=$1 build=$2 cxx=$3
copy=$build/scaffold-test
rm -rf "$copy"
mkdir -p "$copy"
fail() { echo "scaffolds: $*"; exit 1; }
cd "$source"
cp -r dev src include tools docs "$copy"
mkdir "$copy/tests"
cp -r tests/support "$copy/tests/"
cd "$copy"

./dev new-model zebra_two >/dev/null
./dev new-op stripe_sum >/dev/null
./dev new-command count_stripes >/dev/null
./dev new-model zebra_two >/dev/null 2>&1 && fail "an existing file was overwritten"
./dev new-model Zebra >/dev/null 2>&1 && fail "a bad name was taken"

compile() {  # SOURCE SYMBOL
  "$cxx" -std=c++20 -O0 -Wall -Wextra -Werror -Wno-missing-field-initializers -Isrc -Iinclude -Itests -I"$build/generated" -c "$1" -o out.o ||
    fail "$1 does not compile"
  nm -C --defined-only out.o | grep " $2" >/dev/null || fail "$1 does not define $2"
}
compile src/models/zebra_two.cpp "tashika::zebra_two$"
compile src/ops/stripe_sum.cpp "tashika::ops::stripe_sum("
compile src/backend/ref/stripe_sum.cpp "tashika::ref::stripe_sum$"
compile tests/ops/stripe_sum_test.cpp "main\|StripeSum"
compile src/cli/verbs/count_stripes.cpp "tashika::cli::verb_count_stripes$"

for check in layers names ops; do
  bash tools/checks/$check.sh "$copy" >check.log || { cat check.log; fail "the check '$check' refuses what was written"; }
done
echo "scaffolds: a model, an op and a command were written and compile."
rm -rf "$copy"
