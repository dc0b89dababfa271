"""Networks of timm that are looked through and never trained."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from typing import Any

import timm
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .weight_files import read_weights


class FrozenNetwork(nn.Module):
    """A network of timm, always frozen and in evaluation mode, with its own normalisation of images.

    It is reproducible from the arguments, also where its weights are random, so it stays out of
    ``parameters()``, ``state_dict()`` and hence checkpoints; ``to()`` and its relatives do move it.

    Args:
        model: Name of a timm model.
        checkpoint: Local weights: a state dict, ``{'state_dict': ...}``, or ``.safetensors``.
        pretrained: Let timm fetch its weights. Not together with `checkpoint`.
        image_size: Side of the square the network sees, in pixels.
        features_only: Let it return the feature maps of all its stages, finest first.

    Raises:
        FileNotFoundError: If `checkpoint` does not exist.
        ValueError: If `checkpoint` does not fit the model, or `pretrained` is set as well.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: str,
        checkpoint: str | None = None,
        pretrained: bool = False,
        image_size: int = 224,
        features_only: bool = False,
    ) -> None:
        super().__init__()
        if checkpoint is not None and pretrained:
            raise ValueError(f"checkpoint={checkpoint!r}, pretrained=True: wanted one of them")
        if checkpoint is None and not pretrained:
            warnings.warn(
                f"{type(self).__name__} {model!r} has random weights: neither checkpoint nor pretrained is "
                "set",
                stacklevel=3,
            )
        network = _make(model, checkpoint, pretrained, features_only)
        # In a tuple it is no sub-module: not trained, not wrapped, not saved.
        self._network = (network.eval().requires_grad_(False),)
        self.model, self.image_size = model, image_size
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
    def network(self) -> Any:
        """The timm model."""
        return self._network[0]

    def _apply(self, fn: Callable, recurse: bool = True) -> FrozenNetwork:
        super()._apply(fn, recurse)
        self.network._apply(fn, recurse)
        return self

    def normalized(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 s s"]:
        """Resize RGB images in [-1, 1] to what the network sees, and normalise them as it was trained."""
        size = (self.image_size, self.image_size)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True)
        return ((images + 1) / 2 - self.mean) / self.std


def _make(model: str, checkpoint: str | None, pretrained: bool, features_only: bool) -> Any:
    if not timm.is_model(model):
        raise ValueError(f"model: got {model!r}, wanted the name of a timm model, such as resnet50")
    # All processes, and a resumed training, need the same random weights.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network: Any = timm.create_model(model, pretrained=pretrained, num_classes=0)
    if checkpoint is not None:
        _load_checkpoint(network, checkpoint)
    if not features_only:
        return network
    # timm renames the weights of such a network: it takes those of the whole one before it does.
    weights = dict(state_dict=network.state_dict())
    return timm.create_model(
        model, features_only=True, num_classes=0, pretrained=True, pretrained_cfg_overlay=weights
    )


def _load_checkpoint(network: nn.Module, checkpoint: str) -> None:
    state = read_weights(checkpoint)
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


def _classifier_prefixes(network: nn.Module) -> tuple[str, ...]:
    """The layers that ``num_classes=0`` removes."""
    about: Any = network.pretrained_cfg
    names = about.get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))
