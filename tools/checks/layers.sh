#!/usr/bin/env bash
# layers.sh [ROOT]
#
# Each folder includes only what the table of docs/architecture.md allows, and no header of a library or of the
# operating system outside the folder that docs/dependencies.md gives it. Prints each breach and exits 1.
set -euo pipefail
root=${1:-$(dirname "$0")/../..}
cd "$root"

# Every include of the sources: FILE LINE KIND TARGET, with KIND q for "…" and a for <…>.
includes() {
  find src $([ -d include ] && echo include) -type f \( -name '*.h' -o -name '*.cpp' \) -print | sort | while read -r file; do
    awk -v file="$file" '
      /^[ \t]*#[ \t]*include[ \t]*"/ {split($0, part, "\""); print file, NR, "q", part[2]}
      /^[ \t]*#[ \t]*include[ \t]*</ {sub(/^[^<]*</, ""); sub(/>.*/, ""); print file, NR, "a", $0}' "$file"
  done
}

includes | awk '
  function strip(s) {gsub(/[` ]/, " ", s); gsub(/,/, " ", s); gsub(/^ +| +$/, "", s); return s}
  function folder_of(path,   part, n) {
    if (path ~ /^backend\/(ref|cpu)\//) {split(path, part, "/"); return part[1] "/" part[2]}
    n = split(path, part, "/")
    return n > 1 ? part[1] : ""
  }
  # The folder table: | `folder/` | what | may include |
  FILENAME == "docs/architecture.md" {
    if ($0 ~ /^\| `[a-z\/]+\/` \|/) {
      n = split($0, column, "|")
      name = strip(column[2]); sub(/\/$/, "", name)
      rows[name] = 1
      allowed[name, name] = 1
      m = split(strip(column[n - 1]), word, " ")
      for (i = 1; i <= m; ++i) {sub(/\/$/, "", word[i]); allowed[name, word[i]] = 1}
    }
    next
  }
  # The header table: | `<header>` … | folder … |
  FILENAME == "docs/dependencies.md" {
    if ($0 ~ /^\| `</) {
      n = split($0, column, "|")
      headers = column[2]; gsub(/[`<>,]/, " ", headers)
      m = split(headers, list, " ")
      k = split(strip(column[3]), where, " ")
      for (i = 1; i <= m; ++i) {
        if (list[i] ~ /\*$/) {sub(/\*$/, "", list[i]); prefixes[list[i]] = 1}
        known[list[i]] = 1
        for (j = 1; j <= k; ++j) {sub(/\/$/, "", where[j]); may[list[i], where[j]] = 1}
      }
    }
    next
  }
  {
    ++seen
    file = $1; target = $4
    if (file ~ /^include\//) {from = "include"} else {path = file; sub(/^src\//, "", path); from = folder_of(path)}
    if (!(from in rows)) {
      if (!(from in told)) {print file ": the folder " from "/ has no row in docs/architecture.md"; told[from] = 1; bad = 1}
      next
    }
    if ($3 == "q") {
      to = target ~ /^tashika\// ? "include" : folder_of(target)
      if (to == "") to = from  # a file beside it, or a generated one
      if ((from, to) in allowed || (from, target) in allowed || (from, "everything") in allowed) next
      print file ":" $2 ": " from "/ may not include \"" target "\""
      bad = 1
      next
    }
    if (target !~ /[.\/]/) next  # the standard library
    header = target
    if (!(header in known)) {
      header = ""
      for (prefix in prefixes) if (index(target, prefix) == 1) header = prefix
    }
    if (header == "") {print file ":" $2 ": <" target "> is not in the header table of docs/dependencies.md"; bad = 1; next}
    if (!((header, from) in may) && !((header, "everywhere") in may)) {print file ":" $2 ": <" target "> may not be included in " from "/"; bad = 1}
  }
  END {
    if (seen < 100) {print "layers: found only " seen + 0 " includes: the check itself is broken"; bad = 1}
    n = 0; for (row in rows) ++n
    if (n < 10) {print "layers: found only " n " rows in docs/architecture.md"; bad = 1}
    exit bad
  }' docs/architecture.md docs/dependencies.md -
echo "layers: every include is allowed."
