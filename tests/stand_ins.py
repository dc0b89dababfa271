"""Stand-ins for networks that tests cannot download."""

from pathlib import Path

import torch
from torch import Tensor, nn


class InceptionStandIn(nn.Module):
    """Takes what StyleGAN's Inception takes. Its numbers say nothing about image quality.

    Features are the mean of each channel (RGB, in [0, 1]) and of its square; "probabilities" are a
    softmax over the three means.
    """

    def forward(self, img: Tensor, return_features: bool = False, no_output_bias: bool = False) -> Tensor:
        if img.dtype != torch.uint8 or img.ndim != 4 or img.shape[1] != 3:
            raise RuntimeError("wanted uint8 images (n, 3, h, w)")
        x = img.float() / 255
        means = x.mean(dim=[2, 3])
        if return_features:
            return torch.cat([means, x.square().mean(dim=[2, 3])], dim=1)
        return torch.softmax(means, dim=1)


def save_inception_stand_in(folder: Path) -> str:
    """Write the stand-in as TorchScript."""
    path = folder / "inception_stand_in.pt"
    torch.jit.script(InceptionStandIn()).save(str(path))
    return str(path)


def save_depth_stand_in(folder: Path) -> str:
    """Write a depth model of the transformers library: a real architecture, tiny, with random weights."""
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

    torch.manual_seed(0)
    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        image_size=32,
        patch_size=8,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        is_hybrid=False,
    )
    DPTForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return str(folder)
