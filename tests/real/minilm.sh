#!/bin/sh
# minilm.sh PROGRAM: runs minilm.py beside this file; without a Python the test counts as skipped (77), and says so.
python=${TASHIKA_PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
  echo "NOT CHECKED: there is no $python on this machine"
  exit 77
fi
exec "$python" "$(dirname "$0")/minilm.py" "$1"
