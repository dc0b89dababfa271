"""Checkpoints that survive a crash, are continued from the newest whole one, and fit what loads them."""

import logging
import os
from collections import deque
from inspect import signature
from pathlib import Path
from typing import Any

from mmagic.registry import HOOKS
from mmengine.dist import is_main_process
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


@register_backend(BACKEND, force=True)
class WholeBackend(LocalBackend):
    """Local files that are either the old one or the new one."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file."""
        with whole_file(filepath) as passing:
            super().put(obj, passing)


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """The toolkit's ``CheckpointHook``, and what it leaves out.

    * A file is written under a passing name and renamed when it is on the disk; the oldest is removed only
      after that.
    * What is not finite is not saved, but raised as ``Diverged``.
    * A resumed run goes on from the newest whole checkpoint of its work folder, wherever that was moved.
    * A checkpoint of other classes, or of another order of them, is refused; one of another config cannot be
      resumed. With ``model.strict_load=False`` both are taken as far as they fit, with a new optimiser.

    Args:
        **kwargs: As of the toolkit's.
    """

    keep_ckpt_ids: deque
    best_ckpt_path: str | None

    def __init__(self, **kwargs: Any) -> None:
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
        keeps, outdated = self.max_keep_ckpts > 0, None
        if keeps and (not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step):
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                outdated = self.keep_ckpt_ids[0]
            self.keep_ckpt_ids.append(step)  # of limited length: the first one goes
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        # Already counted, so that nothing is removed before the new one is whole.
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            self._point_to_last(runner.work_dir)
            if outdated is not None:
                self._remove(outdated)

    def _point_to_last(self, work_dir: str) -> None:
        with whole_file(Path(work_dir, POINTER)) as passing:
            passing.write_text(str(self.last_ckpt), encoding="utf-8", errors="surrogateescape")

    def _remove(self, step: int) -> None:
        path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)


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
