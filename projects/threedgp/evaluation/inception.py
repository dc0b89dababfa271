"""The Inception network of FID and IS: a local file, or an error that says which one is missing."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

import torch
from mmagic.evaluation.functional.fid_inception import FID_WEIGHTS_URL
from mmagic.evaluation.functional.inception_utils import TERO_INCEPTION_URL, load_inception
from mmagic.evaluation.metrics.base_gen_metric import GenerativeMetric
from mmagic.utils import MMAGIC_CACHE_DIR, download_from_url
from mmengine.dataset import BaseDataset
from torch import nn
from torch.utils.data import Dataset

from ..whole_files import is_whole
from .dataset_identity import dataset_digest

RECIPE = "evenly spread images, double precision"
"""How statistics are made of features; another one makes other files."""

# What torchvision downloads for IS.
TORCHVISION_FILE = "inception_v3_google-0cc3c7bd.pth"


def load_network(style: str, path: str | None, metric: str) -> tuple[nn.Module, str]:
    """Load an Inception network in evaluation mode.

    Args:
        style: ``StyleGAN`` for the TorchScript file that published numbers are made with,
            ``PyTorch`` for torchvision's (IS) or the pytorch-fid port (FID).
        path: TorchScript file or its URL; None for NVIDIA's. For ``StyleGAN`` only.
        metric: ``FID`` or ``IS``.

    Returns:
        The network, and its style as the toolkit's metrics spell it.

    Raises:
        FileNotFoundError: If the file does not exist and cannot be downloaded.
        ValueError: If the style is unknown, or the file holds something else.
    """
    if style == "StyleGAN":
        return _load_script(network_file(path)).eval(), style
    if style == "PyTorch":
        return _load_pytorch(metric).eval(), "pytorch"
    raise ValueError(f"inception_style: got {style!r}, wanted 'StyleGAN' or 'PyTorch'")


def network_file(path: str | None) -> Path:
    """Find the TorchScript file of the ``StyleGAN`` style, or download it.

    Args:
        path: File or URL; None for NVIDIA's.

    Raises:
        FileNotFoundError: If there is none and no way to get it.
    """
    if path is not None and "://" not in path:
        if not Path(path).expanduser().is_file():
            raise FileNotFoundError(
                f"inception_path: no file {path!r} (looked from {os.getcwd()}), wanted the "
                f"Inception network as TorchScript: put {TERO_INCEPTION_URL} there"
            )
        return Path(path).expanduser()
    url = path or TERO_INCEPTION_URL
    file = Path(MMAGIC_CACHE_DIR, url.split("/")[-1])
    if not file.is_file():
        try:
            download_from_url(url, dest_dir=MMAGIC_CACHE_DIR)
        except Exception as error:
            raise FileNotFoundError(
                f"inception_path: no file {str(file)!r}, and {url} cannot be downloaded ({error}); "
                "put the file there, or set inception_path to where it is"
            ) from error
    return file


def _load_script(file: Path) -> nn.Module:
    if not is_whole(file):
        raise ValueError(f"inception_path: {str(file)!r} is not a (whole) TorchScript file")
    try:
        return torch.jit.load(str(file), map_location="cpu")
    except RuntimeError as error:
        raise ValueError(
            f"inception_path: {str(file)!r} is not a (whole) TorchScript file: {error}"
        ) from error


def _load_pytorch(metric: str) -> nn.Module:
    try:
        return load_inception(dict(type="PyTorch", normalize_input=False), metric)[0]
    except (URLError, OSError) as error:
        raise FileNotFoundError(
            f"inception_style='PyTorch': no file {str(hub_file(metric))!r}, and it cannot be downloaded "
            f"({error}); put it there"
        ) from error


def check_network(metric: GenerativeMetric, samples: Sequence[dict]) -> None:
    """Show a first image to a metric's network.

    Args:
        metric: FID or IS, on the samples' device.
        samples: What the model makes.

    Raises:
        ValueError: If the network is none of the kind.
    """
    try:
        with torch.no_grad():
            metric.process({}, samples)
    except RuntimeError as error:
        raise ValueError(
            f"inception_path: the network of {metric.prefix} takes no image ({str(error).splitlines()[-1]}), "
            f"wanted StyleGAN's Inception as TorchScript: {TERO_INCEPTION_URL}"
        ) from error
    finally:
        metric.fake_results.clear()


def network_digest(style: str, path: str | None) -> str:
    """Return a digest of the network's weights and code, or of the style where its file is not there.

    Args:
        style: Style of the network.
        path: File of the network, see ``network_file``.
    """
    file = network_file(path) if style == "StyleGAN" else hub_file("FID")
    content = file.read_bytes() if file.is_file() else b""
    return hashlib.sha256(style.encode() + content).hexdigest()


def hub_file(metric: str) -> Path:
    """Return where the ``PyTorch`` style of a metric keeps its weights."""
    name = FID_WEIGHTS_URL.split("/")[-1] if metric == "FID" else TORCHVISION_FILE
    return Path(torch.hub.get_dir(), "checkpoints", name)


def statistics_name(
    dataset: Dataset,
    style: str,
    path: str | None,
    real_nums: int,
    preprocessor: nn.Module | None = None,
    network: str | None = None,
    kind: str = "fid",
) -> str:
    """Name the file of real statistics after everything they depend on.

    That is what the images depend on, see ``dataset_digest``, which of them are used, and the network.

    Args:
        dataset: The real images.
        style: Style of the network.
        path: File of the network, see ``network_file``.
        real_nums: Images used, -1 for all.
        preprocessor: The model's data preprocessor.
        network: Digest of the network that is used; None for that of the file as it is now.
        kind: What is kept of the images, a word.

    Raises:
        ValueError: If the dataset is a wrapper of others, which does not list its images.
    """
    if not isinstance(dataset, BaseDataset):
        raise ValueError(
            f"inception_pkl: got None for a {type(dataset).__name__}, wanted a file name of its "
            "own for each choice of images, resolution and network"
        )
    count = len(dataset) if real_nums == -1 else min(real_nums, len(dataset))
    network = network or network_digest(style, path)
    known = (RECIPE, count, network, dataset_digest(dataset, preprocessor))
    return f"threedgp_{kind}_{hashlib.sha256(repr(known).encode()).hexdigest()[:16]}.npz"
