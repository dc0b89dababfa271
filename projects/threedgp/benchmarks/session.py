"""Measures arms beside each other: each in a process of its own, all of them in turn."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import USER_ERROR, UserError
from .ratios import interleaved
from .report import Measured, Results
from .setting import Setting

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Arm:
    """One side of a comparison.

    Args:
        name: What tables call it.
        setting: What it measures.
        checkout: Root of the code that is measured.
    """

    name: str
    setting: Setting
    checkout: Path = ROOT


class Worker:
    """The process of an arm.

    Args:
        arm: The arm.
        process: A process that runs ``worker.py``.
        log: Where what it prints goes.
    """

    def __init__(self, arm: Arm, process: subprocess.Popen, log: Path) -> None:
        self.arm, self.process, self.log = arm, process, log

    def ask(self, question: Any) -> dict[str, Any]:
        """Ask something and wait for the answer.

        Args:
            question: Anything that JSON can hold.

        Raises:
            UserError: If the process ended with one.
            RuntimeError: If it ended otherwise.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            print(json.dumps(question), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        status, said = self.process.wait(), self.log.read_text().strip()
        if status == USER_ERROR:
            raise UserError(f"{self.arm.name}: {said.splitlines()[-1].partition('error: ')[2]}")
        raise RuntimeError(f"{self.arm.name}: its process ended with status {status}\n{said[-2000:]}")


@contextmanager
def working(arm: Arm) -> Iterator[Worker]:
    """Start the process of an arm for a block."""
    environment = os.environ | {"PYTHONPATH": str(arm.checkout)}
    command = [sys.executable, "-m", "projects.threedgp.benchmarks.worker"]
    with tempfile.NamedTemporaryFile("w") as log:
        process = subprocess.Popen(
            command,
            cwd=arm.checkout,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield Worker(arm, process, Path(log.name))
        finally:
            process.kill()
            process.communicate()


def run(
    arms: Sequence[Arm], groups: Sequence[str], rounds: int, warmup: int, about: Mapping[str, str]
) -> Results:
    """Measure all arms, group by group.

    Args:
        arms: What to compare; others are compared with the first.
        groups: Groups of parts, names of ``parts.GROUPS``.
        rounds: Repetitions that count.
        warmup: Repetitions before them that do not.
        about: What the results say of themselves.

    Raises:
        UserError: If an arm cannot be measured.
    """
    measured: list[Measured] = []
    facts = dict(about)
    for group in groups:
        with ExitStack() as stack:
            workers = {arm.name: stack.enter_context(working(arm)) for arm in arms}
            parts = {}
            for name, worker in tqdm(workers.items(), desc=f"{group}: warm-up", unit="arm"):
                setting = asdict(worker.arm.setting)
                ready = worker.ask(dict(setting=setting, group=group, warmup=warmup))
                parts[name] = ready.pop("parts")
                facts |= ready
            measured += _measure(group, workers, parts, rounds)
    return Results(facts, measured)


def _measure(
    group: str, workers: Mapping[str, Worker], parts: Mapping[str, dict[str, Any]], rounds: int
) -> list[Measured]:
    names = list(dict.fromkeys(part for own in parts.values() for part in own))
    found: dict[tuple[str, str], Measured] = {}
    with tqdm(total=rounds * sum(map(len, parts.values())), desc=group, unit="run") as bar:
        for part in names:
            having = [arm for arm in workers if part in parts[arm]]
            for arm in interleaved(having, rounds):
                answer = workers[arm].ask(part)
                known = found.setdefault((part, arm), Measured(part, arm, group, **parts[arm][part]))
                known.seconds.append(answer["seconds"])
                known.peak_gb = answer["peak_gb"]
                bar.update()
    return list(found.values())
