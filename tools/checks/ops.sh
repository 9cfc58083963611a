#!/usr/bin/env bash
# ops.sh [ROOT]
#
# Each op id of backend/contract is dispatched by ops/; a primitive (ops/ knows no other way) has a reference kernel; and
# every kernel record names a known op.
set -euo pipefail
root=${1:-$(dirname "$0")/../..}
cd "$root"
bad=0
complain() { echo "$*"; bad=1; }
mapfile -t ops < <(sed -nE 's/^inline constexpr OpId ([a-z0-9_]+)_op\{"([a-z0-9_]+)"\}.*/\1 \2/p' src/backend/contract/*.h)
[ ${#ops[@]} -ge 20 ] || complain "ops: found only ${#ops[@]} op ids in src/backend/contract"
known=" "
for pair in "${ops[@]}"; do
  op=${pair% *}
  [ "$op" = "${pair#* }" ] || complain "op id ${op}_op is called \"${pair#* }\""
  known+="$op "
  tried=$(grep -rlE "\btry_launch\(${op}_op\b" src/ops || true)
  launched=$(grep -rlE "[^_]launch\(${op}_op\b" src/ops || true)
  kernel=$(grep -rlE "\{&${op}_op\b" src/backend/ref || true)
  [ -n "$tried$launched" ] || complain "op $op: nothing in ops/ dispatches it"
  # A fused op is tried and otherwise composed; a primitive is launched outright and must have a reference kernel.
  if [ -n "$launched" ] && [ -z "$kernel" ]; then complain "op $op: a primitive without a kernel in backend/ref"; fi
done
while IFS= read -r op; do
  case $known in *" $op "*) ;; *) complain "backend: a kernel record names the op '$op', which no contract header declares" ;; esac
done < <(grep -rhoE "\{&[a-z0-9_]+_op\b" src/backend/ref src/backend/cpu | sed -E 's/\{&(.*)_op/\1/' | sort -u)
[ $bad = 0 ] && echo "ops: ${#ops[@]} ops, each with a composed form or a reference kernel."
exit $bad
