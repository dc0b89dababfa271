"""Turns what a user can mend into one line and exit status 2; what only we can mend keeps its traceback."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = str(Path(__file__).resolve().parent)
TRACEBACK = "THREEDGP_TRACEBACK"
USER_ERROR = 2
INTERRUPTED = 130
# What our code raises at its boundaries (config, file, public call) for a user to mend.
BOUNDARY_ERRORS = (ValueError, TypeError, KeyError, ImportError)
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
def user_errors() -> Iterator[None]:
    """End the process with one line and status 2 if what goes wrong is the user's to mend.

    That are ``UserError``, files that cannot be read or written, and what our code raises at its boundaries;
    everything else is a fault and keeps its traceback. So does all of it with ``THREEDGP_TRACEBACK=1``.
    """
    try:
        yield
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if os.environ.get(TRACEBACK, "0") not in ("", "0") or not is_the_users(error):
            raise
        _say(f"error: {reason(error)}")
        sys.exit(USER_ERROR)


def is_the_users(error: BaseException) -> bool:
    """Whether an error is for the user to mend, rather than a fault of the program."""
    if isinstance(error, UserError | OSError):
        return True
    return isinstance(error, BOUNDARY_ERRORS) and _is_raised_by_us(error)


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    text = str(error)
    if WORKER in text:
        text = text.rstrip().splitlines()[-1].partition(": ")[2]  # torch appends a worker's traceback
    if isinstance(error, KeyError) and len(error.args) == 1:
        text = str(error.args[0])  # str() of it would be quoted
    return " ".join(text.split()) or type(error).__name__


def _is_raised_by_us(error: BaseException) -> bool:
    """Whether our code says ``raise``, rather than stumbles; also if it does so in a worker of a loader."""
    text = str(error)
    if WORKER in text:
        file, statement = text.splitlines()[-3:-1] if text.count("\n") > 3 else ("", "")
        return PACKAGE in file and statement.strip().startswith("raise")
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or not str(Path(frames[-1].filename).resolve()).startswith(PACKAGE):
        return False
    return (frames[-1].line or "").startswith("raise")


def _say(text: str) -> None:
    """Print a line once on each machine, however many processes run there."""
    if os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")) == "0":
        print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr)
