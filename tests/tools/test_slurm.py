"""tools/slurm_train.sh, with stand-ins for srun and scontrol, which are not to be had here."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "slurm_train.sh"
SRUN = """#!/usr/bin/env bash
echo "$@" >> "$CALLS"
trap 'echo "asked to stop" >> "$CALLS"; exit 75' USR1
[ -n "${WAITS:-}" ] && { for _ in $(seq 200); do sleep 0.05; done; }
exit "${STATUS:-0}"
"""
SCONTROL = """#!/usr/bin/env bash
echo "scontrol $@" >> "$CALLS"
"""


@pytest.fixture
def slurm(tmp_path):
    """Starts the script as a job, and returns its process and a way to see what was called."""
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"

    def start(**environment):
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        command = ["bash", SCRIPT, "gpu", "job", "config.py", "work", "--seed", "1"]
        return subprocess.Popen(command, env=os.environ | dict(PATH=path, CALLS=str(calls)) | environment)

    def called() -> list[str]:
        return calls.read_text().splitlines() if calls.exists() else []

    return start, called


@pytest.mark.parametrize("status", [0, 1, 2])
def test_the_status_is_that_of_the_training(slurm, status):
    start, called = slurm
    assert start(STATUS=str(status), SLURM_JOB_ID="7").wait(timeout=60) == status
    (call,) = called()
    assert "config.py --work-dir work --launcher slurm --seed 1" in call and "--resume" not in call


@pytest.mark.parametrize("job, requeued", [(dict(SLURM_JOB_ID="7"), True), ({}, False)])
def test_a_training_that_was_asked_to_stop_is_queued_again_in_a_job(slurm, job, requeued):
    start, called = slurm
    assert start(STATUS="75", **job).wait(timeout=60) == 75
    assert ("scontrol requeue 7" in called()) == requeued


def test_a_job_that_was_queued_again_resumes(slurm):
    start, called = slurm
    assert start(SLURM_RESTART_COUNT="1").wait(timeout=60) == 0
    assert called()[0].endswith("--seed 1 --resume auto")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_to_the_job_reaches_the_training(slurm, number):
    start, called = slurm
    process = start(WAITS="1", SLURM_JOB_ID="7")
    deadline = time.monotonic() + 30
    while not called():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(timeout=60) == 75
    assert called()[1:] == ["asked to stop", "scontrol requeue 7"]
