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
            "model: ",
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
    ],
)
def test_rendering_and_evaluation(files, tmp_path, capsys, argv, message):
    assert message in line_of(render, files, capsys, *argv, "--out", str(tmp_path))
    if len(argv) == 1:
        assert message in line_of(test, files, capsys, *argv, "--out", str(tmp_path))


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
