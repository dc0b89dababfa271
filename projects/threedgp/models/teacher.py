"""The frozen classifier whose features the discriminator learns to predict."""

import torch
from jaxtyping import Float
from mmagic.registry import MODELS
from torch import Tensor

from ..ranges import Size
from .frozen_network import FrozenNetwork


@MODELS.register_module()
class TimmTeacher(FrozenNetwork):
    """Pooled features of a timm classifier, see ``FrozenNetwork``.

    Args:
        model: Name of a timm model.
        checkpoint: Local weights: a state dict, ``{'state_dict': ...}``, or ``.safetensors``.
        pretrained: Let timm fetch its weights. Not together with `checkpoint`.
        image_size: Side of the square the network sees, in pixels.

    Raises:
        FileNotFoundError: If `checkpoint` does not exist.
        ValueError: If `checkpoint` does not fit the model, or `pretrained` is set as well.
    """

    def __init__(
        self,
        model: str = "resnet50",
        checkpoint: str | None = None,
        pretrained: bool = False,
        image_size: Size = 224,
    ) -> None:
        super().__init__(model, checkpoint, pretrained, image_size)
        self.feature_dim: int = self.network.num_features

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Compute features.

        Args:
            images: RGB in [-1, 1], of any size.

        Returns:
            Pooled features, d = `feature_dim`.
        """
        return self.network(self.normalized(images))
