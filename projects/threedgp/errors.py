"""Turns what a user can mend into one line and exit status 2; what only we can mend keeps its traceback."""

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PACKAGE = str(Path(__file__).resolve().parent)
TRACEBACK = "THREEDGP_TRACEBACK"
USER_ERROR = 2
# What our code raises at its boundaries (config, file, public call) for a user to mend.
BOUNDARY_ERRORS = (ValueError, TypeError, KeyError, ImportError, OSError)
WORKER = "Original Traceback"


class UserError(ValueError):
    """Something that whoever runs the program can mend; its message is one line that says how."""


@contextmanager
def blame(subject: str, *kinds: type[Exception]) -> Iterator[None]:
    """Make errors of these kinds the user's: the block only does what the user asked for.

    Args:
        subject: What the block is about, which begins the line; empty for nothing.
        *kinds: Kinds of errors.

    Raises:
        UserError: Instead of them.
    """
    try:
        yield
    except UserError:
        raise
    except kinds as error:
        raise UserError(f"{subject}: {reason(error)}" if subject else reason(error)) from error


@contextmanager
def user_errors(argv: Sequence[str] | None = None) -> Iterator[None]:
    """End the process with one line and status 2 if what goes wrong is the user's to mend.

    That are ``UserError`` and what our code raises at its boundaries; errors of other kinds or from other
    code are faults and keep their traceback. So does everything with ``THREEDGP_TRACEBACK=1``.

    Args:
        argv: The command line without the program; None for the process's own.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(_say("interrupted") or 130)
    except Exception as error:
        if os.environ.get(TRACEBACK, "0") not in ("", "0") or not is_the_users(error):
            raise
        _say(f"error: {reason(error)}")
        sys.exit(USER_ERROR)


def is_the_users(error: BaseException) -> bool:
    """Whether an error is for the user to mend, rather than a fault of the program."""
    if isinstance(error, UserError):
        return True
    return isinstance(error, BOUNDARY_ERRORS) and _origin(error).startswith(PACKAGE)


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    text = str(error)
    if WORKER in text:
        text = text.rstrip().splitlines()[-1].partition(": ")[2]  # torch appends a worker's traceback
    if isinstance(error, KeyError) and len(error.args) == 1:
        text = str(error.args[0])  # str() of it would be quoted
    return " ".join(text.split()) or type(error).__name__


def _origin(error: BaseException) -> str:
    """The file whose code raised an error, also if that was in a worker of a loader."""
    text = str(error)
    if WORKER in text:
        files = [line.split('"')[1] for line in text.splitlines() if line.lstrip().startswith('File "')]
        return files[-1] if files else ""
    frames = traceback.extract_tb(error.__traceback__)
    return str(Path(frames[-1].filename).resolve()) if frames else ""


def _say(text: str) -> None:
    """Print a line once on each machine, however many processes run there."""
    if os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")) == "0":
        print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr)
