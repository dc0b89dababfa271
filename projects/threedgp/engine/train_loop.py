"""Training for a number of images, whatever the batch size and the number of processes."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmagic.registry import LOOPS
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..data.drawn_index import draw_from
from ..errors import blame
from ..random_states import random_state_kept, set_seeds
from ..ranges import NonNegative, Positive
from ..training.ema import ImagesSeenEMA
from ..training.state_dicts import unwrap
from ..training.threedgp import ThreeDGP
from ..wording import counted
from .checkpoint_loading import read_checkpoint
from .divergence_watch import Diverged

SAMPLER_SEED = "sampler_seed"
SKIPPED = "images_skipped"
CHECKPOINT = "checkpoint"
KEPT_VALUES = 1000
"""Of each curve, in memory and in checkpoints; nothing looks further back, and the log files have all."""


def images_per_iteration(dataloader: DataLoader) -> int:
    """Images that all processes together load for one iteration."""
    batch_sampler: Any = dataloader.batch_sampler
    return batch_sampler.batch_size * get_world_size()


@LOOPS.register_module()
class KimgTrainLoop(IterBasedTrainLoop):
    """Training whose time is the images seen, which the model counts in its buffer ``images_seen``.

    A resumed run goes on at the image where the checkpoint ended, also with another batch size or
    number of processes, and goes through the data in the same order as a run that never stopped.
    The order is advanced by its indices alone; the toolkit's loop would load every batch again.
    All that is random depends on the seed, and in a step besides on the process and the images seen, in the
    loading of a sample on the number of its draw: not on what ran before. On a CPU (and on one GPU with
    deterministic algorithms) a resumed run is therefore bit for bit the one that never stopped.
    Weights that are loaded without resuming (``load_from``) begin a new training, whose count, and with
    it every schedule, starts where ``start_kimg`` says; their average stays as old as it is.

    Args:
        runner: The runner.
        dataloader: Loader, or its config; its sampler has to be an ``InfiniteSampler`` for a
            resumed run to keep to the order.
        total_kimg: Where the training ends, thousands of images over all processes.
        val_interval_kimg: Thousands of images between two validations; None validates at the end
            only.
        start_kimg: Where a new training begins, thousands of images; ``checkpoint`` takes the count
            of the weights that are loaded; None for 0.

    Raises:
        ValueError: If a length is not positive, or ``start_kimg`` is no number from 0 on and not
            ``checkpoint``.
    """

    dataloader_iterator: Any
    mend: Callable[[Diverged], None] | None = None
    """What to do about an alarm, if anything but to end."""

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        total_kimg: Positive,
        val_interval_kimg: Positive | None = None,
        start_kimg: NonNegative | str | None = None,
    ) -> None:
        for name, value in (("total_kimg", total_kimg), ("val_interval_kimg", val_interval_kimg)):
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise ValueError(f"train_cfg.{name}: got {value!r}, wanted a number, more than 0")
        if start_kimg != CHECKPOINT and (isinstance(start_kimg, str) or (start_kimg or 0) < 0):
            raise ValueError(
                f"train_cfg.start_kimg: got {start_kimg!r}, wanted a number from 0 on, {CHECKPOINT!r} or None"
            )
        self.total_kimg, self.start_kimg = total_kimg, start_kimg
        # Builds the loader, whose batch size the number of iterations depends on.
        BaseLoop.__init__(self, runner, dataloader)
        if isinstance(self._sampler, InfiniteSampler):
            draw_from(self._sampler, 0)
        self.images_per_iter = images_per_iteration(self.dataloader)
        max_iters = math.ceil(round(total_kimg * 1000) / self.images_per_iter)
        val_interval = max_iters
        if val_interval_kimg is not None:
            val_interval = max(round(val_interval_kimg * 1000 / self.images_per_iter), 1)
        super().__init__(runner, self.dataloader, max_iters, val_interval=val_interval)

    @property
    def images_seen(self) -> Tensor:
        """The model's count of images.

        Raises:
            ValueError: If the model does not count.
        """
        model = unwrap(self.runner.model)
        images_seen = getattr(model, "images_seen", None)
        if not isinstance(images_seen, Tensor):
            raise ValueError(
                f"model: got {type(model).__name__} without a buffer images_seen, wanted one that "
                "counts the images it is trained on, such as ThreeDGP"
            )
        return images_seen

    def run(self) -> nn.Module:
        """Train; the toolkit's loop but for how it begins and continues."""
        self._check_first_sample()
        if self._iter == 0:
            self._begin()
        else:
            self._continue(int(self.images_seen))
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            try:
                batch = next(self.dataloader_iterator)
                set_seeds(self._seed, get_rank(), int(self.images_seen) + self.skipped)
                self.run_iter(batch)
                self._forget()
                if self._is_time_to_validate():
                    self.runner.val_loop.run()
            except Diverged as alarm:
                if self.mend is None:
                    raise
                self.mend(alarm)
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def _forget(self) -> None:
        """Keep the last values of each curve only: the toolkit copies them all for each new one."""
        for history in self.runner.message_hub.log_scalars.values():
            history.max_length = KEPT_VALUES

    def _check_first_sample(self) -> None:
        """Refuse data that the model cannot be trained on, which a step would only tell from its inside."""
        model, loader = unwrap(self.runner.model), self.dataloader
        if isinstance(model, ThreeDGP):
            with random_state_kept(), blame("train_dataloader", ValueError):
                batch: Any = loader.collate_fn([loader.dataset[0]])
                model.real_batch(model.data_preprocessor(batch, True)["data_samples"])

    def _is_time_to_validate(self) -> bool:
        if self.runner.val_loop is None:
            return False
        return self._iter % self.val_interval == 0 or self._iter == self._max_iters

    @property
    def _sampler(self) -> object:
        return self.dataloader.batch_sampler.sampler

    @property
    def skipped(self) -> int:
        """Images that were passed over behind trouble: data and chance are as many ahead of the count."""
        return self.runner.message_hub.get_info(SKIPPED, 0)

    def roll_back(self, path: Path, skip: int) -> None:
        """Go on from an earlier checkpoint of this training, with the data and chance that come now.

        Args:
            path: The checkpoint.
            skip: Images to pass over besides.
        """
        here = int(self.images_seen)
        checkpoint = read_checkpoint(path)
        unwrap(self.runner.model).load_state_dict(checkpoint["state_dict"])
        self.runner.optim_wrapper.load_state_dict(checkpoint["optimizer"])
        skipped = self.skipped + here - int(self.images_seen) + skip
        self.runner.message_hub.update_info(SKIPPED, skipped)
        self._continue(int(self.images_seen))

    @property
    def _seed(self) -> int:
        """Seed of the training, which a resumed one keeps."""
        return self.runner.message_hub.get_info(SAMPLER_SEED, self.runner.seed)

    def _begin(self) -> None:
        loaded = int(self.images_seen)
        start = loaded if self.start_kimg == CHECKPOINT else round(float(self.start_kimg or 0) * 1000)
        if loaded or start:
            print_log(
                f"A new training begins at {start / 1000:g} kimg, where every schedule is now, with weights "
                f"of {loaded / 1000:g} kimg (train_cfg.start_kimg={self.start_kimg!r})",
                logger="current",
            )
        self.images_seen.fill_(start)
        average = getattr(unwrap(self.runner.model), "generator_ema", None)
        if isinstance(average, ImagesSeenEMA):
            average.keep_age(loaded, start)
        if isinstance(self._sampler, InfiniteSampler):
            self.runner.message_hub.update_info(SAMPLER_SEED, self._sampler.seed)
        if start:
            self._check_something_is_left(start)
            self._continue(start)

    def _check_something_is_left(self, start: int) -> None:
        if start >= self.total_kimg * 1000:
            raise ValueError(
                f"train_cfg.total_kimg: got {self.total_kimg:g}, wanted more than the {start / 1000:g} kimg "
                "at which the training begins (train_cfg.start_kimg)"
            )

    def _continue(self, images_seen: int) -> None:
        self._iter = images_seen // self.images_per_iter
        print_log(
            f"Continues at {images_seen / 1000:g} kimg: iteration {self._iter} of "
            f"{self._max_iters} with {counted(self.images_per_iter, 'image')} each",
            logger="current",
        )
        self._advance_sampler(images_seen)

    def _advance_sampler(self, images_seen: int) -> None:
        sampler = self._sampler
        if not isinstance(sampler, InfiniteSampler):
            print_log(
                f"train_dataloader.sampler: {type(sampler).__name__} begins its order anew, only "
                "InfiniteSampler continues it",
                logger="current",
            )
            return
        sampler.seed = self.runner.message_hub.get_info(SAMPLER_SEED, sampler.seed)
        self.runner.message_hub.update_info(SAMPLER_SEED, sampler.seed)
        draw_from(sampler, images_seen + self.skipped)
        new_iterator = type(self.dataloader_iterator)
        del self.dataloader_iterator  # ends its workers, which have loaded ahead from the start
        self.dataloader_iterator = new_iterator(self.dataloader)
