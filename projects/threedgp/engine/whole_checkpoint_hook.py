"""Checkpoints that survive a crash, are continued from the newest whole one, and fit what loads them."""

import logging
import os
from collections import deque
from collections.abc import Callable
from copy import copy
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from mmagic.registry import HOOKS
from mmengine.dist import all_gather_object, is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner

from ..errors import UserError
from ..training.state_dicts import find_misfits, unwrap
from ..whole_files import whole_file
from .checkpoint_loading import (
    POINTER,
    ClassNames,
    class_names,
    differing_classes,
    meta_of,
    newest_whole_checkpoint,
    stored_class_names,
)
from .divergence_hook import broken_weights, raise_alike
from .resume_check import check_resumed

BACKEND = "whole"
STOP, GO_ON = "stop", "go_on"


@register_backend(BACKEND, force=True)
class WholeBackend(LocalBackend):
    """Local files that are either the old one or the new one."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file.

        Raises:
            OSError: If that fails; names the file, which a full disk does not.
        """
        try:
            with whole_file(filepath) as passing:
                super().put(obj, passing)
        except OSError as error:
            raise OSError(f"{filepath}: {error.strerror or error}") from error


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """The toolkit's ``CheckpointHook``, and what it leaves out.

    * A file is written under a passing name and renamed when it is on the disk; the oldest, and the best so
      far, is removed only after that.
    * One that cannot be written (disk full, no permission) is named; those before it stay.
    * What is not finite is not saved, but raised as ``Diverged``.
    * A resumed run goes on from the newest whole checkpoint of its work folder, wherever that was moved.
    * A checkpoint of other classes, or of another order of them, is refused; one of another config cannot be
      resumed. With ``model.strict_load=False`` both are taken as far as they fit, with a new optimiser.

    Args:
        on_save_error: What a training does that cannot write a checkpoint: ``stop``, or ``go_on`` without.
        **kwargs: As of the toolkit's.

    Raises:
        ValueError: If ``on_save_error`` is neither.
    """

    file_backend: Any
    keep_ckpt_ids: deque
    best_ckpt_path: str | None
    last_ckpt: str | None

    def __init__(self, on_save_error: str = STOP, **kwargs: Any) -> None:
        if on_save_error not in (STOP, GO_ON):
            raise ValueError(
                f"WholeCheckpointHook.on_save_error: got {on_save_error!r}, wanted {STOP!r} or {GO_ON!r}"
            )
        self.on_save_error = on_save_error
        known = {
            name for each in (CheckpointHook, Runner.save_checkpoint) for name in signature(each).parameters
        }
        if unknown := sorted(kwargs.keys() - known):
            raise ValueError(f"WholeCheckpointHook takes no {unknown[0]!r}")
        super().__init__(**dict(backend_args=dict(backend=BACKEND)) | kwargs)

    def before_run(self, runner: Runner) -> None:
        """Choose the checkpoint to resume from, if the run resumes and none is given.

        Args:
            runner: The runner.

        Raises:
            ValueError: If there are checkpoints and none of them is whole.
        """
        if not runner._resume or runner._load_from is not None:
            return
        path = newest_whole_checkpoint(runner.work_dir)
        if path is None:
            # Asked once more, the toolkit would name what last_checkpoint names, there or not.
            runner._resume = False
            runner.logger.warning(f"resume: no checkpoint in {runner.work_dir}, a new training begins")
        else:
            runner._load_from = str(path)

    def before_train(self, runner: Runner) -> None:
        """Look for the best checkpoints of earlier runs in this folder, not where it was copied from."""
        super().before_train(runner)
        # Every checkpoint holds the config's text, which takes some tenths of a second to be made pretty.
        object.__setattr__(runner.cfg, "_format_python_code", False)
        if (path := getattr(self, "best_ckpt_path", None)) is not None:
            self.best_ckpt_path = self._here(path)
        for key, path in getattr(self, "best_ckpt_path_dict", {}).items():
            self.best_ckpt_path_dict[key] = path and self._here(path)

    def _here(self, path: str) -> str:
        return os.path.join(self.out_dir, os.path.basename(path))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare a checkpoint with the model and the data, before it is loaded.

        Args:
            runner: The runner.
            checkpoint: The checkpoint; a resumed one loses its optimiser's state where that does not fit.

        Raises:
            ValueError: If they do not fit.
        """
        model, name = unwrap(runner.model), runner._load_from or "checkpoint"
        strict = getattr(model, "strict_load", True)
        if runner._resume:
            check_resumable(model.state_dict(), checkpoint, name, strict)
            check_resumed(runner, checkpoint, name)
        if getattr(model, "num_classes", None):
            # A model of the toolkit has no such option, and its weights may call the classes otherwise.
            strict = getattr(model, "strict_load", False)
            check_classes(stored_class_names(checkpoint), present_classes(runner), name, strict)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        # In all processes, of which one saves.
        raise_alike(broken_weights(runner, 1))
        name = self.filename_tmpl.format(step)
        kept, last = list(getattr(self, "keep_ckpt_ids", [])), self.last_ckpt
        # Later ones belong to a stretch that the training went back from.
        wanted = [*(each for each in kept if each < step), step]
        # Counted in the file itself, so that nothing is removed before the new one is whole.
        self._count(runner, wanted, self.file_backend.join_path(self.out_dir, name))
        save = partial(
            runner.save_checkpoint,
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if not self._is_saved(runner, save):
            self._count(runner, kept, last)
        elif is_main_process():
            self._point_to_last(runner.work_dir)
            for outdated in wanted[: -self.max_keep_ckpts] if self.max_keep_ckpts > 0 else []:
                self._remove(self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(outdated)))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if not self.save_best:
            return
        raise_alike(broken_weights(runner, 1))
        info, backend = runner.message_hub.runtime_info, self.file_backend
        known = [
            {name: copy(each[name]) for name in each if name.startswith("best_")}
            for each in (info, vars(self))
        ]
        # The toolkit would remove the best one so far before it writes the new one.
        self.file_backend = later = _RemovesLater(backend)
        try:
            is_saved = self._is_saved(runner, partial(super()._save_best_checkpoint, runner, metrics))
        finally:
            self.file_backend = backend
        if is_saved:
            for path in later.outdated - set(map(str, info.values())):
                self._remove(path)
            return
        for name in [name for name in info if name.startswith("best_")]:
            del info[name]
        for each, before in zip((info, vars(self)), known, strict=True):
            each.update(before)

    def _is_saved(self, runner: Runner, save: Callable[[], None]) -> bool:
        """Save, and let all processes know whether that went well.

        Raises:
            OSError: If it did not, and training is to stop.
        """
        error = None
        try:
            save()
        except OSError as caught:
            error = str(caught)
        errors = [each for each in all_gather_object(error) if each]
        for each in errors:
            message = f"checkpoint: cannot be written ({each}); those before it stay"
            if self.on_save_error == STOP:
                raise OSError(f"{message}, and --resume goes on from them (on_save_error={STOP!r})")
            runner.logger.error(f"{message}, and training goes on without it")
        return not errors

    def _count(self, runner: Runner, steps: list[int], last: str | None) -> None:
        """Note which checkpoints there are, in the hook and in what is saved."""
        self.last_ckpt = last
        runner.message_hub.update_info("last_ckpt", last)
        if self.max_keep_ckpts > 0:
            self.keep_ckpt_ids.clear()
            self.keep_ckpt_ids.extend(steps)  # of limited length: the first ones go
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))

    def _point_to_last(self, work_dir: str) -> None:
        with whole_file(Path(work_dir, POINTER)) as passing:
            passing.write_text(str(self.last_ckpt), encoding="utf-8", errors="surrogateescape")

    def _remove(self, path: str) -> None:
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)


class _RemovesLater:
    """A file backend that takes down what is to be removed.

    Args:
        backend: The backend.
    """

    def __init__(self, backend: Any) -> None:
        self._backend, self.outdated = backend, set[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self.outdated.add(path)


def present_classes(runner: Runner) -> ClassNames:
    """Names of the classes of the data that a runner trains or tests on; None if they have none."""
    loops = (runner._train_loop, runner._test_loop, runner._val_loop)
    loop = next((loop for loop in loops if isinstance(loop, BaseLoop)), None)
    loaders = getattr(loop, "dataloaders", None) or [getattr(loop, "dataloader", None)]
    datasets = [getattr(loader, "dataset", None) for loader in loaders]
    return class_names(getattr(datasets[0], "metainfo", None))


def check_classes(stored: ClassNames, present: ClassNames, name: str, strict: bool) -> None:
    """Refuse a checkpoint of other classes, or warn about it.

    Args:
        stored: Classes of the checkpoint.
        present: Classes of the data or the config.
        name: The checkpoint, for the message.
        strict: Whether to refuse.

    Raises:
        ValueError: If they differ, and ``strict``.
    """
    difference = differing_classes(stored, present)
    if difference is None:
        return
    if strict:
        raise UserError(
            f"checkpoint {name}: {difference}. Give the dataset's `classes` the checkpoint's order, or use "
            f"its weights for other classes, without --resume, by load_from={name} model.strict_load=False"
        )
    print_log(f"checkpoint {name}: {difference}", logger="current", level=logging.WARNING)


def check_resumable(own: dict, checkpoint: dict, name: str, strict: bool) -> None:
    """Refuse to continue the training of another model, or let it go on with a new optimiser.

    Args:
        own: State of the model.
        checkpoint: The checkpoint; loses its optimiser's state if the model's does not fit.
        name: The checkpoint, for the message.
        strict: Whether to refuse.

    Raises:
        ValueError: If the checkpoint has no state of an optimiser, or it does not fit and ``strict``.
    """
    advice = (
        f"A new training begins from what fits of it without --resume, by --cfg-options load_from={name} "
        "model.strict_load=False (and train_cfg.start_kimg=checkpoint to keep its schedules' place)"
    )
    meta = meta_of(checkpoint)
    if "iter" not in meta or "optimizer" not in checkpoint:
        raise UserError(f"resume: {name} holds no optimiser, wanted an iter_*.pth of a training. {advice}")
    if not (misfits := find_misfits(own, checkpoint.get("state_dict") or {})):
        return
    if strict:
        raise UserError(f"resume: {name} belongs to another config. {advice}. What does not fit:\n{misfits}")
    del checkpoint["optimizer"]
    print_log(
        f"resume: {name} belongs to another config; continued with what fits, and with a new optimiser",
        logger="current",
        level=logging.WARNING,
    )
