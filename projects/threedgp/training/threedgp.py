"""The training step and the sampling interface of 3DGP (docs/method.md, sections 9 and 10)."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from mmagic.models.base_models import BaseConditionalGAN
from mmagic.models.utils import get_valid_num_batches
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn

from ..models.blur_fade import BlurFade
from ..models.building import Config, build, frozen
from ..models.cameras.camera_regularizers import CameraRegularizer
from ..models.discriminators.discriminator import ThreeDGPDiscriminator
from ..models.generator import CameraBatch, GeneratorOutput, Sampling, ThreeDGPGenerator
from ..models.losses.adversarial_loss import ThreeDGPAdversarialLoss
from ..models.losses.distillation import KnowledgeDistillationLoss
from ..models.losses.r1_regularizer import R1Regularizer
from ..models.patch_sampler import PatchSampler
from ..rendering import Camera, Patch, extract_patches
from .batches import FakeBatch, RealBatch
from .checks import check_parts, check_wrappers, discriminator_defaults
from .gradients import sanitize_gradients, untouched, without_gradients
from .packing import pack_samples
from .state_dicts import handle_misfits, unwrap, without_wrappers

Logs = dict[str, Tensor]
Phase = Callable[[RealBatch], tuple[Float[Tensor, ""], Logs]]


@MODELS.register_module()
class ThreeDGP(BaseConditionalGAN):
    """3DGP: one step trains the generator, the discriminator, and now and then R1.

    Args:
        generator: Config of the generator.
        discriminator: Config of the discriminator; sizes, classes and channels default to the generator's.
            None for a model that only samples.
        data_preprocessor: Config of the preprocessor; must deliver RGB in [-1, 1].
        num_classes: Number of classes; None for none.
        adversarial_loss: Config of the adversarial loss.
        r1: Config of the R1 penalty; None for none.
        distillation: Config of the distillation loss; None for none.
        teacher: Config of a teacher that is run on the fly, where the dataset delivers no features.
        camera_regularizers: Configs of the camera regularisers; used with a camera generator only.
        patch_sampler: Config of the patch sampler, whose ``min_scale`` defaults to patch size over image
            size; None trains on whole images.
        blur_fade: Config of the blur of the discriminator's inputs; None for none.
        ema_config: Config of the weight average; None for none.
        micro_batch_size: Most images in one forward pass of a process. A larger batch accumulates gradients
            over several, phase by phase, which is the same optimisation.
        deterministic_eval: Evaluate with fixed ray samples and stored noise, where the release draws them.
        strict_load: Refuse checkpoints that do not fit this model.
    """

    images_seen: Int[Tensor, ""]
    label_distribution: Float[Tensor, " classes"]

    def __init__(
        self,
        generator: Config,
        discriminator: Config | None = None,
        data_preprocessor: Config | None = None,
        num_classes: int | None = None,
        adversarial_loss: Config = frozen(type="ThreeDGPAdversarialLoss"),
        r1: Config | None = frozen(type="R1Regularizer"),
        distillation: Config | None = frozen(type="KnowledgeDistillationLoss"),
        teacher: Config | None = None,
        camera_regularizers: Sequence[Config] | None = None,
        patch_sampler: Config | None = frozen(type="PatchSampler"),
        blur_fade: Config | None = frozen(type="BlurFade"),
        ema_config: Config | None = frozen(type="ImagesSeenEMA"),
        micro_batch_size: int | None = None,
        deterministic_eval: bool = False,
        strict_load: bool = True,
    ) -> None:
        ours: ThreeDGPGenerator = build(generator, num_classes=num_classes)
        theirs: ThreeDGPDiscriminator | None = build(discriminator, **discriminator_defaults(ours))
        ema = None if ema_config is None else dict(ema_config)
        super().__init__(ours, theirs, data_preprocessor, num_classes=num_classes, ema_config=ema)
        self.adversarial_loss: ThreeDGPAdversarialLoss = build(adversarial_loss)
        self.r1: R1Regularizer | None = build(r1)
        self.distillation: KnowledgeDistillationLoss | None = build(distillation)
        self.teacher: nn.Module | None = build(teacher)
        if camera_regularizers is None:
            camera_regularizers = [frozen(type=f"Camera{kind}Regularizer") for kind in ("EMD", "Mean")]
        if ours.camera_generator is None:
            camera_regularizers = []
        self.camera_regularizers = nn.ModuleList(build(config) for config in camera_regularizers)
        min_scale = ours.patch_size / ours.image_size
        self.patch_sampler: PatchSampler | None = build(patch_sampler, min_scale=min_scale)
        self.blur_fade: BlurFade | None = build(blur_fade)
        self.micro_batch_size, self.deterministic_eval = micro_batch_size, deterministic_eval
        self.strict_load = strict_load
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.long))
        classes = self.num_classes or 1
        self.register_buffer("label_distribution", torch.full((classes,), 1 / classes))
        self._register_state_dict_hook(without_wrappers)
        if theirs is not None:
            check_parts(ours, theirs, self.patch_sampler is not None, self.distillation is not None)

    @property
    def _generator(self) -> ThreeDGPGenerator:
        return unwrap(self.generator)

    @property
    def _discriminator(self) -> ThreeDGPDiscriminator:
        return unwrap(self.discriminator)

    @property
    def _regularizers(self) -> Iterable[CameraRegularizer]:
        return cast(Iterable[CameraRegularizer], self.camera_regularizers)

    @property
    def kimg(self) -> float:
        """Training time: thousands of images seen, by all processes."""
        return self.images_seen.item() / 1000

    def draw_labels(self, n: int) -> Int[Tensor, " n"] | None:
        """Draw classes as the data has them; None without classes."""
        if not self.num_classes:
            return None
        return torch.multinomial(self.label_distribution, n, replacement=True)

    def draw_patch(self, n: int) -> Patch | None:
        """Draw patches; None when training on whole images."""
        return None if self.patch_sampler is None else self.patch_sampler(n, self.kimg, self.device)

    def draw_fakes(self, n: int, patches: bool = True) -> FakeBatch:
        """Draw all that n generated images depend on."""
        z = self.noise_fn(num_batches=n)
        prior = self._generator.prior.sample(n, self.device)
        return FakeBatch(z, self.draw_labels(n), prior, self.draw_patch(n) if patches else None)

    def training_sampling(self) -> Sampling:
        """Return how the generator samples in this training step."""
        return Sampling(kimg=self.kimg, deterministic=False)

    def train_step(self, data: dict, optim_wrapper: OptimWrapperDict) -> Logs:
        """Train for one step on a batch of real images.

        Args:
            data: Batch of the dataloader.
            optim_wrapper: Optimisers, keys ``generator`` and ``discriminator``.

        Returns:
            Losses, logits, gradient norms and the values of all schedules.
        """
        check_wrappers(optim_wrapper)
        real = self.real_batch(self.data_preprocessor(data, True)["data_samples"])
        batch_size = len(real) * get_world_size()
        chunks = real.split(self.micro_batch_size or len(real))
        logs: Logs = {}
        trainable = [p for p in self._discriminator.parameters() if p.requires_grad]
        with without_gradients(trainable):
            logs |= self._optimize(self.generator_phase, "generator", optim_wrapper, chunks)
        logs |= self._optimize(self.discriminator_phase, "discriminator", optim_wrapper, chunks)
        self._generator.mapping.track(logs.pop("w_mean"))
        if self.r1 is not None and self.images_seen.item() // batch_size % self.r1.interval == 0:
            r1_logs = self._optimize(
                lambda chunk: self.r1_phase(chunk, batch_size), "discriminator", optim_wrapper, chunks
            )
            logs["loss_d_r1"] = r1_logs["loss_d_r1"]
        logs |= self.schedule_values()
        if self.with_ema_gen:
            self.generator_ema.step(self._generator, self.images_seen.item(), batch_size)
        self.images_seen += batch_size
        return logs

    def real_batch(self, data_samples: DataSample) -> RealBatch:
        """Collect what training needs of a preprocessed batch.

        Raises:
            ValueError: If images, depth, labels or features are missing or of the wrong shape.
        """
        images = data_samples.gt_img
        size = self._generator.image_size
        if tuple(images.shape[1:]) != (3, size, size):
            raise ValueError(f"gt_img: got shape {tuple(images.shape[1:])}, wanted (3, {size}, {size})")
        rgb = images
        if self._generator.out_channels == 4:
            if "depth" not in data_samples:
                raise ValueError("depth: got none from the dataset, wanted maps (or a model without depth)")
            images = torch.cat([rgb, data_samples.depth.to(rgb)], dim=1)
        label = self.data_sample_to_label(data_samples) if self.num_classes else None
        if self.num_classes and label is None:
            raise ValueError(f"gt_label: got none, wanted labels of {self.num_classes} classes")
        return RealBatch(images, label, self._teacher_features(rgb, data_samples))

    def _teacher_features(self, rgb: Tensor, data_samples: DataSample) -> Tensor | None:
        if self.distillation is None:
            return None
        if "teacher_feature" in data_samples:
            return data_samples.teacher_feature
        if self.teacher is None:
            raise ValueError(
                "teacher_feature: got none from the dataset, wanted features (or a model.teacher, or "
                "model.distillation=None)"
            )
        with torch.no_grad():
            return self.teacher(rgb)

    def data_sample_to_label(self, data_sample: DataSample | None) -> Int[Tensor, " n"] | None:
        """Return the labels as integers of shape (n,); the toolkit stacks them as (n, 1)."""
        label = super().data_sample_to_label(data_sample)
        return None if label is None else label.reshape(-1).long()

    def _optimize(
        self, phase: Phase, name: str, optim_wrapper: OptimWrapperDict, chunks: list[RealBatch]
    ) -> Logs:
        """Run one phase over all chunks, and step once with the mean gradient."""
        module, wrapper = getattr(self, name), optim_wrapper[name]
        wrapper.zero_grad()
        shares = [len(chunk) / sum(map(len, chunks)) for chunk in chunks]
        history: list[Logs] = []
        for index, chunk in enumerate(chunks):
            no_sync = getattr(module, "no_sync", nullcontext)
            with no_sync() if index + 1 < len(chunks) else nullcontext():
                with wrapper.optim_context(module):
                    loss, logs = phase(chunk)
                wrapper.backward(loss * shares[index])
            history.append({key: value.detach() * shares[index] for key, value in logs.items()})
        norm, bad = sanitize_gradients(module.parameters())
        wrapper.step()
        wrapper.zero_grad()
        logs = {key: torch.stack([each[key] for each in history]).sum(dim=0) for key in history[0]}
        return logs | {f"grad_norm/{name}": norm, f"grad_nonfinite/{name}": bad.float()}

    def judge(
        self,
        images: Float[Tensor, "n c h w"],
        label: Tensor | None,
        patch: Patch | None,
        discriminator: nn.Module,
        features: bool = False,
    ) -> Any:
        """Show images to the discriminator, blurred as training does."""
        if self.blur_fade is not None:
            images = self.blur_fade(images, self.kimg)
        return discriminator(images, label=label, patch=patch, return_features=features)

    def generator_phase(self, chunk: RealBatch) -> tuple[Float[Tensor, ""], Logs]:
        """Loss of the generator: adversarial and camera terms."""
        fakes = self.draw_fakes(len(chunk))
        batches = self.draw_camera_batches()
        output = self._generate(self.generator, fakes, CameraBatch.cat(batches))
        logits = self.judge(output.images, fakes.label, fakes.patch, self._discriminator)
        logs = dict(loss_g_adv=self.adversarial_loss.generator(logits).mean())
        if output.batch_cameras is not None:
            logs |= self.camera_losses(batches, output.batch_cameras)
        return _total(logs), logs

    def _generate(
        self, generator: nn.Module, fakes: FakeBatch, camera_batch: CameraBatch | None = None
    ) -> GeneratorOutput:
        return generator(
            fakes.z,
            fakes.label,
            prior=fakes.prior,
            patch=fakes.patch,
            sampling=self.training_sampling(),
            camera_batch=camera_batch,
            return_output=True,
        )

    def draw_camera_batches(self) -> list[CameraBatch]:
        """Draw the prior cameras that each regulariser looks at."""
        batches = []
        for regularizer in self._regularizers:
            fakes = self.draw_fakes(regularizer.num_samples, patches=False)
            prior = Camera(fakes.prior.params.requires_grad_())
            batches.append(CameraBatch(prior, fakes.z, fakes.label))
        return batches

    def camera_losses(self, batches: list[CameraBatch], posterior: Camera) -> Logs:
        """Return the loss of each regulariser.

        Args:
            batches: What ``draw_camera_batches`` drew.
            posterior: What the camera generator made of all of it, one batch behind the other.
        """
        mean, start, losses = self._generator.prior.mean(1, self.device), 0, {}
        for regularizer, batch in zip(self._regularizers, batches, strict=True):
            end = start + len(batch.prior)
            kind = type(regularizer).__name__.removeprefix("Camera").removesuffix("Regularizer")
            loss = regularizer(batch.prior, posterior[start:end], mean, self.kimg)
            losses[f"loss_g_camera_{kind.lower()}"] = loss
            start = end
        return losses

    def discriminator_phase(self, chunk: RealBatch) -> tuple[Float[Tensor, ""], Logs]:
        """Loss of the discriminator: adversarial on both, distillation on reals."""
        fakes = self.draw_fakes(len(chunk))
        with torch.no_grad():
            output = self._generate(self._generator, fakes)
        patch = self.draw_patch(len(chunk))
        fake = self.judge(output.images, fakes.label, fakes.patch, self.discriminator)
        real, predicted = self._judge_real(self._real_patches(chunk, patch), chunk, patch)
        logs = dict(loss_d_adv=self.adversarial_loss.discriminator(fake, real).mean())
        if self.distillation is not None:
            scales = None if patch is None else patch.scales[:, 0]
            logs["loss_d_kd"] = self.distillation(predicted, chunk.features, scales, self.kimg)
        loss = _total(logs) + untouched(predicted)
        logs |= {"logits/fake": fake.mean(), "logits/real": real.mean()}
        return loss, logs | dict(w_mean=output.ws[:, 0].mean(dim=0))

    def r1_phase(self, chunk: RealBatch, batch_size: int) -> tuple[Float[Tensor, ""], Logs]:
        """Lazy R1 penalty on real patches, times its interval."""
        assert self.r1 is not None
        patch = self.draw_patch(len(chunk))
        images = self._real_patches(chunk, patch).detach().requires_grad_()
        logits, predicted = self._judge_real(images, chunk, patch)
        gamma = self.r1.weight(self._generator.image_size, batch_size)
        penalty = self.r1(logits, images, gamma).mean()
        # The penalty does not depend on the last bias: keep it in the graph as well.
        loss = penalty * self.r1.interval + untouched(predicted) + untouched(logits)
        return loss, dict(loss_d_r1=penalty)

    def _judge_real(
        self, images: Tensor, chunk: RealBatch, patch: Patch | None
    ) -> tuple[Tensor, Tensor | None]:
        if self._discriminator.feature_dim is None:
            return self.judge(images, chunk.label, patch, self.discriminator), None
        return self.judge(images, chunk.label, patch, self.discriminator, features=True)

    def _real_patches(self, chunk: RealBatch, patch: Patch | None) -> Tensor:
        if patch is None:
            return chunk.images
        return extract_patches(chunk.images, patch, self._generator.patch_size)

    def schedule_values(self) -> Logs:
        """Return the present value of every schedule, for the logs."""
        kimg, generator = self.kimg, self._generator
        values = {"kimg": kimg, "schedule/density_noise": generator.density_noise(kimg)}
        if self.blur_fade is not None:
            values["schedule/blur_sigma"] = self.blur_fade.sigma(kimg)
        if self.patch_sampler is not None:
            values["schedule/patch_beta"] = self.patch_sampler.beta(kimg)
            values["schedule/patch_min_scale"] = self.patch_sampler.min_scale(kimg)
        if self.distillation is not None:
            values["schedule/distillation_weight"] = self.distillation.weight(kimg)
        if generator.depth_adaptor is not None:
            values["schedule/depth_identity_prob"] = generator.depth_adaptor.identity_prob(kimg)
        for regularizer in self._regularizers:
            if (ramp := getattr(regularizer, "ramp", None)) is not None:
                values[f"schedule/{type(regularizer).__name__}"] = ramp(kimg)
        return {key: torch.tensor(value) for key, value in values.items()}

    def generator_of(self, sample_model: str | None = None) -> ThreeDGPGenerator:
        """Return the averaged generator (``ema``) or the trained one (``orig``); None as in ``sample``."""
        kind = self._get_valid_model({"sample_model": sample_model})
        return self.generator_ema.module if kind == "ema" else self._generator

    def sample(
        self,
        z: Float[Tensor, "n z"],
        label: Int[Tensor, " n"] | None = None,
        camera: Camera | None = None,
        sampling: Sampling = Sampling(deterministic=True),
        sample_model: str | None = None,
    ) -> GeneratorOutput:
        """Generate full images without gradients.

        Args:
            z: Latents.
            label: Classes; ignored without classes.
            camera: Cameras to render as they are; None draws posterior ones.
            sampling: How to sample.
            sample_model: ``ema`` or ``orig``; None for ``ema`` if there is one.
        """
        generator = self.generator_of(sample_model)
        training = generator.training
        generator.eval()
        try:
            with torch.no_grad():
                return generator(z, label, camera=camera, sampling=sampling, return_output=True)
        finally:
            generator.train(training)

    def forward(
        self, inputs: dict | Tensor, data_samples: DataSample | None = None, mode: str | None = None
    ) -> list[DataSample]:
        """Generate samples for metrics, hooks and inferencers of the toolkit.

        Args:
            inputs: Latents, or a dict with any of ``num_batches``, ``noise``, ``sample_model`` and
                ``sample_kwargs``: fields of ``Sampling``, ``camera`` (``mean`` for the prior's frontal
                camera, or (n, 8) numbers) and ``marching`` (fields of ``RayMarching`` to replace).
            data_samples: Labels to use, if any.
            mode: Unused.

        Returns:
            One ``DataSample`` per image: ``fake_img`` (3, H, W) BGR in [0, 255] as all of the toolkit expects
            it, ``depth`` (1, H, W) in world units, ``adapted_depth`` (1, H, W), ``camera`` (8,), ``noise``.
        """
        inputs = {"noise": inputs} if isinstance(inputs, Tensor) else inputs
        noise = self.noise_fn(inputs.get("noise"), num_batches=get_valid_num_batches(inputs, data_samples))
        label = self.data_sample_to_label(data_samples) if self.num_classes else None
        label = self.draw_labels(len(noise)) if label is None else label
        kind = self._get_valid_model(inputs)
        kwargs = dict(inputs.get("sample_kwargs") or {})
        camera = self._chosen_camera(kwargs.pop("camera", None), len(noise))
        outputs = {
            each: self.sample(noise, label, camera, self._chosen_sampling(kwargs), each)
            for each in kind.split("/")
        }
        return pack_samples(outputs, noise, label, inputs.get("sample_kwargs") or {}, data_samples)

    def _chosen_camera(self, camera: Any, n: int) -> Camera | None:
        if camera is None:
            return None
        if isinstance(camera, str):
            if camera != "mean":
                raise ValueError(f"sample_kwargs.camera: got {camera!r}, wanted 'mean' or (n, 8) numbers")
            return self._generator.prior.mean(n, self.device)
        return Camera(torch.as_tensor(camera, device=self.device).float().expand(n, 8))

    def _chosen_sampling(self, kwargs: dict) -> Sampling:
        kwargs = dict(deterministic=self.deterministic_eval) | kwargs
        if "marching" in kwargs:
            kwargs["marching"] = replace(self._generator.marching, **kwargs["marching"])
        return Sampling(**kwargs)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any, **kwargs: Any) -> None:
        handle_misfits(self.state_dict(), state_dict, prefix, self.strict_load)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _total(losses: Logs) -> Float[Tensor, ""]:
    return reduce(add, losses.values())
