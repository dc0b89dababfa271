"""projects/threedgp/errors.py: what a user can mend is one line and status 2, faults keep their traceback."""

from pathlib import Path

import pytest

from projects.threedgp.errors import UserError, blame, reason, user_errors
from projects.threedgp.schedules import Linear


def run(block, capsys):
    """Exit status and standard error of a program that runs a block."""
    with pytest.raises(SystemExit) as end, user_errors():
        block()
    return end.value.code, capsys.readouterr().err


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("block", "line"),
    [
        (lambda: fail(UserError("data:\n  no images")), "data: no images"),
        (lambda: Path("missing.txt").read_text(), "[Errno 2] No such file or directory: 'missing.txt'"),
        # Raised by our own code, at a boundary.
        (lambda: Linear(0.0, 1.0, over_kimg=-1), "over_kimg: got -1, wanted a number >= 0"),
    ],
)
def test_what_a_user_can_mend_is_one_line(capsys, block, line):
    status, said = run(block, capsys)
    assert status == 2
    assert said.endswith(f": error: {line}\n") and said.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("theirs"), AttributeError("ours"), RuntimeError("theirs")])
def test_faults_keep_their_traceback(error):
    with pytest.raises(type(error)), user_errors():
        fail(error)


def test_stumbling_is_a_fault_although_our_code_does_it():
    with pytest.raises(TypeError), user_errors():
        Linear(0.0, 1.0, over_kimg="long")


def test_the_traceback_is_there_for_the_asking(monkeypatch):
    monkeypatch.setenv("THREEDGP_TRACEBACK", "1")
    with pytest.raises(UserError), user_errors():
        fail(UserError("data"))


def test_only_one_process_of_a_machine_speaks(monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert run(lambda: fail(UserError("data")), capsys) == (2, "")


def test_blame_makes_an_error_the_users():
    with pytest.raises(UserError, match=r"^model: number of layers$"), blame("model", KeyError):
        raise KeyError("number of layers")
    with pytest.raises(ValueError, match=r"^other$"), blame("model", KeyError):
        raise ValueError("other")


def test_an_error_of_a_worker_is_its_last_line():
    text = "Caught ValueError in worker process 0.\nOriginal Traceback (most recent call last):\n  ..."
    assert reason(ValueError(f"{text}\nValueError: a.png: cannot be read\n")) == "a.png: cannot be read"
