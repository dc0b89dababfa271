"""Runs that nobody trained: their folders hold what a test writes into them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from projects.threedgp.studies.arms import Arm
from projects.threedgp.studies.runs import Run, plan

BATCH_SIZE = 8
FULL, LESS = Arm("full", "all of it"), Arm("less", "less of it")


def made_up_run(
    out: Path,
    arm: Arm = FULL,
    seed: int = 0,
    metrics: Mapping[str, float | str] | None = None,
    log: Sequence[Mapping] = (),
    config: str = "",
) -> Run:
    """A run whose config has a batch size and what ``config`` says, with these metrics and this log."""
    (run,) = plan([arm], [seed], out)
    run.folder.mkdir(parents=True)
    run.config_path.write_text(f"train_dataloader = dict(batch_size={BATCH_SIZE})\n{config}")
    if metrics is not None:
        run.metrics_path.write_text(json.dumps({"config": "x", "metrics": metrics}))
    if log:
        write_log(run, "20250101_000000", log)
    return run


def write_log(run: Run, started: str, records: Sequence[Mapping]) -> None:
    """Writes the scalar log of a training that started at some time."""
    folder = run.folder / started / "vis_data"
    folder.mkdir(parents=True)
    (folder / "scalars.json").write_text("".join(json.dumps(record) + "\n" for record in records))


def train_record(step: int, seconds: float) -> dict:
    """What the toolkit logs of steps that took this long each; ``kimg`` is that before the step."""
    kimg = (step - 1) * BATCH_SIZE / 1000
    return {"loss": 1.0, "kimg": kimg, "time": seconds, "iter": step, "step": step}


def val_record(step: int, metric: str, value: float) -> dict:
    """What the toolkit logs of a validation, with the time of one of its batches."""
    return {metric: value, "data_time": 1.0, "time": 1000.0, "step": step}
