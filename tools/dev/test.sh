#!/usr/bin/env bash
# test [-p PRESET] [TIER|FILTER]: build and run the tests: all of them, a tier, or those that match
#
# TIER    all      every test of the preset (the default)
#         house    the checks of the layout: layers, registries, sizes, symbols
#         parsers  the tests of what reads outside data, under ASan and UBSan
#         asan     the tests of what reads outside data or keeps state, under ASan and UBSan
#         tsan     the tests that use several threads, under TSan
#         qemu     the release tests on an emulated Nehalem and an emulated Haswell (needs ./dev setup all)
#         fuzz     each fuzz target for 20 s from its corpus (needs clang)
#         mutants  each committed wrong program must be caught by a test
# FILTER  part of a test program's name (`text`), or a GoogleTest filter with a dot or a star (`Json*.*`)
# PRESET  release unless given
set -euo pipefail
preset=release
if [ "${1-}" = -p ]; then
  preset=${2:?test: -p needs a preset}
  shift 2
fi
jobs=${JOBS:-$(nproc)}
report=(--output-on-failure --no-tests=error --timeout 900)

# Test programs whose subject is outside data, text, state and decoding; and those with threads.
reading='^(base|io|text|checkpoint|nn|models|decode|api|fuzz_replay)$'
threaded='^(base|tensor|cpu|nn|decode)$'
# A family's forward is the same program for every property: under TSan the two that use threads or several sequences.
threaded_families='*ThreadsDoNotMatter*cpu_*:*BatchIsOne*cpu_*'

sanitised() {  # PRESET REGEX
  local targets
  bash tools/dev/build.sh "$1" help >/dev/null
  targets=$(cd "build/$1" && ctest -N -R "$2" | sed -n 's/^ *Test *#[0-9]*: /test_/p')
  bash tools/dev/build.sh "$1" $targets
  ctest --test-dir "build/$1" "${report[@]}" -j "$jobs" -R "$2"
}

case ${1:-all} in
  all)
    bash tools/dev/build.sh "$preset"
    exec ctest --test-dir "build/$preset" "${report[@]}" -j "$jobs"
    ;;
  house)
    bash tools/dev/build.sh "$preset"
    exec ctest --test-dir "build/$preset" "${report[@]}" -j "$jobs" -L house
    ;;
  parsers) sanitised asan '^(base|io|text|fuzz_replay)$' ;;
  asan) sanitised asan "$reading" ;;
  tsan)
    sanitised tsan "$threaded"
    GTEST_FILTER=$threaded_families sanitised tsan '^models$'
    ;;
  qemu) exec bash tools/qemu_tests.sh ;;
  fuzz) exec tools/fuzz.sh -t 20 -j "$jobs" ;;
  mutants) exec python3 tools/mutants.py "${@:2}" ;;
  *.* | *\**)
    bash tools/dev/build.sh "$preset"
    found=0
    for program in "build/$preset"/tests/test_*; do
      [ -x "$program" ] && [ -f "$program" ] || continue
      if "$program" --gtest_list_tests --gtest_filter="$1" | grep -q '^  '; then
        found=1
        "$program" --gtest_brief=1 --gtest_filter="$1"
      fi
    done
    [ $found = 1 ] || { echo "test: no test matches '$1'." >&2; exit 1; }
    ;;
  *)
    bash tools/dev/build.sh "$preset"
    exec ctest --test-dir "build/$preset" "${report[@]}" -j "$jobs" -R "$1"
    ;;
esac
