#!/usr/bin/env bash
# Installs what setup.cfg asks for, at the versions of tools/constraints.txt; a second run does nothing.
# Says what it does on stderr and prints one line, the interpreter's path:
#
#   PYTHON="$(bash tools/install.sh [EXTRA ...])"
#   bash tools/install.sh --newest      installs nothing: prints the newest Python that fits, if there is one
#
#   PYTHON=/path/to/python   the Python to use (default: the first that fits)
#   THREEDGP_VENV=DIR        the environment to make or use (default: .venv)
#   THREEDGP_NO_VENV=1       installs into the active environment
#   THREEDGP_LEGACY=1        the older versions and all dependencies that stock mmagic asks for, as
#                            `mim train mmagic CONFIG` needs (default environment: .venv-legacy)
set -euo pipefail
shopt -s inherit_errexit

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
LEGACY="${THREEDGP_LEGACY:-0}"
if [[ "$LEGACY" == 1 ]]; then
    CONSTRAINTS="$ROOT/tools/constraints-legacy.txt" VENV="${THREEDGP_VENV:-$ROOT/.venv-legacy}"
else
    CONSTRAINTS="$ROOT/tools/constraints.txt" VENV="${THREEDGP_VENV:-$ROOT/.venv}"
fi

say() { printf '[install] %s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# The minor versions of Python 3 that setup.cfg admits: first, and first not.
read -r MINOR_FROM MINOR_TO < <(
    sed -n 's/^python_requires = >=3\.\([0-9]*\),<3\.\([0-9]*\)$/\1 \2/p' "$ROOT/setup.cfg"
) || fail "setup.cfg: python_requires must read '>=3.X,<3.Y'"
((LEGACY == 0)) || MINOR_TO=13 # numpy 1.26 has no wheels for later ones

describe() { "$1" --version 2>&1 | head -n 1 || true; }

fits() {
    "$1" -c "import sys; sys.exit(not (3, $MINOR_FROM) <= sys.version_info[:2] < (3, $MINOR_TO))" \
        2>/dev/null
}

# Where Pythons are looked for, the newest first: on the PATH and with pyenv.
newest_first() {
    local minor path
    for ((minor = MINOR_TO - 1; minor >= MINOR_FROM; minor--)); do
        printf '%s\n' "python3.$minor"
        for path in "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor".*/bin/python; do
            [[ ! -x "$path" ]] || printf '%s\n' "$path"
        done
    done
}

# Sets FITTING to the first of the named Pythons that fits, or fails with what there was in FOUND.
first_fitting() {
    local name
    FOUND=""
    for name in "$@"; do
        command -v "$name" >/dev/null || continue
        if fits "$name"; then
            FITTING="$(command -v "$name")"
            return
        fi
        FOUND+="${FOUND:+; }$name is $(describe "$name")"
    done
    return 1
}

refuse() {
    fail "wanted a Python >=3.$MINOR_FROM,<3.$MINOR_TO. Found: ${FOUND:-none}. Three ways to get one:" \
        "(1) the system's, e.g. apt-get install python3.$MINOR_FROM python3.$MINOR_FROM-venv;" \
        "(2) uv (https://docs.astral.sh/uv), then run this again, it fetches one;" \
        "(3) PYTHON=/path/to/python of a conda or pyenv environment, then run this again"
}

has_uv() { command -v uv >/dev/null; }

# Makes VENV with the Python $1, also where ensurepip is missing (Debian packages it apart).
make_venv() {
    say "making $VENV with $1 ($(describe "$1"))"
    "$1" -m venv "$VENV" >/dev/null 2>&1 && return
    if has_uv; then
        uv venv --quiet --seed --clear --python "$1" "$VENV" >&2 && return
    fi
    "$1" -m venv --without-pip "$VENV" >&2 || fail "$1 cannot make a virtual environment"
    "$1" -m pip --python "$VENV/bin/python" install --quiet pip >&2 \
        || fail "$1 has neither ensurepip nor pip; on Debian or Ubuntu: apt-get install python3-venv"
}

# Makes VENV with a Python that uv has or fetches.
make_uv_venv() {
    say "making $VENV with a Python of uv"
    uv venv --quiet --seed --clear --python ">=3.$MINOR_FROM,<3.$MINOR_TO" "$VENV" >&2
}

# Makes VENV with PYTHON, or the first Python that fits, or one of uv.
make_environment() {
    local pythons=()
    mapfile -t pythons < <(printf '%s\n' python3 python; newest_first)
    [[ -z "${PYTHON:-}" ]] || pythons=("$PYTHON")
    if first_fitting "${pythons[@]}"; then
        make_venv "$FITTING"
    elif [[ -n "${PYTHON:-}" ]] || ! has_uv || ! make_uv_venv; then
        refuse
    fi
}

# Prints the interpreter to install into. A Python that is named is the only one asked.
choose_environment() {
    local pythons=("$VENV/bin/python")
    if [[ "${THREEDGP_NO_VENV:-0}" == 1 ]]; then
        pythons=(python python3)
        [[ -z "${PYTHON:-}" ]] || pythons=("$PYTHON")
    elif [[ ! -e "$VENV/bin/python" || ! -e "$VENV/bin/pip" ]]; then
        make_environment
    fi
    first_fitting "${pythons[@]}" || refuse
    printf '%s\n' "$FITTING"
}

# The stamps of the environment, one per extra: with "dev" installed the bare set is complete too.
stamp_paths() {
    local extra prefix key
    prefix="$("$PYTHON" -c 'import sys; print(sys.prefix)')"
    for extra in "" "$@"; do
        key="$("$PYTHON" "$ROOT/tools/requirements.py" --key "$CONSTRAINTS" toolkit ${extra:+"$extra"})"
        printf '%s/.threedgp/%s-%s\n' "$prefix" "${extra:-base}" "$key"
    done
}

all_exist() {
    local path
    for path in "$@"; do
        [[ -e "$path" ]] || return 1
    done
}

# Installs the requirements on standard input; the arguments go to pip, which would complain of each of the
# toolkit's dependencies that is left out. uv is several times as fast.
pip_install() {
    local quiet=(--quiet)
    [[ -t 2 ]] && quiet=()
    if has_uv; then
        uv pip install --python "$PYTHON" "${quiet[@]}" "$@" -r /dev/stdin >&2
    else
        "$PYTHON" -m pip install "${quiet[@]}" --disable-pip-version-check --no-input --no-compile \
            --no-warn-conflicts "$@" -r /dev/stdin >&2
    fi || fail "the requirements of setup.cfg could not be installed; the installer's own message is above"
}

requirements() { "$PYTHON" "$ROOT/tools/requirements.py" "$@"; }

# The toolkit declares much that it never needs here: without its dependencies, unless they are wanted.
install_requirements() {
    local wanted toolkit
    if ((LEGACY == 1)); then
        wanted="$(requirements toolkit "$@")"
        pip_install -c "$CONSTRAINTS" <<<"$wanted"
        return
    fi
    wanted="$(requirements "$@")" toolkit="$(requirements --only-extras toolkit)"
    pip_install -c "$CONSTRAINTS" <<<"$wanted"
    pip_install -c "$CONSTRAINTS" --no-deps <<<"$toolkit"
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
        projects.threedgp, mmagic.apis, mmagic.datasets, mmagic.evaluation, mmengine.runner, timm, \
        torch.utils.tensorboard, matplotlib.pyplot" 2>&1)" || say "warning: ${message##*$'\n'}"
}

write_stamps() {
    if ! { mkdir -p "$(dirname "$1")" && touch "$@"; } 2>/dev/null; then
        say "warning: $(dirname "$1") cannot be written, so the next run will install again"
    fi
}

if [[ "${1:-}" == --newest ]]; then
    mapfile -t PYTHONS < <(newest_first)
    ! first_fitting "${PYTHONS[@]}" || printf '%s\n' "$FITTING"
    exit
fi
PYTHON="$(choose_environment)"
STAMPS="$(stamp_paths "$@")"
mapfile -t STAMPS <<<"$STAMPS"
if all_exist "${STAMPS[@]}"; then
    say "nothing to do for $PYTHON"
else
    say "installing into $PYTHON ($(describe "$PYTHON"))${*:+ with extras $*}: 6 GB, one or two minutes"
    install_requirements "$@"
    check_opencv
    warm_up
    write_stamps "${STAMPS[@]}"
    say "done in $SECONDS s"
fi
printf '%s\n' "$PYTHON"
