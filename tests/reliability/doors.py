"""Takes a mutated input through the door that a user takes it through, and judges what comes of it."""

import contextlib
import io
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import ModuleType

from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer

from projects.threedgp.engine import work_folder
from projects.threedgp.errors import user_errors


class Outcome(StrEnum):
    """What became of a mutated input."""

    REFUSED = "refused in one line that names it"
    HARMLESS = "accepted, and nothing differs (or a warning names it)"
    UNKNOWABLE = "accepted as another content: the format has no check sum"
    VAGUE = "refused, but in a line that does not name it"
    WRONG = "accepted in silence, and wrong"
    TRACEBACK = "traceback"
    EXECUTED = "something in it was executed"


GOOD = (Outcome.REFUSED, Outcome.HARMLESS, Outcome.UNKNOWABLE)


@dataclass(frozen=True)
class Said:
    """How a tool ended.

    Attributes:
        status: Its exit status.
        text: What it printed and logged.
        trace: The traceback, if it left one.
    """

    status: int
    text: str
    trace: str = ""

    @property
    def last_line(self) -> str:
        """The line of the error."""
        return next(iter(self.text.strip().splitlines()[::-1]), "")


@dataclass(frozen=True)
class Case:
    """A mutated input on its way.

    Attributes:
        name: What was done to it.
        tool: Module of the command.
        argv: Its arguments.
        named: Texts of which a refusal has to hold one.
        judge: What an acceptance is, by what the tool said.
        logs: Folder with the log files of the run.
    """

    name: str
    tool: ModuleType
    argv: Sequence[object]
    named: Sequence[str]
    judge: Callable[[Said], Outcome]
    logs: Path | None = field(default=None)


def enter(tool: ModuleType, argv: Iterable[object], logs: Path | None = None) -> Said:
    """Call a command as its script does.

    Args:
        tool: Its module.
        argv: Arguments.
        logs: Folder with the log files of the run.
    """
    output, trace, status = io.StringIO(), "", 0
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output), user_errors():
            tool.main(list(map(str, argv)))
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        trace, status = traceback.format_exc(), 1
    finally:
        _forget_run()
    logged = "".join(path.read_text(errors="replace") for path in sorted(logs.rglob("*.log"))) if logs else ""
    return Said(status, logged + output.getvalue(), trace)


def _forget_run() -> None:
    """Close what the toolkit keeps to the end of a process, of which there is one for all runs here."""
    for logger in MMLogger._instance_dict.values():
        for handler in list(logger.handlers):
            handler.close()
            logger.removeHandler(handler)
    for kind in (MMLogger, MessageHub, Visualizer, *Visualizer.__subclasses__()):
        kind._instance_dict.clear()
    while work_folder._held:
        work_folder._held.popitem()[1].close()


def outcome_of(case: Case, mark: Path) -> tuple[Outcome, str]:
    """Take a mutated input through its door.

    Args:
        case: The input.
        mark: File that payloads write when they are executed.

    Returns:
        The outcome, and what was said of it.
    """
    said = enter(case.tool, case.argv, case.logs)
    if mark.exists():
        mark.unlink()
        return Outcome.EXECUTED, said.text
    if said.trace:
        return Outcome.TRACEBACK, said.trace
    if said.status == 0:
        return case.judge(said), said.text
    line = said.last_line
    if said.status != 2 or "error: " not in line or "Traceback" in said.text:
        return Outcome.TRACEBACK, said.text
    return (Outcome.REFUSED if any(name in line for name in case.named) else Outcome.VAGUE), line
