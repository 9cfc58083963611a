#!/bin/bash
# Fuzzes every target (or those named) from its committed corpus, or measures what the corpora cover.
#
#   tools/fuzz.sh [-t SECONDS] [-j N] [NAME…]    run each target SECONDS (default 60), N at a time (default 1); new
#                                                inputs go to build/fuzz/corpus
#   tools/fuzz.sh -m [NAME…]              merge: what the runs found is minimised into tests/fuzz/corpus
#   tools/fuzz.sh -c [NAME…]              line coverage of each target's corpora (committed and found), by source file
#
# A crash leaves its input in build/fuzz/crashes and makes this exit 1.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=60
mode=run
at_once=1
while getopts "t:j:mch" option; do
  case $option in
    t) seconds=$OPTARG ;;
    j) at_once=$OPTARG ;;
    m) mode=merge ;;
    c) mode=coverage ;;
    *) sed -n '2,10p' "$0"; exit 2 ;;
  esac
done
shift $((OPTIND - 1))

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for source in tests/fuzz/*_fuzz.cpp; do
    name=$(basename "$source" _fuzz.cpp)
    names+=("$name")
  done
fi

preset=fuzz
[ "$mode" = coverage ] && preset=coverage
[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >/dev/null
cmake --build "build/$preset" -j"$(nproc)" --target "${names[@]/#/fuzz_}" >"build/$preset/fuzz-build.log" 2>&1 || {
  cat "build/$preset/fuzz-build.log"
  exit 1
}

# No allocation above 64 MiB for an input of 64 KiB, no input that takes long, inputs of a useful size.
limits=(-rss_limit_mb=1024 -malloc_limit_mb=64 -timeout=10 -max_len=65536)
failed=0
running=0

fuzz_one() {
  local log=build/fuzz/$name.log
  if "$program" "${limits[@]}" "${dictionary[@]}" -max_total_time="$seconds" -print_final_stats=1 \
      -artifact_prefix="build/fuzz/crashes/$name-" "$found" "$committed" >"$log" 2>&1; then
    echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, $(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")/s, no finding"
  else
    echo "$name: FAILED, see $log"
    grep -m 5 -E 'ERROR|SUMMARY|Test unit written' "$log" || tail -5 "$log"
    return 1
  fi
}

for name in "${names[@]}"; do
  committed=tests/fuzz/corpus/$name
  found=build/fuzz/corpus/$name
  program=build/$preset/tests/fuzz_$name
  mkdir -p "$found" build/fuzz/crashes "$committed"
  dictionary=()
  [ -f "tests/fuzz/$name.dict" ] && dictionary=("-dict=tests/fuzz/$name.dict")
  case $mode in
    run)
      fuzz_one &
      running=$((running + 1))
      if [ $running -ge "$at_once" ]; then
        wait -n || failed=1
        running=$((running - 1))
      fi
      ;;
    merge)
      merged=$(mktemp -d)
      "$program" "${limits[@]}" -use_counters=0 -set_cover_merge=1 "$merged" "$committed" "$found" >"build/fuzz/$name.merge.log" 2>&1
      find "$committed" -type f -name '[0-9a-f]*' -regex '.*/[0-9a-f]\{40\}' -delete
      # Small inputs only: the corpora are committed.
      find "$merged" -type f -size -9k -exec cp -n {} "$committed/" \;
      rm -rf "$merged"
      echo "$name: $(find "$committed" -type f | wc -l) files, $(du -sk "$committed" | cut -f1) KiB"
      ;;
    coverage)
      profile=build/coverage/$name
      LLVM_PROFILE_FILE=$profile.profraw "$program" "${limits[@]}" -runs=0 "$committed" "$found" >/dev/null 2>&1
      llvm-profdata merge -sparse "$profile.profraw" -o "$profile.profdata"
      echo "== $name"
      # Files that the target reaches at all, worst lines last: name, lines, missed, covered.
      llvm-cov report "$program" -instr-profile="$profile.profdata" -ignore-filename-regex='/usr/|tests/fuzz' |
        awk '/\.(cpp|h) / && $10 != "0.00%" {printf "  %-44s %6d lines  %7s\n", $1, $8, $10}'
      ;;
  esac
done
while [ $running -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
exit $failed
