"""Distances between images: LPIPS, or features of a network from a local file."""

import os
from pathlib import Path
from urllib.error import URLError

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ..models.weight_files import read_weights
from .sampled_metric import load_script

ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
ALEXNET_FILE = ALEXNET_URL.rsplit("/", 1)[-1]
WANTED = "'lpips', or a TorchScript network: net(uint8 RGB (n, 3, h, w), return_features=True) -> (n, d)"
PAIRS_AT_ONCE = 32


class FeatureDistance(nn.Module):
    """Euclidean distance between the features of a network.

    Args:
        network: ``net(uint8 RGB (n, 3, h, w), return_features=True)`` -> (n, d).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def describe(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Return the features of RGB images."""
        return self.network(images, return_features=True).float()

    def pairwise(self, features: Float[Tensor, "k d"]) -> Float[Tensor, " pairs"]:
        """Return the distances of all pairs."""
        return torch.pdist(features)


class PerceptualDistance(nn.Module):
    """LPIPS with the features of AlexNet.

    Args:
        network: ``net(rgb, rgb)`` of RGB images (n, 3, h, w) in [-1, 1] -> n distances.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def describe(self, images: UInt8[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n 3 h w"]:
        """Return the RGB images themselves: their features are larger."""
        return images

    def pairwise(self, images: UInt8[Tensor, "k 3 h w"]) -> Float[Tensor, " pairs"]:
        """Return the distances of all pairs."""
        device = next(self.network.parameters()).device
        rgb = images.to(device).float() / 127.5 - 1
        pairs = torch.combinations(torch.arange(len(rgb), device=device))
        chunks = pairs.split(PAIRS_AT_ONCE)
        return torch.cat([self.network(rgb[chunk[:, 0]], rgb[chunk[:, 1]]).flatten() for chunk in chunks])


ImageDistance = FeatureDistance | PerceptualDistance


def load_lpips(path: str | None) -> nn.Module:
    """Load LPIPS (AlexNet, version 0.1) in evaluation mode; its linear layers come with its package.

    Args:
        path: Weights of torchvision's AlexNet; None for those of torchvision's cache or download.

    Raises:
        FileNotFoundError: If there is no such file, or none can be had.
        ValueError: If the file holds something else.
    """
    import lpips  # type: ignore[import-untyped]

    if path is not None and not Path(path).expanduser().is_file():
        raise FileNotFoundError(
            f"lpips_path: no file {path!r} (looked from {os.getcwd()}), wanted torchvision's AlexNet: put "
            f"{ALEXNET_URL} there"
        )
    try:
        network = lpips.LPIPS(net="alex", pnet_rand=path is not None, verbose=False).eval()
    except (URLError, OSError) as error:
        file = Path(torch.hub.get_dir(), "checkpoints", ALEXNET_FILE)
        raise FileNotFoundError(
            f"extractor='lpips': no file {str(file)!r}, and {ALEXNET_URL} cannot be downloaded ({error}); "
            "put the file there, or set lpips_path to where it is"
        ) from error
    if path is not None:
        _load_alexnet(network.net, path)
    return network


def _load_alexnet(slices: nn.Module, path: str) -> None:
    """Load ``features.3.weight`` of torchvision into what LPIPS calls ``slice2.3.weight``."""
    try:
        given = read_weights(path, "lpips_path")
        names = {name: "features." + name.split(".", 1)[1] for name in slices.state_dict()}
        slices.load_state_dict({name: given[theirs] for name, theirs in names.items()})
    except Exception as error:
        raise ValueError(
            f"lpips_path: {path!r} does not hold torchvision's AlexNet ({type(error).__name__}: {error}), "
            f"wanted {ALEXNET_URL}"
        ) from error


def load_distance(extractor: str, lpips_path: str | None = None) -> ImageDistance:
    """Load what images are compared with.

    Args:
        extractor: ``lpips``, or the path of a TorchScript network, see ``FeatureDistance``.
        lpips_path: See ``load_lpips``.

    Raises:
        FileNotFoundError: If there is no such file, or none can be had.
        ValueError: If a file holds something else.
    """
    if extractor == "lpips":
        return PerceptualDistance(load_lpips(lpips_path))
    return FeatureDistance(load_script(extractor, "extractor", WANTED))
