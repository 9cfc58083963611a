#!/usr/bin/env bash
# sizes.sh [ROOT]: no source file is longer than 800 lines; nothing committed is larger than 4 MiB.
set -euo pipefail
root=${1:-$(dirname "$0")/../..}
cd "$root"
bad=0
files=0
while IFS= read -r file; do
  files=$((files + 1))
  lines=$(wc -l <"$file")
  if [ "$lines" -gt 800 ]; then
    echo "$file: $lines lines; 800 is the limit. Which two things does it do?"
    bad=1
  fi
done < <(find src include tests tools examples -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.py' -o -name '*.sh' -o -name '*.cmake' \) 2>/dev/null)
[ $files -gt 50 ] || { echo "sizes: found only $files files: the check itself is broken"; bad=1; }
while IFS= read -r file; do
  [ -f "$file" ] && [ "$(wc -c <"$file")" -gt 4194304 ] && { echo "$file: larger than 4 MiB"; bad=1; }
done < <(git ls-files 2>/dev/null || true)
[ $bad = 0 ] && echo "sizes: $files files, none above 800 lines."
exit $bad
