#!/usr/bin/env bash
# One name, one type: a class or struct of a given name is defined once in each named namespace. Two of one name are one to
# the linker, which then mixes their destructors and type information without a word.
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files 'src/*.h' 'src/*.cpp' ':!src/backend/cpu/isa/vec_*' | xargs awk '
  FNR == 1 { depth = 0; space = "" }
  /^namespace [a-z_:A-Z0-9]+ \{/ { depth++; path[depth] = $2 }
  /^namespace \{/ { depth++; path[depth] = "" }
  /^\}  \/\/ namespace/ { if (depth > 0) depth-- }
  /^(class|struct) [A-Za-z0-9_]+( final)? *(:|\{)/ {
    space = ""
    for (i = 1; i <= depth; i++) { if (path[i] == "") next; space = space path[i] "::" }
    name = space $2
    sub(/[:{].*/, "", $2)
    if (name in seen && seen[name] != FILENAME) { print name ": " seen[name] " and " FILENAME; bad++ }
    seen[name] = FILENAME
    count++
  }
  END {
    if (count < 100) { print "types: found only " count + 0 " definitions, the scan is broken"; exit 1 }
    if (bad) exit 1
    print "types: " count " definitions, each name once in its namespace."
  }'
