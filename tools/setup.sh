#!/usr/bin/env bash
# setup.sh [all]
#
# Installs the Debian or Ubuntu packages of tools/packages.txt: those that building and testing need, with `all` also
# those of the style checks, fuzzing and emulation. Does nothing when all are there, so it may run again at any time
# and without a network then. Needs root, or sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1-} in
  "") groups=build ;;
  all) groups="build check" ;;
  *) echo "usage: ./dev setup [all]" >&2; exit 2 ;;
esac

if ! command -v apt-get >/dev/null; then
  echo "setup: this is neither Debian nor Ubuntu. Install what these stand for, then ./dev build:" >&2
  grep -v '^#' tools/packages.txt >&2
  exit 1
fi

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Prints the missing packages; of alternatives the first one that apt knows.
missing() {
  local names group name
  while read -r names group _; do
    case $names in "" | "#"*) continue ;; esac
    case " $groups " in *" $group "*) ;; *) continue ;; esac
    local found=
    for name in ${names//|/ }; do installed "$name" && found=yes && break; done
    [ -n "$found" ] && continue
    for name in ${names//|/ }; do
      if [ "$name" = "$names" ] || apt-cache show "$name" >/dev/null 2>&1; then echo "$name"; break; fi
    done
  done <tools/packages.txt
}

if [ -z "$(missing)" ]; then
  echo "setup: everything is installed."
  exit 0
fi

root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "setup: run this as root, or install sudo; missing:" $(missing) >&2; exit 1; }
  root="sudo"
fi

echo "setup: apt-get update"
$root apt-get -qq update || echo "setup: apt-get update failed; trying with the package lists at hand" >&2
wanted=$(missing)
echo "setup: installing" $wanted
$root env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends install $wanted </dev/null >/dev/null
left=$(missing)
if [ -n "$left" ]; then
  echo "setup: still missing:" $left >&2
  exit 1
fi
echo "setup: done."
