"""Trainings in processes of their own that need not import everything anew: they can be killed often."""

import os
import socket
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "tests" / "reliability" / "tiny_config.py")
LONG = os.environ.get("THREEDGP_RELIABILITY") == "long"


def start(log: Path, task: Callable[..., object], *arguments: object, **environment: str) -> BaseProcess:
    """Start a task in a fork of a clean process that has imported the toolkit and no more.

    Args:
        log: Gets what it prints.
        task: A function of a module.
        *arguments: Its arguments.
        **environment: Variables.
    """
    os.environ["PYTHONPATH"] = str(ROOT)  # for the process that is forked
    context = get_context("forkserver")
    context.set_forkserver_preload(["projects.threedgp.engine.launch", "tests.reliability.forked"])
    process = context.Process(target=_run, args=(str(log), task, arguments, environment))
    process.start()
    return process


def free_port() -> str:
    """A port that nobody listens to now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def start_processes(
    number: int, log: Path, task: Callable[..., object], *arguments: object
) -> list[BaseProcess]:
    """Start a task in several processes, as torch's launcher would; each has a log of its own."""
    known = dict(WORLD_SIZE=str(number), MASTER_ADDR="127.0.0.1", MASTER_PORT=free_port())
    logs = [log.with_name(f"{log.stem}_{rank}.log") for rank in range(number)]
    return [
        start(each, task, *arguments, RANK=str(rank), LOCAL_RANK=str(rank), **known)
        for rank, each in enumerate(logs)
    ]


def _run(log: str, task: Callable[..., object], arguments: tuple, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    os.makedirs(os.path.dirname(log), exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    task(*arguments)


def train(*arguments: str) -> None:
    """Run ``tools/train.py``.

    Args:
        *arguments: Its command line.
    """
    from projects.threedgp.errors import user_errors
    from tools.train import main

    sys.argv[0] = "train.py"
    with user_errors():
        main(arguments)


def training(data: str, work_dir: Path, kimg: float, *arguments: str) -> list[str]:
    """Command line of a training of the tiny config, which saves in every step."""
    options = ["--cfg-options", f"train_cfg.total_kimg={kimg}", *arguments]
    return [CONFIG, "--data-root", data, "--work-dir", str(work_dir), *options]
