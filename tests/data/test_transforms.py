"""Depth, colour and cameras stay right and aligned through the pipeline of the configs."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmagic.models.data_preprocessors import DataPreprocessor
from mmengine.dataset import pseudo_collate
from PIL import Image

import projects.threedgp  # noqa: F401
from projects.threedgp.data.image_depth_dataset import ImageDepthDataset
from projects.threedgp.data.transforms import LoadDepth, LoadImage, mirror_camera

CAMERA = torch.tensor([0.3, 1.4, 0.0, 20.0, 1.0, -0.7, 1.2, 0.1])


def pipeline(flip_ratio: float) -> list[dict]:
    return [
        {"type": "LoadImage"},
        {"type": "LoadDepth"},
        {"type": "FitSquare"},
        {
            "type": "OnPresentKeys",
            "transform": {"type": "Flip", "keys": ["gt", "depth"], "flip_ratio": flip_ratio},
        },
        {"type": "MirrorCamera"},
        {"type": "PackInputs", "data_keys": ["depth", "teacher_feature", "camera"]},
    ]


def scene(root: Path, width: int, height: int) -> Path:
    """An image and its depth map that are both brighter to the right and to the bottom."""
    (root / "a").mkdir(parents=True)
    ramp = np.linspace(0, 0.6, width)[None] + np.linspace(0, 0.4, height)[:, None]
    red, green = (ramp * 255).round(), np.full_like(ramp, 10)
    Image.fromarray(np.stack([red, green, green * 20], -1).astype(np.uint8)).save(root / "a/x.png")
    cv2.imwrite(str(root / "a/x_depth.png"), (ramp * 65535).astype(np.uint16))
    return root


def with_tables(root: Path) -> dict[str, str]:
    """A feature and a camera for the image of :func:`scene`."""
    paths = {"features": root.parent / "f.npy", "cameras": root.parent / "c.npy"}
    np.save(paths["features"], np.arange(5, dtype=np.float32)[None])
    np.save(paths["cameras"], CAMERA[None].numpy())
    for path in paths.values():
        path.with_suffix(".txt").write_text("a/x.png\n")
    return {field: str(path) for field, path in paths.items()}


def load(root: Path, flip_ratio: float = 0.0, training: bool = True, order=None, **dataset):
    images = ImageDepthDataset(str(root), resolution=16, pipeline=pipeline(flip_ratio), **dataset)
    batch = pseudo_collate([images[0], images[0]])
    preprocessor = DataPreprocessor(output_channel_order=order)
    return preprocessor(batch, training=training)["data_samples"]


# Loading


def test_depth_of_another_size_is_an_error_that_names_file_and_sizes(tmp_path):
    cv2.imwrite(str(tmp_path / "d.png"), np.zeros((4, 6), np.uint16))
    sample = {"depth_path": tmp_path / "d.png", "gt": np.zeros((4, 5, 3)), "gt_path": "x.png"}
    with pytest.raises(ValueError, match=r"d.png is 6x4 pixels, its image x.png is 5x4"):
        LoadDepth()(sample)


@pytest.mark.parametrize(("order", "red_at"), [("bgr", 2), ("rgb", 0)])
def test_image_is_loaded_with_the_records_that_the_toolkit_reads(tmp_path, order, red_at):
    Image.new("RGB", (3, 2), "red").save(tmp_path / "x.png")
    sample = LoadImage("gt", order)({"gt_path": tmp_path / "x.png"})
    assert sample["gt"].shape == sample["ori_gt_shape"] == (2, 3, 3) and sample["gt"].dtype == np.uint8
    assert sample["gt"][0, 0].argmax() == red_at and sample["gt_channel_order"] == order
    with pytest.raises(ValueError, match=r"image .*none.png does not exist"):
        LoadImage()({"gt_path": tmp_path / "none.png"})
    with pytest.raises(ValueError, match="channel_order='grb'"):
        LoadImage("gt", "grb")


# The whole pipeline


@pytest.mark.parametrize("size", [(40, 24), (24, 40), (16, 16), (9, 11)])
@pytest.mark.parametrize("flip_ratio", [0.0, 1.0])
def test_image_and_depth_stay_aligned(tmp_path, size, flip_ratio):
    samples = load(scene(tmp_path / "train", *size), flip_ratio, order="RGB")
    assert samples.depth.shape == (2, 1, 16, 16) and samples.depth.dtype == torch.float32
    red = samples.gt_img[0, 0]
    # The filters differ where the ramp ends; inside, a shift by one pixel would make 0.05 to 0.13.
    inside = (slice(2, -2), slice(2, -2))
    torch.testing.assert_close(samples.depth[0, 0][inside], red[inside], atol=0.045, rtol=0)
    rightwards = red[:, -1].mean() > red[:, 0].mean()
    assert rightwards == (flip_ratio == 0.0)


def test_tables_reach_the_data_samples(tmp_path):
    root = scene(tmp_path / "train", 20, 16)
    samples = load(root, **with_tables(root))
    torch.testing.assert_close(samples.teacher_feature, torch.arange(5.0).expand(2, 5))
    torch.testing.assert_close(samples.camera, CAMERA.expand(2, 8))
    assert samples.gt_label.label.shape == (2, 1)


def test_one_pipeline_serves_data_without_depth(tmp_path):
    samples = load(scene(tmp_path / "train", 20, 16), 1.0, use_depth=False)
    assert "depth" not in samples and samples.gt_img.shape == (2, 3, 16, 16)


@pytest.mark.parametrize(
    ("training", "order", "red_at"),
    [(True, None, 2), (True, "RGB", 0), (True, "BGR", 2), (False, None, 2), (False, "RGB", 2)],
)
def test_colour_order_of_reals(tmp_path, training, order, red_at):
    """Red is the only channel of the scene that changes from left to right."""
    samples = load(scene(tmp_path / "train", 40, 24), training=training, order=order)
    spread = samples.gt_img[0].float().std(dim=(1, 2))
    assert spread.argmax() == red_at
    assert samples.gt_img.dtype == (torch.float32 if training else torch.uint8)


# Cameras


def test_camera_is_mirrored_with_the_image_only(tmp_path):
    root = scene(tmp_path / "train", 20, 16)
    tables = with_tables(root)
    torch.testing.assert_close(load(root, 0.0, **tables).camera[0], CAMERA)
    torch.testing.assert_close(load(root, 1.0, **tables).camera[0], mirror_camera(CAMERA))


def position(yaw: torch.Tensor, pitch: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Spherical to Cartesian, as the method defines it."""
    x, z = torch.sin(-yaw) * torch.sin(pitch), torch.cos(yaw) * torch.sin(pitch)
    return radius * torch.stack([x, torch.cos(pitch), z])


def test_mirrored_camera_is_the_reflection_at_the_plane_x_0():
    mirrored = mirror_camera(CAMERA)
    flip_x = torch.tensor([-1.0, 1.0, 1.0])
    for where in ([0, 1, 4], [5, 6, 7]):
        expected = position(*CAMERA[where]) * flip_x
        torch.testing.assert_close(position(*mirrored[where]), expected)
    torch.testing.assert_close(mirror_camera(mirrored), CAMERA)
    assert mirrored[3] == CAMERA[3]
