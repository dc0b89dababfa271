"""Trains the three small networks that the studies on procedural scenes need."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from ..data.images import read_depth_levels, read_image
from ..evaluation import ordinal_error, scale_shift_invariant_rmse
from ..scenes import CLASSES, ToySettings, encode_depth, render_scene
from ..whole_files import whole_file, write_text
from .arms import NETWORK_FILES

TEACHER = "test_resnet"
TEACHER_SIZE = 48
HELD_OUT_SEED = 1_000_003
MAX_DEPTH = 65535


@dataclass(frozen=True)
class Scenes:
    """Images with what is known of them.

    Args:
        rgb: Colour (n, 3, r, r) in [-1, 1].
        depth: Exact depth (n, 1, r, r) in [0, 1].
        label: Classes (n,).
    """

    rgb: Tensor
    depth: Tensor
    label: Tensor

    def batches(self, size: int, rng: np.random.Generator) -> Iterator["Scenes"]:
        """All scenes in random order, half of each batch mirrored."""
        for indices in np.array_split(rng.permutation(len(self.label)), len(self.label) // size):
            rgb, depth = self.rgb[indices], self.depth[indices]
            mirror = torch.from_numpy(rng.random(len(indices)) < 0.5)[:, None, None, None]
            yield Scenes(
                torch.where(mirror, rgb.flip(-1), rgb),
                torch.where(mirror, depth.flip(-1), depth),
                self.label[indices],
            )


class ToyClassifier(nn.Module):
    """A plain convolutional classifier with the interface of StyleGAN's Inception network.

    Args:
        resolution: Side of the images it sees; others are resized.
        width: Channels of the first layer.
    """

    def __init__(self, resolution: int, width: int = 32) -> None:
        super().__init__()
        self.resolution = resolution
        channels = [3, width, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for i, o in pairwise(channels):
            layers += [nn.Conv2d(i, o, 3, 1 if i == 3 else 2, 1), nn.BatchNorm2d(o), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(channels[-1], len(CLASSES))

    def features(self, rgb: Tensor) -> Tensor:
        """Pooled features (n, d) of images in [-1, 1]."""
        if rgb.shape[-1] != self.resolution:
            rgb = F.interpolate(rgb, [self.resolution, self.resolution], mode="bilinear", antialias=True)
        return self.trunk(rgb).mean(dim=[2, 3])

    def forward(self, img: Tensor, return_features: bool = False, no_output_bias: bool = False) -> Tensor:
        """Features, or probabilities, of 8-bit RGB images (n, 3, h, w)."""
        features = self.features(img.float() / 127.5 - 1)
        if return_features:
            return features
        logits = features @ self.head.weight.T
        return torch.softmax(logits if no_output_bias else logits + self.head.bias, dim=1)


class ToyDepthEstimator(nn.Module):
    """A U-Net from colour (n, 3, h, w) in [-1, 1] to depth (n, 1, h, w), larger is farther."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()

        def block(i: int, o: int) -> nn.Sequential:
            layers = [nn.Conv2d(i, o, 3, 1, 1), nn.BatchNorm2d(o), nn.ReLU()]
            return nn.Sequential(*layers, nn.Conv2d(o, o, 3, 1, 1), nn.BatchNorm2d(o), nn.ReLU())

        self.fine, self.middle, self.coarse = (
            block(3, width),
            block(width, 2 * width),
            block(2 * width, 3 * width),
        )
        self.up_middle, self.up_fine = block(5 * width, 2 * width), block(3 * width, width)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, rgb: Tensor) -> Tensor:
        """Estimate depth."""
        fine = self.fine(rgb)
        middle = self.middle(F.max_pool2d(fine, 2))
        coarse = self.coarse(F.max_pool2d(middle, 2))
        middle = self.up_middle(torch.cat([F.interpolate(coarse, scale_factor=2.0), middle], dim=1))
        return self.out(self.up_fine(torch.cat([F.interpolate(middle, scale_factor=2.0), fine], dim=1)))


