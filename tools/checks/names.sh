#!/usr/bin/env bash
# names.sh [ROOT]
#
# * A family's name stands in no source but its own file of models/ (text/ may name file formats' tokenizer kinds, and
#   one family's file may quote another's class name).
# * Each file of a registry folder defines the constant named after it.
# * No path of somebody's machine and no left-over marker stands in the tree.
set -euo pipefail
root=${1:-$(dirname "$0")/../..}
cd "$root"
bad=0
complain() { echo "$*"; bad=1; }

# Files of models/ that are no families: those that the registry excludes.
helpers=$(sed -n '/LIST model_files/,/)/s/.*EXCLUDE \([^)]*\)).*/\1/p' src/CMakeLists.txt)
families=()
for file in src/models/*.cpp; do
  stem=$(basename "$file" .cpp)
  case " $helpers " in *" $stem.cpp "*) continue ;; esac
  families+=("$stem")
  grep -q "^const ModelFile $stem{" "$file" || complain "$file: defines no 'const ModelFile $stem{…}'"
done
[ ${#families[@]} -ge 4 ] || complain "names: found only ${#families[@]} families in src/models"

# Code without its comments and string literals, for models/, where a quoted class name of another family is allowed.
code_of() { sed -e 's/"\([^"\\]\|\\.\)*"//g' -e 's://.*$::' "$1"; }

for family in "${families[@]}"; do
  # "llama.cpp" is a program's name.
  while IFS= read -r hit; do
    complain "$hit: the family '$family' is named outside src/models/$family.cpp"
  done < <(grep -rnoiE "\b$family(\.cpp)?\b" src include --include='*.h' --include='*.cpp' 2>/dev/null |
           grep -viE ':llama\.cpp$' | grep -vE '^src/(models|text)/' || true)
  for file in src/models/*; do
    [ "$(basename "${file%.*}")" = "$family" ] && continue
    if code_of "$file" | grep -qiE "\b$family\b"; then complain "$file: names the family '$family' in its code"; fi
  done
done

for file in src/quant/*.h; do
  stem=$(basename "$file" .h)
  [ "$stem" = formats ] && continue
  grep -qE "DTypeInfo $stem\b" "$file" || complain "$file: defines no record '$stem'"
done
for file in src/backend/ref/*.cpp src/backend/cpu/kernels/*.cpp; do
  stem=$(basename "$file" .cpp)
  [ "$stem" = ref_backend ] && continue
  grep -qE "^const KernelFile $stem\b" "$file" || complain "$file: defines no 'const KernelFile $stem{…}'"
done
if [ -d src/cli/verbs ]; then
  for file in src/cli/verbs/*.cpp; do
    stem=$(basename "$file" .cpp)
    grep -q "^const Verb verb_$stem{" "$file" || complain "$file: defines no 'const Verb verb_$stem{…}'"
  done
fi

mapfile -t tracked < <(git ls-files 2>/dev/null | grep -vE '^tests/data/|^tests/fuzz/corpus/|^assets/|^LICENSE$|^tools/checks/')
if [ ${#tracked[@]} -gt 0 ]; then
  while IFS= read -r hit; do complain "$hit"; done < <(
    grep -nIE '/(home|work|root|Users)/[a-z]|\b(TODO|FIXME|XXX)\b' "${tracked[@]}" 2>/dev/null || true)
fi
[ $bad = 0 ] && echo "names: ${#families[@]} families, each named in its own file only."
exit $bad
