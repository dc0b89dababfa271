"""What is timed: the parts of a training step, of a rendering, and of loading."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, cast

import torch
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from ..apis.loading import chosen_device
from ..engine.run_config import merge_options, read_config, redirect_data_root
from ..errors import UserError, blame
from ..models.generator import ThreeDGPGenerator
from ..models.sampling import Sampling
from ..models.scene import Scene
from ..random_states import set_seeds
from ..rendering import Camera
from ..training.ema import ImagesSeenEMA
from ..training.threedgp import ThreeDGP
from ..training.trainer import Trainer
from .setting import Setting

ORBIT_FRAMES = 4


@dataclass(frozen=True)
class Part:
    """Something that takes time.

    Args:
        run: Does it once.
        images: Images it makes or trains on.
        share: How often a training step does it, on average; 0 for what training does not do.
        waits: Whether it is other processes that work.
    """

    run: Callable[[], object]
    images: int
    share: float = 0.0
    waits: bool = False


class Subject:
    """A model and what its parts need, made when a part asks for it.

    Args:
        setting: What to measure.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting, self.device = setting, chosen_device(setting.device)

    def parts(self, group: str) -> dict[str, Part]:
        """The parts of a group, by name.

        Args:
            group: One of ``GROUPS``.
        """
        return dict(GROUPS[group](self))

    @cached_property
    def config(self) -> Config:
        """The config with the options of the arm."""
        config = read_config(self.setting.config)
        if self.setting.data_root is not None:
            redirect_data_root(config, self.setting.data_root)
        merge_options(config, self.setting.options)
        return config

    @cached_property
    def model(self) -> ThreeDGP:
        """The untrained model."""
        set_seeds(0)
        torch.backends.cudnn.benchmark = bool(self.config.get("env_cfg", {}).get("cudnn_benchmark"))
        with blame("model", TypeError, ValueError, KeyError):
            model = MODELS.build(self.config.model)
        if not isinstance(model, ThreeDGP):
            raise UserError(f"model.type: got {self.config.model.type!r}, wanted 'ThreeDGP'")
        # Half-way: what only the beginning has, such as blurred images, is over.
        model.images_seen.fill_(round(500 * self.config.train_cfg.get("total_kimg", 0)))
        return model.to(self.device)

    @property
    def generator(self) -> ThreeDGPGenerator:
        """The generator that is trained."""
        return self.model.generator_of("orig")

    @cached_property
    def batch_size(self) -> int:
        """Images of a training step."""
        return self.setting.batch_size or self.config.train_dataloader.batch_size

    def data_samples(self) -> DataSample:
        """A batch of noise, of everything that a dataset could deliver."""
        n, size = self.batch_size, self.generator.image_size
        features = getattr(self.model.discriminator, "feature_dim", None)
        batch = DataSample(gt_img=torch.rand(n, 3, size, size, device=self.device) * 2 - 1)
        batch.depth = torch.rand(n, 1, size, size, device=self.device) * 2 - 1
        batch.camera = self.prior_cameras(n).params
        batch.set_gt_label(torch.randint(self.model.num_classes or 1, (n, 1), device=self.device))
        if features is not None and self.model.teacher is None:
            batch.teacher_feature = torch.randn(n, features, device=self.device)
        return batch

    def prior_cameras(self, n: int) -> Camera:
        """Cameras of the prior."""
        return self.generator.prior.sample(n, self.device)

    def sampling(self) -> Sampling:
        """How images are rendered."""
        marching, half = self.generator.marching, (self.setting.samples or 0) // 2
        if half:
            marching = replace(marching, num_coarse=half, num_fine=half)
        level = self.model.sampler.level
        return Sampling(resolution=self.setting.resolution, marching=marching, level=level)

    def draw(self, n: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Latents and classes."""
        z = torch.randn(n, self.generator.noise_size, device=self.device)
        classes = self.model.num_classes
        return z, torch.randint(classes, (n,), device=self.device) if classes else None

    @torch.no_grad()
    def decode(self) -> Scene:
        """Make one object from z."""
        return self.generator.scene(self.generator.style(*self.draw(1)))

    @torch.no_grad()
    def see(self, scene: Scene, cameras: Camera) -> object:
        """Render one object."""
        return scene.render(cameras, sampling=self.sampling())


def training_parts(subject: Subject) -> Iterator[tuple[str, Part]]:
    """What a step does: each network, its regularisers, optimisers included, and the average."""
    model, n = subject.model.train(), subject.batch_size
    optimizers: Any = build_optim_wrapper(model, subject.config.optim_wrapper)
    trainer = Trainer(model.phases, model.draws, optimizers, model.micro_batch_size)
    samples = subject.data_samples()

    yield "G phase", Part(lambda: trainer.train_generator(n), n, 1.0)
    for term in trainer.phases.generator_terms:
        yield term.name, Part(partial(trainer.regularize_generator, term, n), n, 1 / term.interval)
    yield "D phase", Part(lambda: trainer.train_discriminator(model.real_batch(samples), n), n, 1.0)
    if model.r1 is not None:
        real = model.real_batch(samples)
        yield "R1", Part(lambda: trainer.penalize_gradients(real, n), n, 1 / model.r1.interval)
    if model.with_ema_gen:
        average = cast(ImagesSeenEMA, model.generator_ema)
        yield "average", Part(partial(average.step, subject.generator, int(model.images_seen), n), n, 1.0)


def rendering_parts(subject: Subject) -> Iterator[tuple[str, Part]]:
    """What making images takes: from z, of that decoding alone, and of kept planes."""
    subject.model.eval()
    camera = subject.generator.prior.mean(1, subject.device)
    orbit = subject.generator.prior.mean(ORBIT_FRAMES, subject.device)
    kept = subject.decode()
    yield "image from z", Part(lambda: subject.see(subject.decode(), camera), 1)
    yield "decoding", Part(subject.decode, 1)
    yield "frame, kept planes", Part(lambda: subject.see(kept, camera), 1)
    yield f"{ORBIT_FRAMES} frames, kept planes", Part(lambda: subject.see(kept, orbit), ORBIT_FRAMES)


def loading_parts(subject: Subject) -> Iterator[tuple[str, Part]]:
    """What the loader takes for a batch, which training waits for if it takes longer than a step."""
    loader = subject.config.train_dataloader
    loader.batch_size = subject.batch_size
    loader.pin_memory = subject.device.type == "cuda"
    batches = iter(Runner.build_dataloader(loader, seed=0))
    yield "loading", Part(lambda: next(batches), subject.batch_size, waits=True)


GROUPS: dict[str, Callable[[Subject], Iterator[tuple[str, Part]]]] = {
    "train": training_parts,
    "render": rendering_parts,
    "load": loading_parts,
}
"""Each group runs in a process of its own, so that its memory is its own too."""