class TeacherClassifier(nn.Module):
    """The timm network behind the normalisation that ``TimmTeacher`` applies to images in [-1, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.network = timm.create_model(TEACHER, num_classes=len(CLASSES))
        about = timm.data.resolve_model_data_config(self.network)
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(about[name]).view(1, 3, 1, 1), persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        """Logits."""
        rgb = F.interpolate(rgb, [TEACHER_SIZE, TEACHER_SIZE], mode="bilinear", antialias=True)
        return self.network(((rgb + 1) / 2 - self.mean) / self.std)


def load_training_scenes(data: Path) -> Scenes:
    """Read a data set with its exact depth."""
    names = (data / "cameras.txt").read_text().split()
    rgb, depth = [], []
    for name in tqdm(names, desc="reading", unit="image"):
        rgb.append(read_image(data / "train" / name))
        depth_file = data / "exact_depth" / name.replace(".png", "_depth.png")
        depth.append(read_depth_levels(depth_file))
    label = [CLASSES.index(Path(name).parent.name) for name in names]
    return as_scenes(rgb, depth, label)


def render_held_out_scenes(num: int, resolution: int, settings: ToySettings) -> Scenes:
    """Render scenes that are in no data set of the same settings with a small seed."""
    images = [
        render_scene(HELD_OUT_SEED, index, resolution, settings=settings)
        for index in tqdm(range(num), desc="rendering held-out scenes", unit="image")
    ]
    depth = [encode_depth(image.depth, settings) for image in images]
    return as_scenes([image.rgb for image in images], depth, [i % len(CLASSES) for i in range(num)])


def as_scenes(rgb: Sequence[np.ndarray], depth: Sequence[np.ndarray], label: Sequence[int]) -> Scenes:
    """Put 8-bit RGB images and 16-bit depth maps into tensors."""
    return Scenes(
        torch.from_numpy(np.stack(rgb).astype(np.float32)).movedim(-1, 1) / 127.5 - 1,
        torch.from_numpy(np.stack(depth).astype(np.float32))[:, None] / MAX_DEPTH,
        torch.tensor(label),
    )


def train(
    network: nn.Module, scenes: Scenes, loss: Callable[[nn.Module, Scenes], Tensor], epochs: int, title: str
) -> None:
    """Train with AdamW and a one-cycle learning rate; leaves the network frozen."""
    batch_size, rng = min(64, len(scenes.label)), np.random.default_rng(0)
    steps = epochs * (len(scenes.label) // batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    with tqdm(total=steps, desc=title, unit="step") as progress:
        for _ in range(epochs):
            for batch in scenes.batches(batch_size, rng):
                optimizer.zero_grad()
                value = loss(network, batch)
                value.backward()
                optimizer.step()
                schedule.step()
                progress.update()
                progress.set_postfix(loss=f"{value.item():.3f}")
    network.eval().requires_grad_(False)


def classifier_loss(network: nn.Module, batch: Scenes) -> Tensor:
    """Cross entropy of a network from images to logits."""
    return F.cross_entropy(network(batch.rgb), batch.label, label_smoothing=0.05)


def extractor_loss(network: nn.Module, batch: Scenes) -> Tensor:
    """Cross entropy of a ``ToyClassifier``."""
    assert isinstance(network, ToyClassifier)
    return F.cross_entropy(network.head(network.features(batch.rgb)), batch.label, label_smoothing=0.05)


def depth_loss(network: nn.Module, batch: Scenes) -> Tensor:
    """Mean distance of depth maps, in units of the true map's standard deviation."""
    spread = batch.depth.flatten(1).std(dim=1).clamp_min(0.02)[:, None, None, None]
    return ((network(batch.rgb) - batch.depth).abs() / spread).mean()


@torch.no_grad()
def in_batches(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Apply a network to many images."""
    return torch.cat([network(part) for part in images.split(256)])


def accuracy(logits: Tensor, scenes: Scenes) -> float:
    """Share of right classes."""
    return (logits.argmax(dim=1) == scenes.label).float().mean().item()


def make_teacher(scenes: Scenes, held_out: Scenes, path: Path, epochs: int) -> dict:
    """Train and write the teacher; returns how good it is."""
    torch.manual_seed(1)
    teacher = TeacherClassifier()
    train(teacher, scenes, classifier_loss, epochs, "teacher")
    with whole_file(path) as passing:
        torch.save(teacher.network.state_dict(), passing)
    return {"model": TEACHER, "held_out_accuracy": accuracy(in_batches(teacher, held_out.rgb), held_out)}


def make_extractor(scenes: Scenes, held_out: Scenes, path: Path, epochs: int) -> dict:
    """Train and write the extractor; returns how good it is."""
    torch.manual_seed(2)
    extractor = ToyClassifier(scenes.rgb.shape[-1])
    train(extractor, scenes, extractor_loss, epochs, "extractor")
    script = torch.jit.script(extractor)
    with whole_file(path) as passing:
        script.save(str(passing))
    bytes_ = ((held_out.rgb + 1) * 127.5).round().byte()
    return {"model": "ToyClassifier", "held_out_accuracy": accuracy(in_batches(script, bytes_), held_out)}


def make_depth_estimator(scenes: Scenes, held_out: Scenes, path: Path, epochs: int) -> dict:
    """Train and write the depth estimator; returns how good it is."""
    torch.manual_seed(3)
    estimator = ToyDepthEstimator()
    train(estimator, scenes, depth_loss, epochs, "depth estimator")
    script = torch.jit.script(estimator)
    with whole_file(path) as passing:
        script.save(str(passing))
    depth = in_batches(script, held_out.rgb)
    return {
        "model": "ToyDepthEstimator",
        "held_out_ssi_rmse": scale_shift_invariant_rmse(depth, held_out.depth).nanmean().item(),
        "held_out_ordinal_error": ordinal_error(depth, held_out.depth).nanmean().item(),
    }


MAKERS = dict(zip(NETWORK_FILES, (make_teacher, make_extractor, make_depth_estimator), strict=True))


def train_networks(data: Path, out: Path, epochs: int, held_out_num: int, names: Sequence[str]) -> None:
    """Train networks, and add their quality to networks.json.

    Args:
        data: The folder of tools/data/make_toy_scenes.py.
        out: Where the networks go.
        epochs: Passes over the data.
        held_out_num: Number of unseen scenes that judge the networks.
        names: Which of ``NETWORK_FILES``.
    """
    settings = ToySettings.from_dict(json.loads((data / "meta.json").read_text()))
    scenes = load_training_scenes(data)
    held_out = render_held_out_scenes(held_out_num, scenes.rgb.shape[-1], settings)
    out.mkdir(parents=True, exist_ok=True)
    report = out / "networks.json"
    quality = json.loads(report.read_text()) if report.is_file() else {}
    for name in names:
        quality[name] = {
            **MAKERS[name](scenes, held_out, out / NETWORK_FILES[name], epochs),
            "epochs": epochs,
            "training_images": len(scenes.label),
            "held_out_images": held_out_num,
        }
        write_text(report, json.dumps(quality, indent=2) + "\n")
    print(json.dumps(quality, indent=2))
