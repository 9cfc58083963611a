#!/usr/bin/env bash
# check.sh SOURCE BUILD CXX
#
# Installs the build into an empty folder as a packager would, builds examples/ against what was installed, and runs the
# examples there on the built-in model. Checks the shared library's symbols and the program's own view of its place.
set -euo pipefail
source=$1 build=$2 cxx=$3
work=$build/install-test
rm -rf "$work"
fail() { echo "install: $*"; exit 1; }

cmake --install "$build" --prefix "$work/prefix" >"$build/install-test.log"
prefix=$work/prefix
lib=$(dirname "$(find "$prefix" -name 'libtashika.so' | head -1)")

objdump -p "$lib/libtashika.so" | grep 'SONAME *libtashika\.so\.0' >/dev/null || fail "the shared library has no SONAME libtashika.so.0"
# Only the API is visible.
strangers=$(nm -D --defined-only "$lib/libtashika.so" | awk '{print $3}' | c++filt | grep -vE 'tashika::v0::' || true)
[ -z "$strangers" ] || fail "the shared library shows symbols that are not the API's: $(echo "$strangers" | head -5)"
[ "$(nm -D --defined-only "$lib/libtashika.so" | wc -l)" -ge 20 ] || fail "the shared library shows too few symbols"

"$prefix/bin/tashika" --version | grep '^tashika 0' >/dev/null || fail "the installed program does not run"

# Reproducible: nothing of the building machine's folders is inside.
for file in "$prefix/bin/tashika" "$lib/libtashika.so"; do
  grep -aF -q "$source/" "$file" && fail "$file holds the path $source"
done

for file in share/man/man1/tashika.1 share/man/man1/tashika-run.1 share/bash-completion/completions/tashika \
            share/zsh/site-functions/_tashika share/fish/vendor_completions.d/tashika.fish; do
  [ -s "$prefix/$file" ] || fail "$file was not installed, or is empty"
done
bash -n "$prefix/share/bash-completion/completions/tashika" || fail "the bash completion is no bash"
grep -q '^\.TH' "$prefix/share/man/man1/tashika.1" || fail "the manual page is no manual page"

cmake -G Ninja -S "$source/examples" -B "$work/examples" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$cxx" >>"$build/install-test.log"
cmake --build "$work/examples" -j 2 >>"$build/install-test.log" || { tail -30 "$build/install-test.log"; fail "the examples do not build"; }

model=$(find "$prefix/share/tashika" -name '*.gguf' | head -1)
[ -n "$model" ] || fail "no built-in model was installed"
one=$("$work/examples/generate" "$model" "Once upon a time" 2>/dev/null)
[ -n "$one" ] || fail "the example 'generate' printed nothing"
[ "$one" = "$("$work/examples/generate_static" "$model" "Once upon a time" 2>/dev/null)" ] || fail "shared and static library differ"
printf 'Hello.\nAnd now?\n' | "$work/examples/chat" "$model" | grep . >/dev/null || fail "the example 'chat' printed nothing"
"$work/examples/similarity" "$model" "a cat" "a cat" | grep 'cosine 1.0000' >/dev/null || fail "a text is not similar to itself"
"$work/examples/generate" "$work/none.gguf" x >/dev/null 2>"$work/error" && fail "a missing model is no error"
grep -q '^error: .*none\.gguf' "$work/error" || fail "a missing model's message does not name it: $(cat "$work/error")"

if command -v pkg-config >/dev/null; then
  version=$(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --modversion tashika)
  [ "$version" = 0.1.0 ] || fail "pkg-config says version '$version'"
fi
echo "install: the program, both libraries, headers, the CMake package and pkg-config work."
rm -rf "$work"
