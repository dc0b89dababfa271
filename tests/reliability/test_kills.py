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
STEPS = 2 * KILLS + 5


def saved_step(folder: Path) -> int:
    """The latest step of which there is a file, whole or not."""
    return max((int(re.sub(r"\D", "", path.name)) for path in folder.glob("iter_*.pth")), default=0)


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

    began, straight = time.monotonic(), end_well("straight", begin("straight"))
    step = (time.monotonic() - began) / STEPS
    folder, seconds, done = tmp_path / "run", step, 0
    while sum(counts.values()) < KILLS:
        began, process = time.monotonic(), begin("run", "--resume")
        # A third are killed while they begin, the others within two steps after the first one.
        target = done + chance.choice([0, 1, 1])
        while process.is_alive() and saved_step(folder) < target:
            time.sleep(0.005)
        if target > done:
            seconds = time.monotonic() - began
        time.sleep(chance.uniform(0, seconds if target == done else 2 * step))
        assert process.is_alive(), (tmp_path / "run.log").read_text()[-3000:]
        process.kill()
        process.join()
        before, done = done, saved_step(folder)
        path = newest_whole_checkpoint(folder)
        assert done == 0 if path is None else path.name == f"iter_{done}.pth" and done >= before
        is_cut = any(".tmp" in left.name for left in folder.glob(".*"))
        counts[
            "while a file was written" if is_cut else "between" if done > before else "at the beginning"
        ] += 1
    differing = list(differences(end_well("run", begin("run", "--resume")), straight))
    record_property("SIGKILLs", ", ".join(f"{count} {where}" for where, count in counts.items()))
    record_property("tensors that differ in the end", len(differing))
    assert differing == []
    assert not [left for left in folder.glob(".*") if ".tmp" in left.name]
