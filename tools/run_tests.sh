#!/usr/bin/env bash
# Installs what the tests need (once), then runs the linter, the formatter, the type checker and the
# tests; fails if any of them does.
#
#   bash tools/run_tests.sh                  everything
#   bash tools/run_tests.sh PYTEST_ARG ...   only pytest, with these arguments
#   THREEDGP_SKIP_SLOW=1                     leaves out the tests marked slow
#   THREEDGP_TEST_WORKERS=N                  pytest processes (default: the CPU cores, at most 4)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON="$(bash tools/install.sh dev)"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

cores="$(getconf _NPROCESSORS_ONLN)"
WORKERS="${THREEDGP_TEST_WORKERS:-$((cores < 4 ? cores : 4))}"
PYTEST=("$PYTHON" -m pytest -n "$WORKERS" --dist worksteal --durations 10)

if (($#)); then
    exec "${PYTEST[@]}" "$@"
fi

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

check linter "$PYTHON" -m ruff check .
check formatter "$PYTHON" -m ruff format --check .
check types "$PYTHON" -m mypy
check "fast tests" "${PYTEST[@]}" -m "not slow"
if [[ "${THREEDGP_SKIP_SLOW:-0}" == 1 ]]; then
    summary+=("skipped slow tests (THREEDGP_SKIP_SLOW=1)")
else
    check "slow tests" "${PYTEST[@]}" -m slow
fi

printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
