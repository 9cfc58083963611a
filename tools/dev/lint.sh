#!/usr/bin/env bash
# lint [FILE...]: clang-tidy on the files named, or on those changed against `main`
#
# The checks are those of .clang-tidy; the compile commands those of the dev preset.
set -euo pipefail
command -v clang-tidy >/dev/null || { echo "lint: clang-tidy is missing: ./dev setup all" >&2; exit 1; }
[ -f build/dev/compile_commands.json ] || cmake --preset dev >/dev/null
files=("$@")
if [ ${#files[@]} -eq 0 ]; then
  base=$(git merge-base HEAD main 2>/dev/null || git rev-parse HEAD)
  mapfile -t files < <({ git diff --name-only --diff-filter=d "$base" -- 'src/*.cpp'
                         git ls-files --others --exclude-standard -- 'src/*.cpp'; } | sort -u)
fi
[ ${#files[@]} -gt 0 ] || { echo "lint: no changed source file."; exit 0; }
printf '%s\n' "${files[@]}" | xargs -P "${JOBS:-$(nproc)}" -n 1 clang-tidy -p build/dev --quiet
