#!/usr/bin/env bash
# random-model FAMILY SHAPE TYPE [OUT]: write a GGUF file with random weights, for speed tests
#
# FAMILY llama or mixtral; SHAPE 1m, 100m, 1b, 3b or 7b; TYPE q4_k_m, q8_0, bf16 or f16. Without OUT it goes to
# build/bench/FAMILY-SHAPE-TYPE.gguf, and is not written again when it is there. Prints the path.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: ./dev random-model FAMILY SHAPE TYPE [OUT]   (for example: llama 100m q4_k_m)" >&2
  exit 2
fi
out=${4:-build/bench/$1-$2-$3.gguf}
if [ $# -gt 3 ] || [ ! -f "$out" ]; then
  bash tools/dev/build.sh release random_model >&2
  mkdir -p "$(dirname "$out")"
  build/release/tools/random_model "$1" "$2" "$3" "$out"
fi
echo "$out"
