"""tools/requirements.py and tools/install.sh: one list of requirements, installed once."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

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


def test_every_requirement_of_ours_has_a_tested_version():
    extras = ["depth", "mim", "dev"]
    pinned = (ROOT / "tools" / "constraints.txt").read_text()
    for line in requirements.read_requirements(ROOT / "setup.cfg", extras):
        name = re.split("[<>=]", line)[0]
        assert re.search(f"^{re.escape(name)}(==|<)", pinned, re.MULTILINE), name


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

    install.pip_calls = lambda: log.read_text().count("-m pip install")
    install.log, install.python = log, python
    return install


def test_second_run_does_not_call_pip(environment):
    first = environment("dev")
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"{environment.python}\n"
    assert environment.pip_calls() == 1
    assert "constraints.txt" in environment.log.read_text()
    assert "pytest>=8" in environment.log.read_text()
    second = environment("dev")
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert "nothing to do" in second.stderr
    assert environment("dev").returncode == environment().returncode == 0
    assert environment.pip_calls() == 1


def test_a_new_extra_installs_again(environment):
    assert environment().returncode == 0
    assert environment("dev").returncode == 0
    assert environment.pip_calls() == 2


def test_a_failed_install_is_an_error_and_is_tried_again(environment):
    failed = environment(FAKE_PIP_STATUS="1")
    assert failed.returncode != 0
    assert "pip could not install" in failed.stderr
    assert environment().returncode == 0
    assert environment.pip_calls() == 2


def test_python_of_another_version_is_named(tmp_path):
    for name in ("python", "python3"):
        fake = tmp_path / name
        fake.write_text('#!/bin/bash\n[[ $1 == --version ]] && echo "Python 3.8.1"\nexit 1\n')
        fake.chmod(0o755)
    run = subprocess.run(
        ["bash", ROOT / "tools" / "install.sh"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "THREEDGP_NO_VENV": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "wanted a Python >=3.11,<3.13" in run.stderr
    assert "python is Python 3.8.1" in run.stderr


def test_this_python_fits_setup_cfg():
    assert (3, 11) <= sys.version_info[:2] < (3, 13)
