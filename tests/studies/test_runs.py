"""projects/threedgp/studies/runs.py: the config of each run, and which tools are called for which run."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from projects.threedgp.studies import runs
from projects.threedgp.studies.arms import CONVERGENCE_2D, FULL, Arm
from projects.threedgp.studies.runs import ROOT, execute, plan, write_config
from projects.threedgp.studies.sizes import Size
from tests.studies.made_up import made_up_run, train_record, val_record, write_log

SIZE = Size(kimg=0.032, val_interval_kimg=0.016, batch_size=8, jobs=1)
LAST_STEP = 4
SHIPPED = ROOT / FULL.config
ARMS = [Arm(name, name.upper()) for name in "abc"]


def written(run, tmp_path, size=SIZE):
    write_config(run, tmp_path / "data", size)
    return Config.fromfile(run.config_path)


def strings(node):
    """All strings in a config."""
    if isinstance(node, str):
        return [node]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else []
    return [text for child in children for text in strings(child)]


# The plan


def test_all_arms_of_a_seed_come_before_the_next_seed(tmp_path):
    planned = plan(ARMS[:2], [3, 1], tmp_path)
    names = ["a_seed3", "b_seed3", "a_seed1", "b_seed1"]
    assert [run.folder for run in planned] == [tmp_path / "runs" / name for name in names]
    assert [(run.arm.name, run.seed) for run in planned] == [("a", 3), ("b", 3), ("a", 1), ("b", 1)]


def test_folders_do_not_depend_on_where_the_tools_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run,) = plan([FULL], [0], Path("out"))
    assert run.folder == tmp_path / "out" / "runs" / "full_seed0"


# Configs


@pytest.mark.parametrize("arm", [FULL, CONVERGENCE_2D[1]], ids=lambda arm: arm.name)
def test_paths_point_at_the_data_folder(tmp_path, arm):
    config = written(plan([arm], [0], tmp_path)[0], tmp_path)
    data = str(tmp_path / "data")
    assert config.root == data
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.data_root == f"{data}/train"
    for metric in (config.val_evaluator.metrics[0], config.test_evaluator.metrics[0]):
        assert metric.inception_path == f"{data}/networks/extractor.ts"
    root = Config.fromfile(SHIPPED).root
    assert not [text for text in strings(config.to_dict()) if text.startswith(root)]


def test_options_of_any_type_arrive(tmp_path):
    options = {
        "model.distillation": None,
        "model.camera_regularizers": [],
        "model.r1": dict(gamma=0.5),
        "model.generator.renderer.num_fine": 3,
        "val_evaluator.metrics": [dict(type="NonFlatnessScore")],
        "test_evaluator.metrics.1.fake_nums": 16,
    }
    arm = Arm("other", "other", options)
    before = copy.deepcopy(options)
    config, shipped = written(plan([arm], [0], tmp_path)[0], tmp_path), Config.fromfile(SHIPPED)
    assert config.model.distillation is None
    assert config.model.camera_regularizers == []
    assert config.model.r1 == shipped.model.r1 | dict(gamma=0.5)
    assert config.model.generator.renderer == shipped.model.generator.renderer | dict(num_fine=3)
    assert config.val_evaluator.metrics == [dict(type="NonFlatnessScore")]
    counts = [metric.get("fake_nums") for metric in config.test_evaluator.metrics]
    shipped_counts = [metric.get("fake_nums") for metric in shipped.test_evaluator.metrics]
    assert counts == [shipped_counts[0], 16, *shipped_counts[2:]]
    assert options == before


def test_seed_length_and_batch_are_those_asked_for(tmp_path):
    size = Size(kimg=5, val_interval_kimg=0.5, batch_size=16, jobs=1)
    config = written(plan([FULL], [7], tmp_path)[0], tmp_path, size)
    assert config.randomness == dict(seed=7, diff_rank_seed=True)
    assert (config.train_cfg.total_kimg, config.train_cfg.val_interval_kimg) == (5, 0.5)
    assert config.train_dataloader.batch_size == 16
    assert config.work_dir == str(tmp_path / "runs" / "full_seed7")


@pytest.mark.parametrize(("kimg", "interval"), [(2, 20), (0.016, 2), (0.001, 1)])
def test_there_is_a_line_of_the_log_before_each_validation(tmp_path, kimg, interval):
    config = written(plan([FULL], [0], tmp_path)[0], tmp_path, replace(SIZE, val_interval_kimg=kimg))
    assert config.default_hooks.logger.interval == interval


def test_a_written_config_is_complete_in_itself(tmp_path, monkeypatch):
    (run,) = plan([FULL], [0], tmp_path)
    write_config(run, tmp_path / "data", SIZE)
    elsewhere = tmp_path / "elsewhere" / "moved.py"
    elsewhere.parent.mkdir()
    elsewhere.write_text(run.config_path.read_text())
    monkeypatch.chdir(elsewhere.parent)
    assert "_base_" not in elsewhere.read_text()
    assert Config.fromfile(elsewhere.name).model == Config.fromfile(SHIPPED).model


def test_the_same_settings_again_are_fine_even_after_the_runner_wrote_its_copy(tmp_path):
    (run,) = plan([FULL], [0], tmp_path)
    config = written(run, tmp_path)
    config.launcher, config.resume, config.load_from = "none", True, "iter_4.pth"
    config.dump(run.config_path)
    before = run.config_path.read_bytes()
    write_config(run, tmp_path / "data", SIZE)
    assert run.config_path.read_bytes() == before


@pytest.mark.parametrize("change", ["size", "options"])
def test_other_settings_are_refused_by_name_and_the_old_ones_stay(tmp_path, change):
    (run,) = plan([FULL], [0], tmp_path)
    write_config(run, tmp_path / "data", SIZE)
    before = run.config_path.read_bytes()
    if change == "options":
        other, size = replace(run, arm=replace(FULL, options={"model.distillation.form": "kl"})), SIZE
    else:
        other, size = run, replace(SIZE, kimg=1)
    with pytest.raises(ValueError, match=r"full_seed0/config\.py: got a run with other settings"):
        write_config(other, tmp_path / "data", size)
    assert run.config_path.read_bytes() == before


def test_a_run_of_data_that_were_made_anew_is_refused(tmp_path):
    data = tmp_path / "data"
    for name in ("meta.json", "networks/extractor.ts"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("first")
    (run,) = plan([FULL], [0], tmp_path)
    write_config(run, data, SIZE)
    write_config(run, data, SIZE)
    (data / "networks/extractor.ts").write_text("other")
    with pytest.raises(ValueError, match=r"full_seed0/config\.py: got a run with other settings"):
        write_config(run, data, SIZE)


# Execution


class Tools:
    """Takes the place of processes: notes what is called, leaves what the tools leave, fails where told."""

    def __init__(self, *failing):
        self.calls, self.failing = [], failing

    def __call__(self, run, log, tool, *arguments):
        self.calls.append((run.folder.name, tool, arguments))
        if (run.folder.name, tool) in self.failing:
            return False
        if tool == "tools/train.py":
            leave_checkpoint(run, LAST_STEP)
        else:
            run.metrics_path.write_text(json.dumps({"metrics": {}}))
        return True

    @property
    def names(self):
        return [(folder, Path(tool).stem) for folder, tool, _ in self.calls]


def leave_checkpoint(run, step):
    (run.folder / "last_checkpoint").write_text(str(run.folder / f"iter_{step}.pth"))


@pytest.fixture
def tools(monkeypatch):
    tools = Tools()
    monkeypatch.setattr(runs, "_call", tools)
    return tools


def test_a_run_is_trained_and_its_last_checkpoint_evaluated(tmp_path, tools):
    (run,) = plan(ARMS[:1], [0], tmp_path)
    execute([run], tmp_path / "data", SIZE)
    config, folder = str(run.config_path), str(run.folder)
    assert tools.calls == [
        ("a_seed0", "tools/train.py", (config, "--resume")),
        ("a_seed0", "tools/test.py", (config, str(run.folder / "iter_4.pth"), "--out", folder)),
    ]


def test_what_is_done_is_not_done_again(tmp_path, tools):
    finished, trained, cut = plan(ARMS, [0], tmp_path)
    execute([finished], tmp_path / "data", SIZE)
    for run, step in ((trained, LAST_STEP), (cut, LAST_STEP - 1)):
        write_config(run, tmp_path / "data", SIZE)
        leave_checkpoint(run, step)
    tools.calls.clear()
    execute([finished, trained, cut], tmp_path / "data", SIZE)
    assert tools.names == [("b_seed0", "test"), ("c_seed0", "train"), ("c_seed0", "test")]
    tools.calls.clear()
    execute([finished, trained, cut], tmp_path / "data", SIZE)
    assert tools.calls == []


def test_failures_are_reported_by_name_after_the_others_are_finished(tmp_path, tools):
    tools.failing = (("a_seed0", "tools/train.py"), ("b_seed0", "tools/test.py"))
    planned = plan(ARMS, [0], tmp_path)
    with pytest.raises(RuntimeError) as error:
        execute(planned, tmp_path / "data", SIZE)
    assert str(error.value).splitlines() == [
        f"a_seed0: training failed, see {planned[0].folder / 'train.log'}",
        f"b_seed0: evaluation failed, see {planned[1].folder / 'test.log'}",
    ]
    assert [run.metrics_path.is_file() for run in planned] == [False, False, True]


def test_nothing_starts_if_one_of_the_runs_has_other_settings(tmp_path, tools):
    planned = plan(ARMS, [0], tmp_path)
    write_config(planned[2], tmp_path / "data", replace(SIZE, kimg=1))
    with pytest.raises(ValueError, match="c_seed0"):
        execute(planned, tmp_path / "data", SIZE)
    assert tools.calls == []


def test_tools_run_in_the_repository_and_what_they_say_is_kept(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    run = made_up_run(tmp_path)
    tell = "import os, sys; print(os.getcwd(), os.environ['OMP_NUM_THREADS'], file=sys.stderr)"
    assert runs._call(run, "train.log", "-c", tell)
    assert not runs._call(run, "train.log", "-c", "print('bad'); raise SystemExit(2)")
    assert (run.folder / "train.log").read_text() == f"{ROOT} 1\nbad\n"


# What a run tells


@pytest.fixture
def resumed(tmp_path):
    """8 images a step; validated every 5; stopped after 25 steps, resumed at 20."""
    log = [train_record(10, 2.0), train_record(20, 1.0), train_record(25, 9.0)]
    validations = [val_record(step, "FID/fid", value) for step, value in ((5, 90.0), (20, 50.0), (25, 1.0))]
    run = made_up_run(tmp_path, log=log + validations)
    write_log(run, "20250102_000000", [train_record(25, 4.0), val_record(25, "FID/fid", 40.0)])
    return run


def test_curve_is_the_metric_over_images_and_resumption_replaces_what_it_repeats(resumed):
    assert resumed.curve("FID/fid") == ([0.04, 0.16, 0.2], [90.0, 50.0, 40.0])
    assert resumed.curve("other") == ([], [])


def test_kimg_counts_the_last_step_that_was_logged(resumed, tmp_path):
    assert resumed.kimg() == 0.2
    assert made_up_run(tmp_path, seed=1).kimg() == 0.0


def test_training_seconds_leave_out_validations(resumed):
    assert resumed.training_seconds() == 10 * 2.0 + 10 * 1.0 + 5 * 4.0


def test_metrics_that_are_not_finite_are_numbers(tmp_path):
    metrics = made_up_run(tmp_path, metrics={"a": 1.5, "b": "inf"}).metrics()
    assert metrics == {"a": 1.5, "b": float("inf")}
