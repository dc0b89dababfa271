"""`pip install .`: one package with its configs, its zoo and its commands, which works from any folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from projects.threedgp import __main__ as commands
from projects.threedgp.packaged import packaged_file, with_packaged_files

ROOT = Path(__file__).resolve().parents[1]


def test_a_packaged_config_and_checkpoint_are_found_by_name():
    arguments = ["3dgp_toy64", "toy32", "--labels", "3dgp_toy64"]
    config, checkpoint, *options = with_packaged_files(arguments)
    assert Path(config).resolve() == ROOT / "configs" / "3dgp_toy64.py"
    assert Path(checkpoint) == ROOT / "projects" / "threedgp" / "zoo" / "toy32.pth"
    assert options == ["--labels", "3dgp_toy64"]
    assert packaged_file("3dgp_toy64.py", ["configs"], ".py") == packaged_file(
        "3dgp_toy64", ["configs"], ".py"
    )


def test_a_file_of_the_user_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "3dgp_toy64.py").touch()
    assert with_packaged_files(["3dgp_toy64.py"]) == ["3dgp_toy64.py"]
    assert with_packaged_files(["mine", "a/toy32", "--out", "toy32"]) == ["mine", "a/toy32", "--out", "toy32"]
    assert with_packaged_files(["--help"]) == ["--help"]


def test_an_unknown_verb_is_named_with_those_that_exist(capsys):
    assert commands.main(["trian"]) == 2
    assert "got 'trian', wanted one of train, test, render" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["--help"]])
def test_help_names_every_verb(argv, capsys):
    assert commands.main(argv) == 0
    printed = capsys.readouterr().out
    assert all(f"  {verb} " in printed for verb in commands.VERBS)


def test_every_verb_has_a_tool():
    for tool, _ in commands.VERBS.values():
        path = ROOT / "tools" / f"{tool.replace('.', '/')}.py"
        assert "def main(" in path.read_text(encoding="utf-8"), tool


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the checkout, in which building leaves its traces."""
    folder = tmp_path_factory.mktemp("build")
    for name in ("projects", "configs", "tools"):
        shutil.copytree(ROOT / name, folder / "source" / name, symlinks=True)
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder]
    run([sys.executable, "-m", "pip", "wheel", *offline, folder / "source"], folder)
    (built,) = folder.glob("*.whl")
    return built


def run(command, folder):
    """Runs a command that has to succeed, in a folder that is not the checkout."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The interpreter of a fresh environment with the wheel, which sees the packages of this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    install = ["install", "--no-deps", "--no-index", "--disable-pip-version-check", wheel]
    run([sys.executable, "-m", "pip", "--python", python, *install], folder)
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    (packages / "heavy.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.mark.slow
def test_the_wheel_holds_one_package_with_configs_and_zoo(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"projects", "threedgp"}
    plugin = {name.removeprefix("projects/threedgp/") for name in names}
    for folder, pattern in [
        ("configs", "*.py"),
        ("configs/_base_", "*.py"),
        ("projects/threedgp", "**/*.py"),
    ]:
        for path in (ROOT / folder).glob(pattern):
            relative = path.relative_to(ROOT).as_posix().removeprefix("projects/threedgp/")
            assert relative in plugin, path
    assert {"zoo/toy32.pth", "tools/train.py", "docs/method.md", "studies/published.toml"} <= plugin


@pytest.mark.slow
def test_the_installed_package_trains_and_renders_from_another_folder(installed, tmp_path):
    module = [installed, "-m", "projects.threedgp"]
    where = run([installed, "-c", "import projects.threedgp as p; print(p.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parents[1])
    render = ["toy32", "toy32", "--out", "pictures", "--grid", "1x1", "--orbits", "0", "--device", "cpu"]
    run([*module, "render", *render], tmp_path)
    assert (tmp_path / "pictures" / "samples.png").is_file()
    run([installed.parent / "threedgp", "scenes", "scenes", "--num", "16", "--resolution", "32"], tmp_path)
    options = ["--data-root", "scenes/train", "--cfg-options", "train_cfg.total_kimg=0.008"]
    run([*module, "train", "3dgp_quickstart", *options], tmp_path)
    assert "iter_1" in (tmp_path / "work_dirs" / "3dgp_quickstart" / "last_checkpoint").read_text()


def test_without_the_toolkit_the_last_line_says_how_to_install_it():
    code = "import sys; sys.modules['mmagic'] = None; import projects.threedgp"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("not installed: pip install --no-deps mmagic==1.2.0")
