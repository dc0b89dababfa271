"""The work folder of a training: of one run at a time, and none that overwrites another by accident."""

import fcntl
import os
import socket
import time
from pathlib import Path
from typing import IO

from ..errors import UserError
from ..whole_files import clear_leftovers
from .checkpoint_loading import POINTER

LOCK = ".running"
_CHECKPOINTS = ("iter_*.pth", "best_*.pth")
# Of this process, which holds them to its end, however that comes.
_held: dict[Path, IO[str]] = {}


def claim(folder: str | Path) -> None:
    """Keep every other training out of a work folder until this process ends; nothing in the other ranks.

    The lock is the system's, so that it goes with the process also if that is killed; the file, which says
    who holds it, may stay. What one that was killed was about to write is removed.

    Args:
        folder: The folder; made if it is missing.

    Raises:
        UserError: If another process trains there.
    """
    if not _is_first_process():
        return
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if folder in _held:
        return
    # Of this process alone: a loader's worker that outlives it for a moment does not hold the lock.
    file = (folder / LOCK).open("a+", encoding="utf-8")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise UserError(
            f"--work-dir {folder}: {holder} trains there; wait for it or stop it, or use another --work-dir"
        ) from error
    file.truncate(0)
    began = time.strftime("%Y-%m-%d %H:%M:%S")
    file.write(f"process {os.getpid()} on {socket.gethostname()}, since {began},")
    file.flush()
    _held[folder] = file
    for each in (folder, *filter(Path.is_dir, folder.iterdir())):
        clear_leftovers(each, of_any_machine=True)


def spare_earlier_training(folder: str | Path, overwrite: bool) -> None:
    """Look for the checkpoints of another training where a new one is to begin.

    Args:
        folder: The work folder.
        overwrite: Remove them.

    Raises:
        UserError: If there are some and they are not to be removed.
    """
    earlier = [path for pattern in _CHECKPOINTS for path in sorted(Path(folder).glob(pattern))]
    if not earlier or not _is_first_process():
        return
    if not overwrite:
        raise UserError(
            f"--work-dir {folder}: holds a training already ({earlier[0].name}); --resume continues it, "
            "--overwrite removes its checkpoints, another --work-dir leaves them alone"
        )
    for path in [Path(folder, POINTER), *earlier]:
        path.unlink(missing_ok=True)


def _is_first_process() -> bool:
    return os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"
