#!/usr/bin/env bash
# qemu_tests.sh [CPU…]
#
# Runs the release build's test programs as older processors would: Nehalem (no AVX) and Haswell (AVX2 without AVX-512).
# Emulation is many times slower than the machine, so programs whose instructions do not depend on the processor are left
# out by name here, and single tests by the GoogleTest filters of tests/PROGRAM/qemu_skip.txt, each with its reason.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v qemu-x86_64 >/dev/null || { echo "qemu: qemu-x86_64 is missing: ./dev setup all" >&2; exit 1; }
cpus=("$@")
[ ${#cpus[@]} -gt 0 ] || cpus=(Nehalem Haswell)
build=build/release

# Left out, and why:
#   fuzz_replay  parsers only; io and text run the same code here
#   cli          starts the program itself, which a test under emulation would run outside it
#   large        a model of 100 million parameters takes minutes when emulated
skip=" fuzz_replay cli large "

run_one() {  # CPU PROGRAM
  local cpu=$1 program=$2 name=${2##*/test_} started=$SECONDS filter=
  local log=$3/qemu-$cpu-$name.log
  [ -f "tests/$name/qemu_skip.txt" ] && filter=$(grep -vE '^(#|$)' "tests/$name/qemu_skip.txt" | tr '\n' ':')
  if qemu-x86_64 -cpu "$cpu" "$program" --gtest_brief=1 ${filter:+--gtest_filter="-$filter"} >"$log" 2>&1 </dev/null; then
    echo "qemu $cpu $name: passed, $(sed -n 's/^\[=*\] \([0-9]* tests\).*/\1/p' "$log" | tail -1), $((SECONDS - started)) s${filter:+, without $filter}"
  else
    echo "qemu $cpu $name: FAILED after $((SECONDS - started)) s"
    grep -vE 'TCG doesn.t support' "$log" | tail -40
    return 1
  fi
}
export -f run_one

list=()
for cpu in "${cpus[@]}"; do
  for program in "$build"/tests/test_*; do
    [ -f "$program" ] && [ -x "$program" ] || continue
    case $skip in *" ${program##*/test_} "*) continue ;; esac
    list+=("$cpu" "$program" "$build")
  done
done
[ ${#list[@]} -gt 0 ] || { echo "qemu: no test program in $build: ./dev build first" >&2; exit 1; }
# xargs exits 123 when one of them failed.
if printf '%s\n' "${list[@]}" | xargs -P "${JOBS:-$(nproc)}" -n 3 bash -c 'run_one "$@"' run_one; then
  echo "qemu: $((${#list[@]} / 3)) passed, 0 failed"
else
  echo "qemu: some programs failed, see above"
  exit 1
fi
