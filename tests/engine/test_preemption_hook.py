"""projects/threedgp/engine/preemption_hook.py: stops when asked to, and goes on as if it had not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from projects.threedgp.engine.preemption_hook import STOPPED
from tests import tiny_runs

ROOT = Path(__file__).resolve().parents[2]


class Sender(Hook):
    """Sends a signal to this process at some iterations."""

    def __init__(self, number: int, *iterations: int) -> None:
        self.number, self.iterations = number, iterations

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter in self.iterations:
            os.kill(os.getpid(), self.number)


def training(folder, root, interval, *hooks, **arguments):
    default_hooks = dict(
        logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
        checkpoint=dict(type="WholeCheckpointHook", interval=interval, by_epoch=False),
        preemption=dict(type="PreemptionHook"),
    )
    run = tiny_runs.training(folder, root, 0.02, default_hooks=default_hooks, **arguments)
    for hook in hooks:
        run.register_hook(hook)
    return run


@pytest.fixture
def root(tmp_path):
    return tiny_runs.write_images(tmp_path / "data")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize("interval", [100, 1])
def test_a_signal_ends_the_step_saves_and_exits(tmp_path, root, number, interval, capsys):
    handler = signal.getsignal(number)
    with pytest.raises(SystemExit) as stopped:
        training(tmp_path / "run", root, interval, Sender(number, 2)).train()
    assert stopped.value.code == STOPPED == 75
    saved = sorted(path.name for path in (tmp_path / "run").glob("iter_*.pth"))
    assert saved[-1] == "iter_3.pth" and len(saved) == (1 if interval == 100 else 3)
    assert signal.getsignal(number) == handler
    assert "saves and stops after this step" in capsys.readouterr().err


def test_what_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, root):
    training(tmp_path / "straight", root, 100).train()
    with pytest.raises(SystemExit):
        training(tmp_path / "run", root, 100, Sender(signal.SIGTERM, 2)).train()
    training(tmp_path / "run", root, 100, resume=True).train()
    ends = [torch.load(tmp_path / name / "iter_5.pth", weights_only=False) for name in ("straight", "run")]
    states = [end["state_dict"] for end in ends]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_second_signal_stops_at_once(tmp_path, root):
    class Twice(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        training(tmp_path / "run", root, 100, Twice()).train()
    assert not list((tmp_path / "run").glob("iter_*.pth"))


LAUNCHER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import time
from projects.threedgp.engine.preemption_hook import end_with_launcher
end_with_launcher()
print("runs", flush=True)
time.sleep(600)
'''])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells when a parent is gone")
def test_a_process_ends_with_its_launcher():
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    said = {launcher.stdout.readline().strip() for _ in range(2)}
    pid = int(next(iter(said - {"runs"})))
    launcher.kill()
    launcher.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "the process outlives its launcher"
        time.sleep(0.05)
