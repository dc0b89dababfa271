"""A ThreeDGP without chance: its draws are those of a fixed global batch, its share is set by rank."""

import torch
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from mmengine.dist import get_rank, get_world_size
from mmengine.optim import OptimWrapper, OptimWrapperDict

from projects.threedgp.models.generator import Sampling
from projects.threedgp.rendering import Patch
from projects.threedgp.training.batches import FakeBatch
from projects.threedgp.training.threedgp import ThreeDGP
from tests.tiny import tiny_model_config

GLOBAL_BATCH = 8


@MODELS.register_module(force=True)
class FixedDraws(ThreeDGP):
    """Each phase walks through the same global batch of draws, one chunk after the other."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        generator = torch.Generator().manual_seed(5)
        count = 512
        self.fixed = FakeBatch(
            torch.randn(count, self.noise_size, generator=generator),
            torch.randint(self.num_classes, (count,), generator=generator),
            self.generator.prior.from_uniform(torch.rand(count, 8, generator=generator)),
            Patch(torch.full((count, 2), 0.5), torch.rand(count, 2, generator=generator) / 2),
        )
        self.cursor = dict(fakes=0, patch=0)

    def share(self, kind: str, n: int) -> slice:
        """The next n draws of this process's part of the global batch."""
        local = GLOBAL_BATCH // get_world_size()
        start = get_rank() * local + self.cursor[kind] % local
        self.cursor[kind] += n
        return slice(start, start + n)

    def draw_fakes(self, n, patches=True):
        part = self.share("fakes", n) if patches else slice(0, n)
        fixed = self.fixed
        patch = fixed.patch[part] if patches else None
        return FakeBatch(fixed.z[part], fixed.label[part], fixed.prior[part], patch)

    def draw_patch(self, n):
        return self.fixed.patch[self.share("patch", n)]

    def training_sampling(self):
        return Sampling(kimg=self.kimg, deterministic=True)


def build_fixed_model(**changes) -> FixedDraws:
    """A tiny model; groups of one make the minibatch deviation independent of the batch's cut."""
    config = tiny_model_config(**changes)
    config["type"] = "FixedDraws"
    config["generator"]["depth_adaptor"].update(strategy="last")
    config["discriminator"].update(mbstd_group_size=1)
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
    local = GLOBAL_BATCH // get_world_size()
    return dict(inputs={}, data_samples=global_batch()[get_rank() * local :][:local])


def sgd(model) -> OptimWrapperDict:
    """Plain SGD: parameters then show the gradients, where Adam would show their signs."""
    return OptimWrapperDict(
        **{
            name: OptimWrapper(torch.optim.SGD(getattr(model, name).parameters(), lr=0.1))
            for name in ("generator", "discriminator")
        }
    )
