"""The command line: what a user can mend ends in one line and status 2, before anything is trained."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from projects.threedgp.errors import user_errors
from tests import tiny_runs
from tests.tools.test_ablations import SMALL
from tools import render, test, train
from tools.model_converters import mmengine_to_official

ROOT = Path(__file__).resolve().parents[2]
NO_TABLE = "model.distillation=None"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "small.py").write_text(SMALL)
    (folder / "syntax.py").write_text("model = dict(\n")
    (folder / "name.py").write_text("model = undefined\n")
    (folder / "nothing.txt").write_text("")
    (folder / "bad.pth").write_bytes(b"no checkpoint")
    torch.save(dict(state_dict={}), folder / "bare.pth")
    (folder / "empty" / "class").mkdir(parents=True)
    tiny_runs.write_images(folder / "data")
    return folder


def line_of(tool, files, capsys, *argv):
    """What a tool says on standard error before it ends with status 2."""
    arguments = [str(files / part[1:]) if part.startswith("@") else part for part in argv]
    with pytest.raises(SystemExit) as end, user_errors():
        tool.main(arguments)
    assert end.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert "error: " in said[-1]
    assert not any(part.startswith("Traceback") for part in said)
    return said[-1]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["@syntax.py"], "syntax.py: '(' was never closed"),
        (["@name.py"], "name.py: name 'undefined' is not defined"),
        (["@nothing.txt"], "nothing.txt: Only py/yml/yaml/json type are supported"),
        (["@small.py", "--cfg-options", "novalue"], "--cfg-options novalue: wanted KEY=VALUE"),
        (["@small.py", "--cfg-options", "modle.r1=None"], "no 'modle' in the config; did you mean 'model'?"),
        (
            ["@small.py", "--cfg-options", "model.generator.mlp_hiden_dim=8", NO_TABLE],
            "generator: got an unknown argument 'mlp_hiden_dim'; did you mean 'field.mlp_hidden_dim'?",
        ),
        (
            ["@small.py", "--cfg-options", "train_cfg.total_kimgs=8", NO_TABLE],
            "train_cfg: KimgTrainLoop takes no 'total_kimgs'; did you mean 'total_kimg'?",
        ),
        (
            ["@small.py", "--cfg-options", "model.r1.type=R1Regulariser", NO_TABLE],
            "model.r1.type: got 'R1Regulariser', which nothing is registered as; did you mean 'R1Regularizer",
        ),
        (
            ["@small.py", "--cfg-options", "val_evaluator.metrics.7.a=1"],
            "--cfg-options val_evaluator.metrics.7.a=1: ",
        ),
        (
            [
                "@small.py",
                "--data-root",
                "@data",
                "--cfg-options",
                "model.generator.marching.num_coars=8",
                NO_TABLE,
            ],
            "num_coars",
        ),
        (
            [
                "@small.py",
                "--data-root",
                "@data",
                "--cfg-options",
                "model.generator.patch_size=big",
                NO_TABLE,
            ],
            "model.generator.patch_size: got 'big'",
        ),
        (["@small.py", "--data-root", "@empty", "--cfg-options", NO_TABLE], "empty"),
        (
            ["@small.py", "--data-root", "@data", "--launcher", "slurm", "--cfg-options", NO_TABLE],
            "needs CUDA",
        ),
        (
            ["@small.py", "--data-root", "@data", "--cfg-options", "train_dataloader.dataset.features=None"],
            "model.distillation: nothing to distil",
        ),
        (["@small.py", "--work-dir", "@bad.pth"], "bad.pth' is a file"),
        (["@small.py", "--resume", "--overwrite"], "wanted one of them"),
        (
            ["@small.py", "--data-root", "@data", "--cfg-options", "randomness.seed=abc", NO_TABLE],
            "randomness.seed: got 'abc', wanted None or an integer in [0, 4294967296)",
        ),
        (
            ["@small.py", "--data-root", "@data", "--cfg-options", "randomness.seed=-1", NO_TABLE],
            "randomness.seed: got -1, wanted",
        ),
        (
            [
                "@small.py",
                "--cfg-options",
                "model.generator.patch_size=None",
                "model.patch_sampler.alpha=2.0",
            ],
            "model.patch_sampler.alpha: does nothing while model.generator.patch_size is None; wanted "
            "model.generator.patch_size=PIXELS as well",
        ),
        (
            ["@small.py", "--cfg-options", NO_TABLE, "train_dataloader.dataset.features=a.npy"],
            "train_dataloader.dataset.features: does nothing while model.distillation is None",
        ),
        (
            ["@small.py", "--cfg-options", NO_TABLE, "model.teacher.type=TimmTeacher"],
            "model.teacher.type: does nothing while model.distillation is None",
        ),
    ],
)
def test_training(files, tmp_path, capsys, argv, message):
    assert message in line_of(train, files, capsys, *argv, "--work-dir", str(tmp_path))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["@bad.pth"], "bad.pth"),
        (["@bare.pth"], "holds no config"),
        (["@small.py", "@bad.pth", "--cfg-options", NO_TABLE], "bad.pth"),
        (["@small.py"], "small.py"),
        (
            ["@small.py", "@bare.pth", "--cfg-options", NO_TABLE],
            "bare.pth: it belongs to another config (model.strict_load=False loads what fits)",
        ),
        (["@small.py", "@bare.pth", "--out", "@bad.pth"], "bad.pth' is a file"),
    ],
)
def test_rendering_and_evaluation(files, tmp_path, capsys, argv, message):
    assert message in line_of(render, files, capsys, *argv, "--out", str(tmp_path))
    if "--out" in argv or len(argv) == 1:
        assert message in line_of(test, files, capsys, *argv, "--out", str(tmp_path))


def test_weights_of_another_config_are_named_before_training(files, tmp_path, capsys):
    options = (f"load_from={files / 'bare.pth'}", NO_TABLE)
    argv = ("@small.py", "--data-root", "@data", "--work-dir", str(tmp_path), "--cfg-options", *options)
    assert f"checkpoint {files / 'bare.pth'}: it belongs to another" in line_of(train, files, capsys, *argv)


def test_official_weights_are_called_what_they_are(files, tmp_path, capsys):
    said = line_of(mmengine_to_official, files, capsys, "@bare.pth", str(tmp_path / "weights.pth"))
    assert "weights.pth, wanted a name that ends in .safetensors" in said


@pytest.mark.parametrize(
    ("option", "value", "limit"),
    [
        ("--frames", "0", 0),
        ("--fps", "-1", 0),
        ("--fps", "nan", 0),
        ("--steps-factor", "0", 0),
        ("--batch-size", "0", 0),
        ("--resolution", "-4", 0),
        ("--enlarge", "-1", 0),
        ("--orbits", "-1", -1),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_rendered(
    files, tmp_path, capsys, option, value, limit
):
    said = line_of(render, files, capsys, "@bare.pth", "--out", str(tmp_path), option, value)
    assert f"argument {option}: got {value}, wanted a number above {limit}" in said


@pytest.mark.parametrize(
    "tool", sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("tools/**/*.py"))
)
def test_help_answers_at_once(tool):
    """Nothing is imported that takes seconds."""
    heavy = ("torch", "mmengine", "mmagic", "mmcv", "matplotlib", "timm", "scipy")
    report = f"lambda: print('imported:', *(name for name in {heavy} if name in sys.modules))"
    code = f"import runpy, sys; sys.argv[1:] = ['--help']; runpy.run_path({tool!r}, run_name='__main__')"
    code = f"import atexit, sys; atexit.register({report}); {code}"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    usage, *_, imported = run.stdout.splitlines()
    assert usage.startswith("usage: ") and imported.split() == ["imported:"]
