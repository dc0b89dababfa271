#!/usr/bin/env bash
# Installs what the tests need (once), then runs the linter, the formatter, the type checker and the
# tests, a selection of them on the newest other Python too, and the legacy environment's smoke test; fails if any of
# them does.
#
#   bash tools/run_tests.sh                  everything
#   bash tools/run_tests.sh PYTEST_ARG ...   only pytest, with these arguments
#   THREEDGP_SKIP_SLOW=1                     leaves out the tests marked slow and the other environments
#   THREEDGP_TEST_WORKERS=N                  pytest processes (default: the CPU cores, at most 4)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON="$(bash tools/install.sh dev depth)"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

cores="$(getconf _NPROCESSORS_ONLN)"
WORKERS="${THREEDGP_TEST_WORKERS:-$((cores < 4 ? cores : 4))}"
PYTEST=(-m pytest -n "$WORKERS" --dist worksteal --durations 10)

if (($#)); then
    exec "$PYTHON" "${PYTEST[@]}" "$@"
fi

# What depends on the versions around us: numbers, metrics, registries, every config, the installer.
SELECTION=(tests/golden tests/test_reference.py tests/test_compat.py tests/test_registry.py tests/test_configs.py
    tests/evaluation tests/data tests/tools/test_install.py)

summary=()
failed=0

# Runs one check and notes how it went; "no tests collected" (exit 5) is a failure like any other.
check() {
    local name="$1" status=0 started=$SECONDS
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    "$@" || status=$?
    ((status == 0)) || failed=1
    summary+=("$(printf '%-7s %s (%d s)' "$( ((status)) && echo FAILED || echo ok)" "$name" $((SECONDS - started)))")
}

minor() { "$1" -c 'import sys; print(sys.version_info.minor)'; }

# A selection of the tests on the newest Python that is not the one above.
second_python() {
    local newest="$1" python
    python="$(PYTHON="$newest" THREEDGP_VENV=".venv-3.$(minor "$newest")" bash tools/install.sh dev depth)" || return
    "$python" "${PYTEST[@]}" -m "not slow" "${SELECTION[@]}"
}

# The toolkit's own entry point, which imports mmagic before a config can help, in the legacy environment.
legacy_smoke() {
    local python out
    python="$(THREEDGP_LEGACY=1 bash tools/install.sh mim)" || return
    out="$(mktemp -d)"
    "$python" tools/data/make_toy_scenes.py "$out/data" --num 16 --resolution 32 --workers 1 >/dev/null || return
    PYTHONPATH=. "$(dirname "$python")/mim" train mmagic configs/3dgp_quickstart.py --gpus 0 -y \
        --work-dir "$out/run" --cfg-options train_cfg.total_kimg=0.016 \
        train_dataloader.dataset.data_root="$out/data/train" >"$out/log" 2>&1 \
        || { tail -n 20 "$out/log"; return 1; }
    ls "$out"/run/*.pth && rm -r "$out"
}

check linter "$PYTHON" -m ruff check .
check formatter "$PYTHON" -m ruff format --check .
check types "$PYTHON" -m mypy
check "fast tests" "$PYTHON" "${PYTEST[@]}" -m "not slow"
if [[ "${THREEDGP_SKIP_SLOW:-0}" == 1 ]]; then
    summary+=("skipped slow tests and other environments (THREEDGP_SKIP_SLOW=1)")
else
    check "slow tests" "$PYTHON" "${PYTEST[@]}" -m slow
    newest="$(bash tools/install.sh --newest)"
    if [[ -n "$newest" && "$(minor "$newest")" != "$(minor "$PYTHON")" ]]; then
        check "Python 3.$(minor "$newest"), a selection" second_python "$newest"
    else
        summary+=("skipped a second Python: none found")
    fi
    if THREEDGP_LEGACY=1 bash tools/install.sh --newest | grep -q .; then
        check "mim train mmagic, legacy environment" legacy_smoke
    else
        summary+=("skipped the legacy environment: no Python 3.11 or 3.12 found")
    fi
fi

printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
