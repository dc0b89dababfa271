"""A ThreeDGP without chance: its draws are those of a fixed global batch, its share is set by rank."""

from dataclasses import dataclass, replace

import torch
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from mmengine.dist import get_rank, get_world_size
from mmengine.optim import OptimWrapper, OptimWrapperDict

from projects.threedgp.models.generator import CameraBatch
from projects.threedgp.rendering import Camera, Patch
from projects.threedgp.training.batches import FakeBatch
from projects.threedgp.training.draws import Draws
from projects.threedgp.training.threedgp import ThreeDGP
from tests.tiny import tiny_model_config

GLOBAL_BATCH = 8


def own_share() -> slice:
    """The samples of a global batch that this process has, as the toolkit's samplers deal them out."""
    return slice(get_rank(), GLOBAL_BATCH, get_world_size())


@dataclass(frozen=True)
class GlobalDraws(Draws):
    """In each phase the same global batch, of which a process has its share."""

    def _seeded(self) -> torch.Generator:
        return torch.Generator().manual_seed(5)

    def _all_fakes(self, n: int) -> FakeBatch:
        random = self._seeded()
        return FakeBatch(
            torch.randn(n, self.z_dim, generator=random),
            torch.randint(len(self.label_distribution), (n,), generator=random),
            self.prior.from_uniform(torch.rand(n, 8, generator=random)),
            _patches(n, seed=6),
        )

    def fakes(self, n):
        index = torch.arange(GLOBAL_BATCH)[own_share()]
        assert len(index) == n, "the whole batch of a process is drawn at once"
        return self._all_fakes(GLOBAL_BATCH)[index]

    def patches(self, n):
        patch = _patches(GLOBAL_BATCH, seed=8)[own_share()]
        assert len(patch) == n, "the whole batch of a process is drawn at once"
        return patch

    def _camera_batch(self, n):
        fakes = self._all_fakes(n)
        return CameraBatch(Camera(fakes.prior.params.requires_grad_()), fakes.z, fakes.label)


def _patches(n: int, seed: int) -> Patch:
    """Patches of very different scales, whose means differ between processes and micro batches."""
    random = torch.Generator().manual_seed(seed)
    scales = torch.logspace(-0.7, 0, n)[torch.randperm(n, generator=random)][:, None].expand(-1, 2)
    return Patch(scales, torch.rand(n, 2, generator=random) * (1 - scales))


@MODELS.register_module(force=True)
class FixedDraws(ThreeDGP):
    """A model whose step is a function of its weights and the real images alone."""

    @property
    def draws(self):
        drawn = super().draws
        return GlobalDraws(**vars(drawn))

    @property
    def phases(self):
        phases = super().phases
        return replace(phases, sampling=replace(phases.sampling, deterministic=True))

    def real_batch(self, data_samples):
        real = super().real_batch(data_samples)
        exact = torch.get_default_dtype()
        return replace(real, images=real.images.to(exact), features=real.features.to(exact))


def build_fixed_model(mbstd_group_size: int = 1, **changes) -> FixedDraws:
    """A tiny model, penalised by the batch size; the depth adaptor, too, leaves nothing to chance."""
    config = tiny_model_config(**dict(r1=dict(type="R1Regularizer", gamma="auto", interval=2)) | changes)
    config["type"] = "FixedDraws"
    config["generator"]["depth_adaptor"].update(strategy="last")
    config["discriminator"].update(mbstd_group_size=mbstd_group_size)
    torch.manual_seed(0)
    return MODELS.build(config).train()


def global_batch() -> list[DataSample]:
    """The real images of a step, before preprocessing."""
    generator = torch.Generator().manual_seed(7)
    samples = []
    for i in range(GLOBAL_BATCH):
        sample = DataSample(
            gt_img=torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8, generator=generator),
            depth=torch.rand(1, 32, 32, generator=generator) * 2 - 1,
            teacher_feature=torch.randn(12, generator=generator),
        )
        sample.set_gt_label(torch.tensor([i % 5]))
        samples.append(sample)
    return samples


def local_batch() -> dict:
    """This process's part of it, as the dataloader would deliver it."""
    return dict(inputs={}, data_samples=global_batch()[own_share()])


def sgd(model) -> OptimWrapperDict:
    """Plain SGD: parameters then show the gradients, where Adam would show their signs."""
    return OptimWrapperDict(
        **{
            name: OptimWrapper(torch.optim.SGD(getattr(model, name).parameters(), lr=0.1))
            for name in ("generator", "discriminator")
        }
    )
