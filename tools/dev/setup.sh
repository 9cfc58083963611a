#!/usr/bin/env bash
# setup [all]: install the packages that building and testing need
#
# The list with a reason for each is tools/packages.txt. `all` adds what ./dev fmt, lint, fuzz and .ci/run use:
# clang, clang-format, clang-tidy, qemu-user. It needs root or sudo, and a network only for what is missing.
exec tools/setup.sh "$@"
