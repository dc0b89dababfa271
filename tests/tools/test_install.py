"""tools/requirements.py and tools/install.sh: one list of requirements, installed once."""

import os
import re
import subprocess
import sys
import venv
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools import requirements

ROOT = Path(__file__).resolve().parents[2]

SETUP_CFG = """
[options]
install_requires =
    one>=1
    mmcv-lite>=2.0,<2.2
[options.extras_require]
dev =
    two>=2,<3
"""

# Stands in for an environment's Python: notes calls of pip, lets every import succeed.
FAKE_PYTHON = """#!/bin/bash
case "$*" in
    *"-m pip"*) echo "$*" >>"{log}"; cat >>"{log}"; exit "${{FAKE_PIP_STATUS:-0}}" ;;
    *"import cv2"* | *"import "*projects*) exit 0 ;;
    *version_info*) exit 0 ;;
    *) exec "{python}" "$@" ;;
esac
"""


@pytest.fixture
def setup_cfg(tmp_path):
    path = tmp_path / "setup.cfg"
    path.write_text(SETUP_CFG)
    return path


def test_requirements_are_those_of_setup_cfg(setup_cfg):
    bare = ["one>=1", "mmcv-lite>=2.0,<2.2"]
    assert requirements.read_requirements(setup_cfg) == bare
    assert requirements.read_requirements(setup_cfg, ["dev"]) == [*bare, "two>=2,<3"]
    with pytest.raises(ValueError, match=r"extras wanted \['x'\], known \['dev'\]"):
        requirements.read_requirements(setup_cfg, ["x"])


def test_an_installed_full_mmcv_is_kept(monkeypatch):
    wanted = ["one>=1", "mmcv-lite>=2.0,<2.2"]
    monkeypatch.setattr(requirements.metadata, "version", lambda name: "2.1.0")
    assert requirements.keep_installed_mmcv(wanted) == ["one>=1", "mmcv>=2.0,<2.2"]


@pytest.mark.parametrize(
    ("file", "extras"),
    [
        ("constraints.txt", ["toolkit", "depth", "dev"]),
        ("constraints-legacy.txt", ["toolkit", "depth", "mim"]),
    ],
)
def test_every_requirement_of_ours_has_a_tested_version(file, extras):
    pins = versions(ROOT / "tools" / file)
    for line in requirements.read_requirements(ROOT / "setup.cfg", extras):
        requirement = Requirement(line)
        assert pins[requirement.name], requirement.name
        for pin in pins[requirement.name]:
            assert pin in requirement.specifier, f"{requirement} does not admit the tested {pin}"


def versions(constraints):
    """The pinned versions of each package; one per range of Pythons."""
    pins = defaultdict(list)
    for line in constraints.read_text().splitlines():
        if match := re.match(r"([\w.-]+)==([^;\s]+)", line):
            pins[match[1]].append(match[2])
        elif match := re.match(r"([\w.-]+)<(\d+)", line):
            pins[match[1]].append(str(int(match[2]) - 1))
    return pins


def test_key_follows_requirements_and_constraints(tmp_path):
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("one==1.0")
    first = requirements.environment_key(["one"], constraints)
    assert first == requirements.environment_key(["one"], constraints)
    assert first != requirements.environment_key(["one", "two"], constraints)
    constraints.write_text("one==1.1")
    assert first != requirements.environment_key(["one"], constraints)


