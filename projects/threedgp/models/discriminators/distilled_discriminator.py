"""A second head for any discriminator of the toolkit, which predicts classifier features."""

from typing import Any

from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor, nn

from ...ranges import Size


@MODELS.register_module()
class DistilledDiscriminator(nn.Module):
    """Any discriminator, with a head on one of its layers that predicts classifier features.

    Args:
        discriminator: Config of the discriminator.
        layer: Name of the submodule whose output the head reads, such as ``convs``.
        layer_dim: Width of that output, flattened.
        feature_dim: Width of the classifier's features; None for no head.
        num_classes: Handed on to the discriminator if it takes it; the toolkit always sets it.
        hidden_dim: Width of the head's hidden layer.
    """

    def __init__(
        self,
        discriminator: dict,
        layer: str,
        layer_dim: Size,
        feature_dim: Size | None = 2048,
        num_classes: Size | None = None,
        hidden_dim: Size = 512,
    ) -> None:
        super().__init__()
        extra = {} if num_classes is None else dict(num_classes=num_classes)
        self.discriminator = MODELS.build(discriminator, default_args=extra)
        modules = dict(self.discriminator.named_modules())
        if layer not in modules:
            raise ValueError(f"layer: got {layer!r}, wanted one of {sorted(filter(None, modules))}")
        self.layer = layer
        self.feature_dim = feature_dim
        self.head = None
        if feature_dim:
            self.head = nn.Sequential(
                nn.Linear(layer_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, feature_dim)
            )

    def forward(
        self, images: Float[Tensor, "n c h w"], *args: Any, return_features: bool = False, **kwargs: Any
    ) -> Tensor | tuple[Tensor, Float[Tensor, "n f"]]:
        """Return the discriminator's logits, with ``return_features`` also the predicted features."""
        tapped: list[Tensor] = []
        module = self.discriminator.get_submodule(self.layer)
        handle = module.register_forward_hook(lambda _module, _input, out: tapped.append(out))
        try:
            logits = self.discriminator(images, *args, **kwargs)
        finally:
            handle.remove()
        if not return_features:
            return logits
        if self.head is None:
            raise ValueError("return_features: this discriminator was built with feature_dim=None")
        return logits, self.head(tapped[-1].flatten(1))
