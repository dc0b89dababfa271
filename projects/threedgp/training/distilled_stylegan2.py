"""The toolkit's StyleGAN2 with classifier distillation: the 2D baseline of the paper's third claim."""

from typing import Any

import torch
from mmagic.models import StyleGAN2
from mmagic.models.losses import gen_path_regularizer
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from mmengine.dist import get_world_size
from mmengine.logging import MessageHub
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
        adversarial_loss: Config of an adversarial loss, without R1; None for the toolkit's, which is the
            logistic loss with R1.
        **kwargs: As of the toolkit's ``StyleGAN2``.
    """

    mean_path_length: Tensor

    def __init__(
        self,
        *args: Any,
        distillation: dict | None,
        teacher: dict | None = None,
        channel_order: str = "bgr",
        adversarial_loss: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if channel_order not in ("bgr", "rgb"):
            raise ValueError(f"channel_order: got {channel_order!r}, wanted 'bgr' or 'rgb'")
        self.distillation = MODELS.build(distillation) if distillation else None
        self.teacher = MODELS.build(teacher) if teacher else None
        self.channel_order = channel_order
        self.adversarial_loss = MODELS.build(adversarial_loss) if adversarial_loss else None
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.long))

    def teacher_features(self, real: Tensor, data_samples: DataSample) -> Tensor:
        """Return the teacher's features of real images: the dataset's, or computed now."""
        if self.teacher is None:
            return data_samples.teacher_feature
        with torch.no_grad():
            return self.teacher(real.flip(1) if self.channel_order == "bgr" else real)

    def disc_loss(self, disc_pred_fake: Tensor, disc_pred_real: Tensor, real_imgs: Tensor) -> tuple:
        """Return the discriminator's loss and its logs."""
        if self.adversarial_loss is None:
            return super().disc_loss(disc_pred_fake, disc_pred_real, real_imgs)
        loss = self.adversarial_loss.discriminator(disc_pred_fake, disc_pred_real).mean()
        return self.parse_losses(dict(loss_disc=loss))

    def gen_loss(self, disc_pred_fake: Tensor, batch_size: int) -> tuple:
        """Return the generator's loss, which may include that of the path length, and its logs."""
        if self.adversarial_loss is None:
            return super().gen_loss(disc_pred_fake, batch_size)
        losses = dict(loss_gen=self.adversarial_loss.generator(disc_pred_fake).mean())
        if self.iteration % self.g_reg_interval == 0:
            penalty, self.mean_path_length, _ = gen_path_regularizer(
                self.generator, batch_size, self.mean_path_length, pl_batch_shrink=self.pl_batch_shrink
            )
            losses["loss_path_regular"] = self.g_reg_weight * penalty
        return self.parse_losses(losses)

    @property
    def iteration(self) -> int:
        """Number of the step, from 0."""
        return MessageHub.get_current_instance().get_info("iter")

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
