#!/usr/bin/env bash
# fuzz [-t SECONDS] [-m] [-c] [TARGET...]: fuzz the parsers; -m merges corpora, -c shows line coverage
#
# See the head of tools/fuzz.sh. Needs clang (./dev setup all).
exec tools/fuzz.sh "$@"
