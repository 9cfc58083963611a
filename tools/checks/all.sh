#!/usr/bin/env bash
# all.sh: the checks of the layout that need no build.
cd "$(dirname "$0")"
bad=0
for check in layers names ops sizes types; do bash "$check.sh" || bad=1; done
exit $bad
