"""The frozen classifier whose features the discriminator learns to predict."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from typing import Any

import timm
import torch
import torch.nn.functional as F
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ..ranges import Size


@MODELS.register_module()
class TimmTeacher(nn.Module):
    """Pooled features of a timm classifier, always frozen and in evaluation mode.

    The network is reproducible from the arguments, so it stays out of ``parameters()``,
    ``state_dict()`` and hence checkpoints; ``to()`` and its relatives do move it.

    Args:
        model: Name of a timm model.
        checkpoint: Local weights: a state dict, ``{'state_dict': ...}``, or ``.safetensors``.
        pretrained: Let timm fetch its weights. Not together with `checkpoint`.
        image_size: Side of the square the network sees, in pixels.

    Raises:
        FileNotFoundError: If `checkpoint` does not exist.
        ValueError: If `checkpoint` does not fit the model, or `pretrained` is set as well.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: str = "resnet50",
        checkpoint: str | None = None,
        pretrained: bool = False,
        image_size: Size = 224,
    ) -> None:
        super().__init__()
        if checkpoint is not None and pretrained:
            raise ValueError(f"checkpoint={checkpoint!r}, pretrained=True: wanted one of them")
        if checkpoint is None and not pretrained:
            warnings.warn(
                f"TimmTeacher {model!r} has random weights: neither checkpoint nor pretrained is set",
                stacklevel=2,
            )
        network: Any = timm.create_model(model, pretrained=pretrained, num_classes=0)
        if checkpoint is not None:
            _load_checkpoint(network, checkpoint)
        # In a tuple it is no sub-module: not trained, not wrapped, not saved.
        self._network = (network.eval().requires_grad_(False),)
        self.model, self.image_size = model, image_size
        self.feature_dim: int = network.num_features
        statistics = timm.data.resolve_model_data_config(network)
        for name in ("mean", "std"):
            values = torch.tensor(statistics[name]).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def digest(self) -> str:
        """A short text that changes with the weights."""
        known = hashlib.sha256()
        for name, value in sorted(self.network.state_dict().items()):
            known.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        return known.hexdigest()[:32]

    @property
    def network(self) -> nn.Module:
        """The timm model."""
        return self._network[0]

    def _apply(self, fn: Callable, recurse: bool = True) -> "TimmTeacher":
        super()._apply(fn, recurse)
        self.network._apply(fn, recurse)
        return self

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Compute features.

        Args:
            images: RGB in [-1, 1], of any size.

        Returns:
            Pooled features, d = `feature_dim`.
        """
        size = (self.image_size, self.image_size)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True)
        return self.network(((images + 1) / 2 - self.mean) / self.std)


def _load_checkpoint(network: nn.Module, checkpoint: str) -> None:
    state = _read_state_dict(checkpoint)
    state = {name.removeprefix("module."): value for name, value in state.items()}
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ValueError(f"checkpoint={checkpoint!r} does not fit the model: {error}") from error
    head = _classifier_prefixes(network)
    unexpected = [name for name in unexpected if not name.startswith(head)]
    if missing or unexpected:
        raise ValueError(
            f"checkpoint={checkpoint!r} does not fit the model: {len(missing)} weights missing "
            f"({missing[:3]} ...), {len(unexpected)} unknown ({unexpected[:3]} ...)"
        )


def _read_state_dict(checkpoint: str) -> dict[str, Tensor]:
    path = os.path.expanduser(checkpoint)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"checkpoint={checkpoint!r}: file does not exist; wanted the weights of the teacher"
        )
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            return load_file(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)
        return dict(stored.get("state_dict", stored))
    except Exception as error:  # what is no file of weights fails in as many ways as there are bytes
        raise ValueError(f"checkpoint={checkpoint!r} is no file of weights: {error}") from error


def _classifier_prefixes(network: nn.Module) -> tuple[str, ...]:
    """The layers that ``num_classes=0`` removes."""
    about: Any = network.pretrained_cfg
    names = about.get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))
