#!/usr/bin/env bash
# bench [MODEL] [ARGUMENT...]: measure tokens per second; without a MODEL on a random 100m q4_k_m file
#
# The arguments are those of `tashika bench`. Only ratios taken in turn, in one run, mean anything on a shared machine.
set -euo pipefail
bash tools/dev/build.sh release tashika >/dev/null
model=${1-}
if [ -z "$model" ] || [ "${model#-}" != "$model" ]; then
  model=$(bash tools/dev/random-model.sh llama 100m q4_k_m)
else
  shift
fi
exec build/release/tashika bench "$model" "$@"
