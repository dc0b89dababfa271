"""Processes end together, and the launcher names the first, if one of them dies, hangs or is alone."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from projects.threedgp.engine.checkpoint_loading import is_whole
from tests import tiny_runs
from tests.reliability.forked import ROOT, free_port, start_processes, train, training

LONG_RUN = 400.0
"""Thousands of images that no test waits for."""


def wait_until(is_so, seconds: float = 240) -> float:
    """Wait for something that comes for certain, and return how long."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)
    return time.monotonic() - began


def is_there(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def ranks(launcher: int) -> dict[str, int]:
    """Processes that a launcher started, by their rank."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == launcher:
                known = dict(each.partition("=")[::2] for each in (path / "environ").read_text().split("\0"))
                found[known["RANK"]] = int(path.name)
    return found


@pytest.fixture
def launched(tmp_path):
    """Two processes in the middle of a training: their launcher, their numbers and what all of them say."""
    data = tiny_runs.write_images(tmp_path / "data")
    command = training(data, tmp_path / "run", LONG_RUN, "default_hooks.checkpoint.interval=2")
    environment = os.environ | dict(PYTHON=sys.executable, PORT=free_port(), OMP_NUM_THREADS="1")
    with (tmp_path / "log").open("w") as log:
        script = ["bash", str(ROOT / "tools" / "dist_train.sh"), command[0], "2", *command[1:]]
        launcher = subprocess.Popen(script, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: launcher.poll() is not None or list((tmp_path / "run").glob("iter_*.pth")))
        assert launcher.poll() is None, (tmp_path / "log").read_text()[-3000:]
        yield launcher, ranks(launcher.pid), tmp_path / "log"
    finally:
        launcher.kill()
        launcher.wait()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_process_that_is_killed_takes_the_others_with_it_and_is_named(launched, record_property):
    launcher, processes, log = launched
    os.kill(processes["1"], signal.SIGKILL)
    record_property("seconds", round(wait_until(lambda: launcher.poll() is not None), 1))
    assert launcher.returncode != 0
    assert not any(is_there(pid) for pid in processes.values())
    said = log.read_text()
    assert f"Signal 9 (SIGKILL) received by PID {processes['1']}" in said and "rank      : 1" in said


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells when a parent is gone")
def test_no_process_outlives_a_launcher_that_is_killed(launched, record_property):
    launcher, processes, log = launched
    launcher.kill()
    seconds = wait_until(lambda: not any(is_there(pid) for pid in processes.values()))
    record_property("seconds", round(seconds, 1))
    assert all(is_whole(path) for path in (log.parent / "run").glob("iter_*.pth"))


@pytest.mark.slow
def test_a_process_that_hangs_is_waited_for_as_long_as_the_config_says(tmp_path, record_property):
    data, log = tiny_runs.write_images(tmp_path / "data"), tmp_path / "log"
    command = training(data, tmp_path / "run", LONG_RUN, "env_cfg.dist_cfg.timeout=5")
    first, second = start_processes(2, log, train, *command, "--launcher", "pytorch")
    wait_until(lambda: list((tmp_path / "run").glob("iter_*.pth")) or not first.is_alive())
    os.kill(second.pid, signal.SIGSTOP)
    try:
        record_property("seconds", round(wait_until(lambda: not first.is_alive()), 1))
    finally:
        for process in (first, second):
            process.kill()
            process.join()
    said = (tmp_path / "log_0.log").read_text()
    assert first.exitcode not in (0, -signal.SIGKILL), said[-3000:]
    assert "Timed out waiting 5000ms" in said, said[-3000:]
