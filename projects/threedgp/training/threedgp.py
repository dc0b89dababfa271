"""3DGP as the toolkit knows it: a model that trains for a step, generates samples, and is saved."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
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

from ..models.augmentation import AdaptiveAugmentation
from ..models.blur_fade import BlurFade
from ..models.building import Config, build, frozen
from ..models.cameras.camera_regularizers import CameraRegularizer
from ..models.discriminators.discriminator import ThreeDGPDiscriminator
from ..models.generator import GeneratorOutput, ThreeDGPGenerator
from ..models.losses.adversarial_loss import ThreeDGPAdversarialLoss
from ..models.losses.distillation import KnowledgeDistillationLoss
from ..models.losses.generator_term import GeneratorTerm
from ..models.losses.r1_regularizer import R1Regularizer
from ..models.old_names import rename_old_tensors
from ..models.patch_sampler import PatchSampler
from ..models.pose_swap import PoseSwap
from ..models.style_mixing import StyleMixing
from ..ranges import Size
from ..rendering import Camera, PoseLabel
from ..schedules import schedule_values
from ..wording import counted
from .batches import RealBatch
from .checks import check_counts, check_parts, check_wrappers, discriminator_defaults
from .draws import Draws
from .packing import pack_samples
from .phases import Logs, Phases, on_host
from .sampler import Sampler
from .state_dicts import handle_misfits, unwrap, without_wrappers
from .trainer import Trainer


@MODELS.register_module()
class ThreeDGP(BaseConditionalGAN):
    """3DGP: a ``Trainer`` trains it, a ``Sampler`` samples it, and this owns the parts and the time.

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
        camera_regularizers: Configs of the camera regularisers; used with a camera generator only. None for
            none.
        generator_terms: Configs of what regularises the generator in steps of its own, see ``GeneratorTerm``.
        style_mixing: Config of style mixing; None for none.
        pose_swap: Config of what tells a mapping with ``pose_dim`` the poses of other samples; None for none.
        patch_sampler: Config of the patch sampler, whose ``min_scale`` defaults to patch size over image
            size; None trains on whole images.
        blur_fade: Config of the blur of the discriminator's inputs; None for none.
        augmentation: Config of what else is done to the discriminator's inputs; None for nothing.
        ema_config: Config of the weight average; None for none.
        micro_batch_size: Most images in one forward pass of a process, at least a minibatch-std group. A
            larger batch accumulates gradients over several, phase by phase, which is the same optimisation.
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
        num_classes: Size | None = None,
        adversarial_loss: Config = frozen(type="ThreeDGPAdversarialLoss"),
        r1: Config | None = frozen(type="R1Regularizer"),
        distillation: Config | None = frozen(type="KnowledgeDistillationLoss"),
        teacher: Config | None = None,
        camera_regularizers: Sequence[Config] | None = (
            frozen(type="CameraEMDRegularizer"),
            frozen(type="CameraMeanRegularizer"),
        ),
        generator_terms: Sequence[Config] = (),
        style_mixing: Config | None = None,
        pose_swap: Config | None = None,
        patch_sampler: Config | None = frozen(type="PatchSampler"),
        blur_fade: Config | None = frozen(type="BlurFade"),
        augmentation: Config | None = None,
        ema_config: Config | None = frozen(type="ImagesSeenEMA"),
        micro_batch_size: Size | None = None,
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
        if ours.camera_generator is None:
            camera_regularizers = None
        self.camera_regularizers = nn.ModuleList(build(config) for config in camera_regularizers or ())
        self.generator_terms = nn.ModuleList(build(config) for config in generator_terms)
        self.style_mixing: StyleMixing | None = build(style_mixing)
        self.pose_swap: PoseSwap | None = build(pose_swap)
        min_scale = ours.patch_size / ours.image_size
        self.patch_sampler: PatchSampler | None = build(patch_sampler, min_scale=min_scale)
        self.blur_fade: BlurFade | None = build(blur_fade)
        self.augmentation: AdaptiveAugmentation | None = build(augmentation)
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
    def kimg(self) -> float:
        """Training time: thousands of images seen, by all processes."""
        return self.images_seen.item() / 1000

    @property
    def draws(self) -> Draws:
        """What is drawn in a step that begins now."""
        generator = self._generator
        shares = self.label_distribution if self.num_classes else None
        mixing = None if self.style_mixing is None else partial(self.style_mixing, generator=generator)
        return Draws(
            generator.prior,
            generator.noise_size,
            shares,
            self.patch_sampler,
            self.kimg,
            self.device,
            mixing,
            self.pose_swap,
        )

    @property
    def phases(self) -> Phases:
        """What is minimised in a step that begins now."""
        return Phases(
            generator=self.generator,
            discriminator=self.discriminator,
            adversarial_loss=self.adversarial_loss,
            r1=self.r1,
            distillation=self.distillation,
            regularizers=cast(Iterable[CameraRegularizer], self.camera_regularizers),
            blur_fade=self.blur_fade,
            sampling=self._generator.training_sampling(self.kimg),
            kimg=self.kimg,
            generator_terms=cast(Iterable[GeneratorTerm], self.generator_terms),
            augmentation=self.augmentation,
        )

    @property
    def sampler(self) -> Sampler:
        """What metrics, hooks and inferencers call."""
        average = self.generator_ema.module if self.with_ema_gen else None
        level = self._generator.training_sampling(self.kimg).level
        return Sampler(self._generator, average, self.deterministic_eval, level)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ThreeDGP":
        """Move or convert everything but the count: each step reads it, and must not wait for a device."""
        images_seen = self.images_seen
        super()._apply(fn, recurse)
        self.images_seen = images_seen
        return self

    def generator_of(self, sample_model: str | None = None) -> ThreeDGPGenerator:
        """Return a generator, as ``Sampler.generator_of`` does."""
        return self.sampler.generator_of(sample_model)

    def sample(self, *args: Any, **kwargs: Any) -> GeneratorOutput:
        """Generate full images, as ``Sampler.sample`` does."""
        return self.sampler.sample(*args, **kwargs)

    def train_step(self, data: dict, optim_wrapper: OptimWrapperDict) -> Logs:
        """Train for one step on a batch of real images.

        Args:
            data: Batch of the dataloader.
            optim_wrapper: Optimisers, keys ``generator`` and ``discriminator``.

        Returns:
            Losses, logits, gradient norms and the values of all schedules, on the CPU.
        """
        check_wrappers(optim_wrapper)
        real = self.real_batch(self.data_preprocessor(data, True)["data_samples"])
        trainer = Trainer(self.phases, self.draws, optim_wrapper, self.micro_batch_size)
        images_seen, batch_size = int(self.images_seen), len(real) * get_world_size()
        logs = on_host(trainer.step(real, images_seen)) | self.schedule_values()
        if self.with_ema_gen:
            self.generator_ema.step(self._generator, images_seen, batch_size)
        self.images_seen += batch_size
        return logs

    def schedule_values(self) -> Logs:
        """Return the training time and the present value of every schedule, for the logs."""
        parts = [self._generator, self.discriminator, self.patch_sampler, self.pose_swap]
        shown = [self.blur_fade, self.augmentation]
        losses = [
            self.adversarial_loss,
            self.r1,
            self.distillation,
            *self.camera_regularizers,
            *self.generator_terms,
        ]
        values = schedule_values([*parts, *shown, *losses], self.kimg)
        logs = {"kimg": self.kimg} | {f"schedule/{name}": value for name, value in values.items()}
        return dict(zip(logs, torch.tensor(list(logs.values())).unbind(), strict=True))

    def real_batch(self, data_samples: DataSample) -> RealBatch:
        """Collect what training needs of a preprocessed batch.

        Raises:
            ValueError: If images, depth, labels or features are missing or of the wrong shape.
        """
        images = data_samples.gt_img
        size = self._generator.image_size
        if tuple(images.shape[1:]) != (3, size, size):
            raise ValueError(
                f"gt_img: got shape {tuple(images.shape[1:])}, wanted (3, {size}, {size}), as "
                "model.generator.image_size (see the dataset's resolution)"
            )
        rgb = images
        if self._generator.out_channels == 4:
            if "depth" not in data_samples:
                raise ValueError("depth: got none from the dataset, wanted maps (or a model without depth)")
            images = torch.cat([rgb, data_samples.depth.to(rgb)], dim=1)
        label = self.data_sample_to_label(data_samples) if self.num_classes else None
        if self.num_classes and label is None:
            raise ValueError(f"gt_label: got none, wanted labels of {counted(self.num_classes, 'class')}")
        features = self._teacher_features(rgb, data_samples)
        wanted = unwrap(self.discriminator).feature_dim
        if features is not None and features.shape[1] != wanted:
            raise ValueError(
                f"teacher_feature: got {features.shape[1]} numbers, wanted {wanted}, as "
                "model.discriminator.feature_dim"
            )
        return RealBatch(images, label, features, self._real_poses(data_samples))

    def _real_poses(self, data_samples: DataSample) -> Tensor | None:
        if not getattr(unwrap(self.discriminator), "pose_dim", 0):
            return None
        if "camera" not in data_samples:
            raise ValueError(
                "camera: got none from the dataset, wanted cameras (or model.discriminator.pose_dim=0)"
            )
        return PoseLabel.of(Camera(data_samples.camera.float())).params

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
        label = self.draws.labels(len(noise)) if label is None else label
        kwargs = dict(inputs.get("sample_kwargs") or {})
        outputs = self.sampler.sample_as_asked(noise, label, inputs.get("sample_model"), kwargs)
        return pack_samples(outputs, noise, label, kwargs, data_samples)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any, **kwargs: Any) -> None:
        for generator in ("generator.", "generator_ema.module."):
            rename_old_tensors(state_dict, prefix + generator)
        handle_misfits(self.state_dict(), state_dict, prefix, self.strict_load)
        check_counts(state_dict.get(f"{prefix}images_seen"), state_dict.get(f"{prefix}label_distribution"))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
