#!/usr/bin/env bash
# qemu_tests.sh [CPU…]
#
# Runs the release build's test programs as older processors would: Nehalem (no AVX) and Haswell (AVX2 without AVX-512).
# Emulation is about ten times slower than the machine, so what does not compute is left out by name here.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v qemu-x86_64 >/dev/null || { echo "qemu: qemu-x86_64 is missing: ./dev setup all" >&2; exit 1; }
cpus=("$@")
[ ${#cpus[@]} -gt 0 ] || cpus=(Nehalem Haswell)
build=build/release

# Left out, and why:
#   fuzz_replay  the same parsers run in io and text; their instructions are plain x86-64
skip=" fuzz_replay "

passed=0
failed=0
for cpu in "${cpus[@]}"; do
  for program in "$build"/tests/test_*; do
    [ -f "$program" ] && [ -x "$program" ] || continue
    name=${program##*/test_}
    case $skip in *" $name "*) continue ;; esac
    started=$SECONDS
    log=$build/qemu-$cpu-$name.log
    # A program may name tests that emulation cannot run: tests/NAME/qemu_skip.txt holds a GoogleTest filter with a reason.
    filter=
    [ -f "tests/$name/qemu_skip.txt" ] && filter=$(grep -v '^#' "tests/$name/qemu_skip.txt" | tr '\n' ':')
    if qemu-x86_64 -cpu "$cpu" "$program" --gtest_brief=1 ${filter:+--gtest_filter="-$filter"} >"$log" 2>&1; then
      passed=$((passed + 1))
      echo "qemu $cpu $name: passed, $((SECONDS - started)) s${filter:+, without $filter}"
    else
      failed=$((failed + 1))
      echo "qemu $cpu $name: FAILED"
      grep -vE 'TCG doesn.t support' "$log" | tail -40
    fi
  done
done
echo "qemu: $passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
