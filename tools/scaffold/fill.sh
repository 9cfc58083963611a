# Sourced by the scaffolds. fill TEMPLATE OUT: writes OUT from tools/scaffold/TEMPLATE; @name@, @Class@ and @verb@ become
# the name in its spellings. Refuses to overwrite.
checked_name() {  # KIND NAME
  if ! [[ ${2-} =~ ^[a-z][a-z0-9_]*$ ]]; then
    echo "usage: ./dev new-$1 NAME     (lower case letters, digits and underscores)" >&2
    exit 2
  fi
  name=$2
  verb=${name//_/-}
  class=
  local part
  for part in ${name//_/ }; do class+=${part^}; done
}
fill() {
  if [ -e "$2" ]; then
    echo "$2 is there already; nothing was changed" >&2
    exit 1
  fi
  mkdir -p "$(dirname "$2")"
  sed -e "s/@name@/$name/g" -e "s/@Class@/$class/g" -e "s/@verb@/$verb/g" "tools/scaffold/$1" >"$2"
  echo "wrote $2"
}
