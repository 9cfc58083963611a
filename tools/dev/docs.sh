#!/usr/bin/env bash
# docs: write what is generated of the documentation: docs/models.md
#
# A row for each model record, with the golden cases that test it. The test `docs` fails when the committed file differs.
set -euo pipefail
bash tools/dev/build.sh release model_table >&2
build/release/tools/model_table tests/data/golden >docs/models.md.new
mv docs/models.md.new docs/models.md
echo "docs/models.md"