@pytest.fixture
def environment(tmp_path):
    """An empty environment with a fake pip: `install(*extras)` runs install.sh in it."""
    venv.create(tmp_path / "env", with_pip=False)
    log = tmp_path / "pip.log"
    log.touch()
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON.format(log=log, python=tmp_path / "env" / "bin" / "python"))
    python.chmod(0o755)

    def install(*extras, **variables):
        return subprocess.run(
            ["bash", ROOT / "tools" / "install.sh", *extras],
            env=os.environ | {"THREEDGP_NO_VENV": "1", "PYTHON": str(python)} | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    # An installation is two calls: what we require, and the toolkit without its dependencies.
    install.installations = lambda: log.read_text().count("--no-deps")
    install.log, install.python = log, python
    return install


def test_second_run_does_not_call_pip(environment):
    first = environment("dev")
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"{environment.python}\n"
    assert environment.installations() == 1
    assert "constraints.txt" in environment.log.read_text()
    ours, toolkit = environment.log.read_text().split("--no-deps")
    assert "pytest>=8" in ours and "mmagic" not in ours
    assert re.fullmatch(r" -r /dev/stdin\nmmagic\S+\n", toolkit)
    second = environment("dev")
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert "nothing to do" in second.stderr
    assert environment("dev").returncode == environment().returncode == 0
    assert environment.installations() == 1


def test_a_new_extra_installs_again(environment):
    assert environment().returncode == 0
    assert environment("dev").returncode == 0
    assert environment.installations() == 2


def test_a_failed_install_is_an_error_and_is_tried_again(environment):
    failed = environment(FAKE_PIP_STATUS="1")
    assert failed.returncode != 0
    assert "could not be installed" in failed.stderr
    assert environment().returncode == 0
    assert environment.log.read_text().count("-m pip install") == 3


def test_legacy_environment_takes_the_toolkit_with_its_dependencies(environment):
    assert environment("mim", THREEDGP_LEGACY="1").returncode == 0
    log = environment.log.read_text()
    assert "constraints-legacy.txt" in log and "mmagic>=" in log and "openmim" in log
    assert "--no-deps" not in log
    assert environment("mim").returncode == 0
    assert environment.installations() == 1


def run_install(folder, **variables):
    """install.sh where `folder` comes first on the PATH, and pyenv has nothing."""
    return subprocess.run(
        ["bash", ROOT / "tools" / "install.sh"],
        env={"PATH": f"{folder}:/usr/bin:/bin", "PYENV_ROOT": str(folder), "HOME": str(folder)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def fake_command(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def old_pythons(folder):
    """Hides whatever Python the machine has behind one that is too old."""
    for name in ("python", "python3", *(f"python3.{minor}" for minor in range(11, 15))):
        fake_command(folder, name, '[[ $1 == --version ]] && echo "Python 3.8.1"; exit 1')


@pytest.mark.parametrize("variables", [{"THREEDGP_NO_VENV": "1"}, {}])
def test_python_of_another_version_is_named_with_three_ways_out(tmp_path, variables):
    old_pythons(tmp_path)
    run = run_install(tmp_path, THREEDGP_VENV=str(tmp_path / "env"), **variables)
    assert run.returncode == 1
    assert "wanted a Python >=3.11,<3.15" in run.stderr
    assert "python is Python 3.8.1" in run.stderr
    assert all(way in run.stderr for way in ("apt-get install python3", "uv", "PYTHON=/path/to/python"))
    assert "THREEDGP_LEGACY" not in run.stderr


def test_a_named_python_is_the_only_one_asked(tmp_path):
    fake_command(tmp_path, "chosen", '[[ $1 == --version ]] && echo "Python 3.8.1"; exit 1')
    for variables in ({"THREEDGP_NO_VENV": "1"}, {"THREEDGP_VENV": str(tmp_path / "env")}):
        run = run_install(tmp_path, PYTHON=str(tmp_path / "chosen"), **variables)
        assert run.returncode == 1
        assert f"Found: {tmp_path}/chosen is Python 3.8.1. Three ways" in run.stderr


def test_legacy_wants_an_older_python(tmp_path):
    old_pythons(tmp_path)
    run = run_install(tmp_path, THREEDGP_VENV=str(tmp_path / "env"), THREEDGP_LEGACY="1")
    assert "wanted a Python >=3.11,<3.13" in run.stderr


def test_a_shim_that_does_not_run_is_passed_over(tmp_path):
    """As pyenv leaves one for each version that is not the chosen one."""
    fake_command(tmp_path, "python3", "exit 127")
    fake_command(tmp_path, "python", "exit 127")
    fake_command(tmp_path, "python3.14", f'exec "{sys.executable}" "$@"')
    run = run_install(tmp_path, THREEDGP_VENV=str(tmp_path / "env"), PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert f"making {tmp_path}/env with {tmp_path}/python3.14" in run.stderr
    assert "could not be installed" in run.stderr


def test_uv_makes_the_environment_where_no_python_fits(tmp_path):
    old_pythons(tmp_path)
    fake_command(
        tmp_path,
        "uv",
        f'echo "$*" >>{tmp_path}/uv.log; [[ $1 == venv ]] || exit 1\n'
        'bin="${@: -1}/bin"; mkdir -p "$bin"; touch "$bin/pip"\n'
        f'ln -s {sys.executable} "$bin/python"',
    )
    run = run_install(tmp_path, THREEDGP_VENV=str(tmp_path / "env"))
    calls = (tmp_path / "uv.log").read_text().splitlines()
    assert calls[0].startswith("venv") and ">=3.11,<3.15" in calls[0]
    assert calls[1].startswith(f"pip install --python {tmp_path}/env/bin/python")
    assert "could not be installed" in run.stderr


def test_this_python_fits_setup_cfg():
    assert (3, 11) <= sys.version_info[:2] < (3, 15)
