#!/usr/bin/env bash
# Installs what setup.cfg asks for, at the versions of tools/constraints.txt; a second run does nothing.
# Says what it does on stderr and prints one line, the interpreter's path:
#
#   PYTHON="$(bash tools/install.sh [EXTRA ...])"
#
# Installs into .venv, which is made if it is missing, or with THREEDGP_NO_VENV=1 into the active
# environment. PYTHON=/path/to/python names the Python to use for either.
set -euo pipefail
shopt -s inherit_errexit

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"

say() { printf '[install] %s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# The minor versions of Python 3 that setup.cfg admits: first, and first not.
read -r MINOR_FROM MINOR_TO < <(
    sed -n 's/^python_requires = >=3\.\([0-9]*\),<3\.\([0-9]*\)$/\1 \2/p' "$ROOT/setup.cfg"
) || fail "setup.cfg: python_requires must read '>=3.X,<3.Y'"

describe() { "$1" --version 2>&1 | head -n 1 || true; }

fits() {
    "$1" -c "import sys; sys.exit(not (3, $MINOR_FROM) <= sys.version_info[:2] < (3, $MINOR_TO))" \
        2>/dev/null
}

# Prints the first of the named Pythons that fits.
find_python() {
    local name found=""
    for name in "$@"; do
        command -v "$name" >/dev/null || continue
        if fits "$name"; then
            command -v "$name"
            return
        fi
        found+="${found:+; }$name is $(describe "$name")"
    done
    fail "wanted a Python >=3.$MINOR_FROM,<3.$MINOR_TO among: $*. Found: ${found:-none of these}." \
        "Install python3.$MINOR_FROM, or name one with PYTHON=/path/to/python"
}

# Makes .venv with the Python $1, also where ensurepip is missing (Debian packages it apart).
make_venv() {
    say "making $VENV with $1 ($(describe "$1"))"
    "$1" -m venv "$VENV" >/dev/null 2>&1 && return
    "$1" -m venv --without-pip "$VENV" >&2 || fail "$1 cannot make a virtual environment"
    "$1" -m pip --python "$VENV/bin/python" install --quiet pip >&2 \
        || fail "$1 has neither ensurepip nor pip; on Debian or Ubuntu: apt-get install python3-venv"
}

# Prints the interpreter to install into.
choose_environment() {
    if [[ "${THREEDGP_NO_VENV:-0}" == 1 ]]; then
        find_python ${PYTHON:+"$PYTHON"} python python3
        return
    fi
    if [[ ! -e "$VENV/bin/python" || ! -e "$VENV/bin/pip" ]]; then
        local base
        base="$(find_python ${PYTHON:+"$PYTHON"} "python3.$MINOR_FROM" python3 python)"
        make_venv "$base"
    fi
    find_python "$VENV/bin/python"
}

# The stamps of the environment, one per extra: with "dev" installed the bare set is complete too.
stamp_paths() {
    local extra prefix key
    prefix="$("$PYTHON" -c 'import sys; print(sys.prefix)')"
    for extra in "" "$@"; do
        key="$("$PYTHON" "$ROOT/tools/requirements.py" --key ${extra:+"$extra"})"
        printf '%s/.threedgp/%s-%s\n' "$prefix" "${extra:-base}" "$key"
    done
}

all_exist() {
    local path
    for path in "$@"; do
        [[ -e "$path" ]] || return 1
    done
}

pip_install() {
    local quiet=(--quiet) requirements
    [[ -t 2 ]] && quiet=()
    requirements="$("$PYTHON" "$ROOT/tools/requirements.py" "$@")"
    "$PYTHON" -m pip install "${quiet[@]}" --disable-pip-version-check --no-input --no-compile \
        -c "$ROOT/tools/constraints.txt" -r /dev/stdin <<<"$requirements" >&2 \
        || fail "pip could not install the requirements of setup.cfg; its own message is above"
}

import_error() { "$PYTHON" -c 'import cv2' 2>&1 | tail -n 1; }

# OpenCV's wheel leaves libGL and libgthread to the system; a CI machine is ours to complete.
check_opencv() {
    local message packages=(libgl1 libglib2.0-0)
    message="$(import_error)" && return
    if [[ "${CI:-}" == true && $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
        say "OpenCV: $message; apt-get install ${packages[*]}"
        apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "${packages[@]}" >&2
        message="$(import_error)" && return
    fi
    fail "'import cv2' says: $message. If a system library is missing (Debian, Ubuntu):" \
        "apt-get install ${packages[*]}; then run this again"
}

# Compiles only what a run imports: pip would compile all 30,000 files, for a minute or more.
warm_up() {
    local message
    message="$(cd "$ROOT" && PYTHONDONTWRITEBYTECODE='' "$PYTHON" -W ignore -c "import \
        projects.threedgp, mmagic.apis, mmagic.datasets, mmagic.evaluation, mmengine.runner, \
        torch.utils.tensorboard, matplotlib.pyplot" 2>&1)" || say "warning: ${message##*$'\n'}"
}

write_stamps() {
    if ! { mkdir -p "$(dirname "$1")" && touch "$@"; } 2>/dev/null; then
        say "warning: $(dirname "$1") cannot be written, so the next run will ask pip again"
    fi
}

PYTHON="$(choose_environment)"
STAMPS="$(stamp_paths "$@")"
mapfile -t STAMPS <<<"$STAMPS"
if all_exist "${STAMPS[@]}"; then
    say "nothing to do for $PYTHON"
else
    say "installing into $PYTHON ($(describe "$PYTHON"))${*:+ with extras $*}: 6 GB, one or two minutes"
    pip_install "$@"
    check_opencv
    warm_up
    write_stamps "${STAMPS[@]}"
    say "done in $SECONDS s"
fi
printf '%s\n' "$PYTHON"
