#!/bin/bash
# isa_symbols.sh SET OBJECT...
#
# Every symbol that the objects of one instruction set define for others must lie in the namespace
# tashika::cpu::SET. A weak one outside it (an inline function or template of a shared header) is
# merged by the linker with the copies of other objects, and the copy that stays may use
# instructions that the machine lacks.
set -eu
isa=$1
shift
[ $# -gt 0 ] || { echo "isa_symbols: no objects given" >&2; exit 1; }
seen=0
bad=0
for object in "$@"; do
  while read -r kind symbol; do
    seen=$((seen + 1))
    case $symbol in
      _ZN*7tashika3cpu${#isa}${isa}*|_ZZN*7tashika3cpu${#isa}${isa}*|_ZGVZN*7tashika3cpu${#isa}${isa}*|_ZTVN*7tashika3cpu${#isa}${isa}*) ;;
      asan.*|__asan*|__odr_asan*|DW.ref.*|__odr_asan_gen_*) ;;  # of the sanitizers
      *) echo "${object##*/}: $kind $(c++filt "$symbol") is outside tashika::cpu::$isa" >&2; bad=1 ;;
    esac
  done < <(nm --defined-only --extern-only "$object" | awk 'NF == 3 {print $2, $3}')
done
[ $seen -gt 0 ] || { echo "isa_symbols: no symbols found" >&2; exit 1; }
exit $bad
