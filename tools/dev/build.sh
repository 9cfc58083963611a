#!/usr/bin/env bash
# build [PRESET] [TARGET...]: build everything, or the targets named
#
# PRESET is release (the default; leaves build/release/tashika), dev, asan, ubsan, tsan, fuzz or coverage: the presets
# of CMakePresets.json. The environment's JOBS says how many compilers run at once (default: one a core).
set -euo pipefail
preset=${1:-release}
shift || true
if ! command -v cmake >/dev/null || ! command -v ninja >/dev/null; then
  echo "build: cmake or ninja is missing: run ./dev setup first." >&2
  exit 1
fi
[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" ${CMAKE_ARGS-}
exec cmake --build "build/$preset" -j "${JOBS:-$(nproc)}" ${1+--target "$@"}
