"""A training that is killed again and again ends, to the bit, where one ends that was left alone."""

import random
import re
import time
from collections import Counter
from pathlib import Path

import pytest
import torch

from projects.threedgp.engine.checkpoint_loading import newest_whole_checkpoint
from tests import tiny_runs
from tests.engine.test_exact_resume import differences, trained
from tests.reliability.forked import LONG, start, train, training

KILLS = 100 if LONG else 5
STEPS = 3 * KILLS + 5


def step_of(path: Path) -> int:
    return int(re.sub(r"\D", "", path.name))


def saved_step(folder: Path) -> int:
    """The latest step of which there is a file, whole or not."""
    return max(map(step_of, folder.glob("iter_*.pth")), default=0)


def passing(folder: Path) -> list[Path]:
    """Files that are being written, or were by a process that was killed."""
    return [path for path in folder.glob(".*") if ".tmp" in path.name]


@pytest.mark.slow
def test_nothing_is_lost_and_the_end_is_the_same(tmp_path, record_property):
    data, chance, counts = tiny_runs.write_images(tmp_path / "data"), random.Random(0), Counter()

    def begin(name: str, *arguments: str):
        command = training(data, tmp_path / name, STEPS * 4 / 1000)
        return start(tmp_path / f"{name}.log", train, *command, *arguments)

    def end_well(name: str, process) -> dict:
        process.join()
        assert process.exitcode == 0, (tmp_path / f"{name}.log").read_text()[-3000:]
        return trained(torch.load(tmp_path / name / f"iter_{STEPS}.pth", weights_only=False))

    straight = end_well("straight", begin("straight"))
    times = [path.stat().st_mtime for path in (tmp_path / "straight").glob("iter_*.pth")]
    step = max(times) - min(times)
    folder, seconds, done, resumable = tmp_path / "run", step, 0, 0
    while sum(counts.values()) < KILLS:
        began, process = time.monotonic(), begin("run", "--resume")
        if (moment := chance.choice(["beginning", "step", "file"])) == "beginning":
            time.sleep(chance.uniform(0, seconds))
        else:
            while process.is_alive() and saved_step(folder) == done:
                time.sleep(0.005)
            seconds = time.monotonic() - began
            time.sleep(chance.uniform(0, 2 * step))
        while moment == "file" and process.is_alive() and not passing(folder):
            time.sleep(0.001)
        assert process.is_alive(), (tmp_path / "run.log").read_text()[-3000:]
        process.kill()
        process.join()
        before, done = done, saved_step(folder)
        # Between a checkpoint and the pointer to it, that is the one before.
        path = newest_whole_checkpoint(folder)
        before_that, resumable = resumable, 0 if path is None else step_of(path)
        assert resumable >= max(before_that, done - 1)
        where = "while a file was written" if passing(folder) else "in steps" if done > before else "before"
        counts[where] += 1
    differing = list(differences(end_well("run", begin("run", "--resume")), straight))
    record_property("SIGKILLs", ", ".join(f"{count} {where}" for where, count in counts.items()))
    record_property("tensors that differ in the end", len(differing))
    assert differing == []
    assert not passing(folder)
