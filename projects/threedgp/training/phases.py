"""The three phases of a training step: what is minimised (docs/method.md, section 9).

A phase is a function of what was drawn and of the training time. It may be shown a part of the batch;
whatever depends on the whole of it, over all processes, is an argument.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..layers import resize
from ..models.augmentation import AdaptiveAugmentation
from ..models.blur_fade import BlurFade
from ..models.cameras.camera_regularizers import CameraRegularizer
from ..models.generator import CameraBatch, GeneratorOutput, ThreeDGPGenerator
from ..models.losses.adversarial_loss import ThreeDGPAdversarialLoss
from ..models.losses.distillation import KnowledgeDistillationLoss
from ..models.losses.generator_term import GeneratorTerm
from ..models.losses.r1_regularizer import R1Regularizer
from ..models.sampling import Sampling
from ..rendering import Camera, PoseLabel
from .batches import FakeBatch, RealPatches, Seen, TermDraws
from .gradients import untouched
from .state_dicts import unwrap

Logs = dict[str, Tensor]


@dataclass(frozen=True)
class PhaseResult:
    """What a phase found.

    Args:
        loss: What the phase minimises.
        logs: Its terms, and what else is worth a curve.
        w_mean: Mean style code of the fakes, which the generator's running mean follows; None where the
            phase does not move it.
    """

    loss: Float[Tensor, ""]
    logs: Logs
    w_mean: Float[Tensor, " w"] | None = None

    def scaled(self, factor: float) -> "PhaseResult":
        """Return a part of the result, without its graph."""
        logs = {key: value.detach() * factor for key, value in self.logs.items()}
        w_mean = None if self.w_mean is None else self.w_mean.detach() * factor
        return PhaseResult(self.loss.detach() * factor, logs, w_mean)

    def __add__(self, other: "PhaseResult") -> "PhaseResult":
        logs = {key: value + other.logs[key] for key, value in self.logs.items()}
        w_mean = None if self.w_mean is None or other.w_mean is None else self.w_mean + other.w_mean
        return PhaseResult(self.loss + other.loss, logs, w_mean)


@dataclass(frozen=True)
class Phases:
    """The networks and losses of a step, at one moment of the training.

    Args:
        generator: The generator, which may be in a distributed wrapper.
        discriminator: The discriminator, likewise.
        adversarial_loss: The adversarial loss.
        r1: The gradient penalty; None for none.
        distillation: Distillation of the teacher; None for none.
        regularizers: What keeps the cameras from collapsing.
        blur_fade: Blur of the discriminator's inputs; None for none.
        sampling: How the generator samples.
        kimg: Training time.
        generator_terms: What regularises the generator in steps of its own.
        augmentation: What changes all that the discriminator sees; None for nothing.
    """

    generator: nn.Module
    discriminator: nn.Module
    adversarial_loss: ThreeDGPAdversarialLoss
    r1: R1Regularizer | None
    distillation: KnowledgeDistillationLoss | None
    regularizers: Iterable[CameraRegularizer]
    blur_fade: BlurFade | None
    sampling: Sampling
    kimg: float
    generator_terms: Iterable[GeneratorTerm] = ()
    augmentation: AdaptiveAugmentation | None = None

    @property
    def bare_generator(self) -> ThreeDGPGenerator:
        """The generator without its distributed wrapper."""
        return unwrap(self.generator)

    def generator_phase(self, fakes: FakeBatch, cameras: Sequence[CameraBatch]) -> PhaseResult:
        """Loss of the generator: adversarial and camera terms.

        Args:
            fakes: What to generate.
            cameras: Prior cameras for each regulariser. They are shared by all parts of a batch.
        """
        output = self._generate(self.generator, fakes, CameraBatch.cat(list(cameras)))
        logits, _ = self._judge(unwrap(self.discriminator), self._of_fakes(output), fakes)
        logs = dict(loss_g_adv=self.adversarial_loss.generator(logits).mean())
        logs |= {f"loss_g_{name}": term.mean() for name, term in output.terms.items()}
        if output.batch_cameras is not None:
            logs |= self.camera_losses(cameras, output.batch_cameras)
        return PhaseResult(_total(logs), logs)

    def term_phase(self, term: GeneratorTerm, fakes: FakeBatch, draws: TermDraws) -> PhaseResult:
        """Lazy regulariser of the generator, times its interval.

        Args:
            term: The regulariser.
            fakes: What it would generate.
            draws: Random numbers of the regulariser.
        """
        task = partial(term, draws=draws.values)
        loss = self.generator(fakes.inputs(), sampling=self.sampling, task=task).mean()
        return PhaseResult(loss * term.interval, {f"loss_g_{term.name}": loss})

    def discriminator_phase(
        self, real: RealPatches, fakes: FakeBatch, mean_scale: Float[Tensor, ""] | None
    ) -> PhaseResult:
        """Loss of the discriminator: adversarial on both, distillation on reals.

        Args:
            real: Real patches.
            fakes: What to generate, as many.
            mean_scale: Mean patch scale of the whole real batch; None for whole images.
        """
        with torch.no_grad():
            output = self._generate(self.bare_generator, fakes)
        fake_logits, _ = self._judge(self.discriminator, self._of_fakes(output), fakes)
        seen = self._blurred(self._of_reals(real), real=True)
        logits, predicted = self._judge(self.discriminator, seen, real, features=True)
        logs = dict(loss_d_adv=self.adversarial_loss.discriminator(fake_logits, logits).mean())
        if self.distillation is not None:
            logs["loss_d_kd"] = self.distillation(
                predicted, real.features, real.scales, self.kimg, mean_scale
            )
        loss = _total(logs) + untouched(predicted)
        logs |= {"logits/fake": fake_logits.mean(), "logits/real": logits.mean()}
        if self.augmentation is not None:
            logs["logits/real_sign"] = logits.sign().mean()
        return PhaseResult(loss, logs, output.ws[:, 0].mean(dim=0))

    def r1_phase(self, real: RealPatches, batch_size: int) -> PhaseResult:
        """Lazy R1 penalty on real patches, times its interval.

        Args:
            real: Real patches.
            batch_size: Images of the whole step, which gamma may depend on.
        """
        assert self.r1 is not None
        if self.r1.behind_blur:
            leaves = seen = self._blurred(self._of_reals(real), real=True).leaves()
        else:
            leaves = self._of_reals(real).leaves()
            seen = self._blurred(leaves, real=True)
        logits, predicted = self._judge(self.discriminator, seen, real, features=True)
        gamma = self.r1.weight(self.bare_generator.image_size, batch_size)
        penalty = self.r1(logits, leaves.tensors, gamma).mean()
        # The penalty does not depend on the last bias: keep it in the graph as well.
        loss = penalty * self.r1.interval + untouched(predicted) + untouched(logits)
        return PhaseResult(loss, dict(loss_d_r1=penalty))

    def camera_losses(self, batches: Sequence[CameraBatch], posterior: Camera) -> Logs:
        """Return the loss of each regulariser.

        Args:
            batches: The prior cameras of each.
            posterior: What the camera generator made of all of them, one batch behind the other.
        """
        mean, start, losses = self.bare_generator.prior.mean(1, posterior.params.device), 0, {}
        for regularizer, batch in zip(self.regularizers, batches, strict=True):
            end = start + len(batch.prior)
            kind = type(regularizer).__name__.removeprefix("Camera").removesuffix("Regularizer")
            loss = regularizer(batch.prior, posterior[start:end], mean, self.kimg)
            losses[f"loss_g_camera_{kind.lower()}"] = loss
            start = end
        return losses

    def _generate(
        self, generator: nn.Module, fakes: FakeBatch, cameras: CameraBatch | None = None
    ) -> GeneratorOutput:
        return generator(fakes.inputs(cameras), sampling=self.sampling)

    @property
    def _is_dual(self) -> bool:
        return getattr(unwrap(self.discriminator), "takes_raw", False)

    @property
    def _knows_poses(self) -> bool:
        return getattr(unwrap(self.discriminator), "pose_dim", 0) > 0

    def _of_fakes(self, output: GeneratorOutput) -> Seen:
        """Return what the discriminator sees of generated images."""
        raw = output.raw if self._is_dual else None
        pose = PoseLabel.of(output.camera).params if self._knows_poses else None
        return self._blurred(Seen(output.images, raw, pose), real=False)

    def _of_reals(self, real: RealPatches) -> Seen:
        """Return what the discriminator sees of real images, not yet blurred."""
        raw = None
        if self._is_dual:
            raw_of = getattr(unwrap(self.discriminator), "raw_of", resize)
            raw = raw_of(real.images, self.bare_generator.raw_size(self.sampling))
        return Seen(real.images, raw, real.pose if self._knows_poses else None)

    def _blurred(self, seen: Seen, real: bool) -> Seen:
        """Blur images as training does."""
        blur = self.blur_fade
        if blur is None:
            return seen
        raw, blurs_raw = seen.raw, blur.raw == "both" or (real and blur.raw == "real")
        if raw is not None and blurs_raw:
            raw = blur(raw, self.kimg)
        return replace(seen, images=blur(seen.images, self.kimg), raw=raw)

    def _judge(
        self,
        discriminator: nn.Module,
        seen: Seen,
        about: FakeBatch | RealPatches,
        features: bool = False,
    ) -> tuple[Float[Tensor, "*n"], Float[Tensor, "n d"] | None]:
        """Show images to the discriminator.

        Args:
            discriminator: The discriminator.
            seen: RGB(-depth) patches.
            about: What else it is told of them: their classes, and where the patches lie.
            features: Also predict the teacher's features, if the discriminator has that head.

        Returns:
            Logits, and the predicted features or None.
        """
        if self.augmentation is not None:
            seen = Seen(*self.augmentation(seen.tensors))
        told: dict[str, Any] = dict(label=about.label, patch=about.patch)
        if seen.raw is not None:
            told["raw"] = seen.raw
        if seen.pose is not None:
            told["pose"] = seen.pose
        if getattr(unwrap(discriminator), "grows", False):
            told["level"] = self.sampling.level
        if not features or unwrap(discriminator).feature_dim is None:
            return discriminator(seen.images, **told), None
        return discriminator(seen.images, **told, return_features=True)


def on_host(logs: Logs) -> Logs:
    """Move logs to the CPU all at once: whoever reads them waits for the device no more than this."""
    values = torch.stack([value.detach().float() for value in logs.values()]).cpu()
    return dict(zip(logs, values.unbind(), strict=True))


def _total(losses: Logs) -> Float[Tensor, ""]:
    return reduce(add, losses.values())
