#!/usr/bin/env bash
# layers: check that each folder includes only what docs/architecture.md allows
exec bash tools/checks/layers.sh
