"""The toolkit's ADM, mended so that its samples can be evaluated."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Int
from mmagic.models import AblatedDiffusionModel
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from torch import Tensor

from ..ranges import Size


@MODELS.register_module()
class LabelledADM(AblatedDiffusionModel):
    """ADM (Dhariwal and Nichol, 2021) that samples as metrics, hooks and inferencers of the toolkit ask.

    The toolkit's ``forward`` fails unless it is given labels, of which it then takes no notice, and returns
    images in [-1, 1] where everything behind it expects [0, 255].

    Args:
        *args: As of the toolkit's ``AblatedDiffusionModel``.
        num_inference_steps: Denoising steps of a sample, unless it is asked for with another number.
        **kwargs: As of the toolkit's.
    """

    def __init__(self, *args: Any, num_inference_steps: Size = 250, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not 1 <= num_inference_steps <= len(self.diffusion_scheduler):
            raise ValueError(
                f"num_inference_steps: got {num_inference_steps}, wanted 1 to the schedule's "
                f"{len(self.diffusion_scheduler)}"
            )
        self.num_inference_steps = num_inference_steps

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.get_module(self.unet, "num_classes")

    def forward(
        self, inputs: dict, data_samples: DataSample | None = None, mode: str | None = None
    ) -> list[DataSample]:
        """Generate samples.

        Args:
            inputs: A dict with any of ``num_batches``, ``init_image`` and ``sample_kwargs``: ``labels``,
                ``num_inference_steps``, ``classifier_scale``, ``show_progress``.
            data_samples: Labels to use, if any.
            mode: Unused.

        Returns:
            One ``DataSample`` per image: ``fake_img`` (3, H, W) BGR in [0, 255] and its ``gt_label``.
        """
        kwargs = dict(num_inference_steps=self.num_inference_steps, classifier_scale=self.classifier_scale)
        kwargs |= inputs.get("sample_kwargs") or {}
        labels = self._labels(kwargs.pop("labels", None), inputs, data_samples)
        made = self.infer(
            init_image=inputs.get("init_image"), batch_size=len(labels), labels=labels, **kwargs
        )
        images = self.data_preprocessor.destruct(made["samples"].clamp(-1, 1))
        batch = DataSample()
        if data_samples:
            batch.update(data_samples)
        batch.fake_img = images
        batch.set_gt_label(labels)
        return batch.split(allow_nonseq_value=True)

    def _labels(self, wanted: Any, inputs: Mapping, data_samples: DataSample | None) -> Int[Tensor, " n"]:
        """The labels that are wanted, or those of the data, or drawn uniformly."""
        if wanted is not None:
            labels = torch.as_tensor(wanted, device=self.device).reshape(-1)
            return labels.expand(inputs.get("num_batches", 1)) if len(labels) == 1 else labels
        if data_samples and "gt_label" in data_samples:
            return data_samples.gt_label.label.reshape(-1).long().to(self.device)
        return torch.randint(self.num_classes, (inputs.get("num_batches", 1),), device=self.device)
