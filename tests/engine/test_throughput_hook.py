"""Speed and memory in the log."""

import json

import pytest

from projects.threedgp.engine.throughput_hook import peak_memory_gb
from tests import tiny_runs


def test_speed_and_memory_are_in_the_log(tmp_path):
    run = tiny_runs.training(
        *(tmp_path / "run", tiny_runs.write_images(tmp_path / "data"), 0.02),
        custom_hooks=[dict(type="ThroughputHook", window=3)],
    )
    run.train()
    lines = next((tmp_path / "run").glob("*/vis_data/scalars.json")).read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 5 and all(record["images_per_sec"] > 0 for record in records)
    history = run.message_hub.get_scalar("train/time").data[0]
    assert records[-1]["images_per_sec"] == pytest.approx(4 / history[-3:].mean())
    assert records[-1]["peak_memory_gb"] == pytest.approx(peak_memory_gb(), rel=0.5)


def test_memory_is_that_of_this_process():
    assert 0.1 < peak_memory_gb() < 64
