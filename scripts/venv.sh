# Sourced by the other scripts: makes or refreshes the project's own .venv and leaves its path in $VENV.
# Usage: need_venv [EXTRA]   EXTRA is a group of optional dependencies, for example dev

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${PMPIPE_VENV:-$ROOT/.venv}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.15 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  echo "pmpipe needs Python 3.10 or newer; set PYTHON to one" >&2
  return 1
}

need_venv() {
  local extra=${1:-} python wanted stamp
  # every extra that was ever asked for stays
  wanted="$(cat "$ROOT/pyproject.toml" "$ROOT/setup.cfg" | cksum) $extra"
  stamp="$VENV/.pmpipe-${extra:-run}"
  if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    return
  fi
  if [ ! -x "$VENV/bin/python" ]; then
    python=$(find_python) || return 1
    echo "pmpipe: creating $VENV with $("$python" --version)" >&2
    "$python" -m venv "$VENV" || return 1
  fi
  echo "pmpipe: installing dependencies${extra:+ ($extra)}" >&2
  # compat mode puts a path into site-packages; the other modes import a finder at every start
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat \
    -e "$ROOT${extra:+[$extra]}" >&2 || return 1
  # also where PYTHONDONTWRITEBYTECODE is set: compiling at every start would take longer than a warm install
  "$VENV/bin/python" -m compileall -q "$ROOT/pmpipe" "$ROOT/stages" || return 1
  printf '%s' "$wanted" >"$stamp"
}
