"""The toolkit's StyleGAN2 with classifier distillation: the 2D baseline of the paper's third claim."""

from typing import Any

import torch
from mmagic.models import StyleGAN2
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapper
from torch import Tensor

from .gradients import untouched
from .state_dicts import unwrap


@MODELS.register_module()
class DistilledStyleGAN2(StyleGAN2):
    """StyleGAN2 whose discriminator also predicts a classifier's features of real images.

    Args:
        *args: As of the toolkit's ``StyleGAN2``; to distil, its discriminator has to take
            ``return_features``, as ``DistilledDiscriminator`` and ``ThreeDGPDiscriminator`` do.
        distillation: Config of the ``KnowledgeDistillationLoss``; None for none.
        teacher: Config of the teacher (RGB images in [-1, 1]); None if the dataset delivers
            ``teacher_feature``.
        channel_order: Order of the model's images, ``bgr`` (the toolkit's default) or ``rgb``.
        **kwargs: As of the toolkit's ``StyleGAN2``.
    """

    def __init__(
        self,
        *args: Any,
        distillation: dict | None,
        teacher: dict | None = None,
        channel_order: str = "bgr",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if channel_order not in ("bgr", "rgb"):
            raise ValueError(f"channel_order: got {channel_order!r}, wanted 'bgr' or 'rgb'")
        self.distillation = MODELS.build(distillation) if distillation else None
        self.teacher = MODELS.build(teacher) if teacher else None
        self.channel_order = channel_order
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.long))

    def teacher_features(self, real: Tensor, data_samples: DataSample) -> Tensor:
        """Return the teacher's features of real images: the dataset's, or computed now."""
        if self.teacher is None:
            return data_samples.teacher_feature
        with torch.no_grad():
            return self.teacher(real.flip(1) if self.channel_order == "bgr" else real)

    def train_discriminator(
        self, inputs: dict, data_samples: DataSample, optimizer_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """Train the discriminator for one step on both of its heads."""
        real = data_samples.gt_img
        with torch.no_grad():
            fake = self.generator(self.noise_fn(num_batches=len(real)), return_noise=False)
        fake_logits = self.discriminator(fake)
        real_logits, predicted = self._judge_real(real)
        loss, logs = self.disc_loss(fake_logits, real_logits, real)
        kimg = self.images_seen.item() / 1000
        if self.distillation is None:
            loss = loss + untouched(predicted)
        else:
            target = self.teacher_features(real, data_samples)
            logs["loss_kd"] = self.distillation(predicted, target, kimg=kimg)
            loss = loss + logs["loss_kd"]
        optimizer_wrapper.update_params(loss)
        self.images_seen += len(real) * get_world_size()
        return logs | dict(kimg=torch.tensor(kimg))

    def _judge_real(self, real: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits, and the features that are predicted if there is a head for them."""
        has_head = getattr(unwrap(self.discriminator), "feature_dim", None) is not None
        if self.distillation is None and not has_head:
            return self.discriminator(real), None
        return self.discriminator(real, return_features=True)
