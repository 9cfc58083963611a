#!/usr/bin/env bash
# fmt [--check]: lay out the C++ sources by .clang-format
#
# With --check nothing is changed and a file that would be exits 1. Files changed against `main` only, unless
# FMT_ALL=1: a line that nobody touches stays as it is.
set -euo pipefail
command -v clang-format >/dev/null || { echo "fmt: clang-format is missing: ./dev setup all" >&2; exit 1; }
if [ -n "${FMT_ALL-}" ]; then
  mapfile -t files < <(git ls-files 'src/*.h' 'src/*.cpp' 'include/*.h' 'tests/*.h' 'tests/*.cpp' 'tools/*.cpp' 'examples/*.cpp')
else
  base=$(git merge-base HEAD main 2>/dev/null || git rev-parse HEAD)
  mapfile -t files < <({ git diff --name-only --diff-filter=d "$base" -- '*.h' '*.cpp'
                         git ls-files --others --exclude-standard -- '*.h' '*.cpp'; } | sort -u)
fi
[ ${#files[@]} -gt 0 ] || { echo "fmt: no changed C++ file."; exit 0; }
if [ "${1-}" = --check ]; then
  exec clang-format --dry-run --Werror "${files[@]}"
fi
exec clang-format -i "${files[@]}"
