"""The inferencer, on an untrained tiny model."""

import cv2
import imageio.v2 as imageio
import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from projects.threedgp.apis import RenderOptions, ThreeDGPInferencer, write_video
from projects.threedgp.engine.pictures import save_png
from projects.threedgp.rendering import Camera, RayMarching
from tests.tiny import tiny_model_config

FAST = dict(progress=False, resolution=8)
SIZE = 32
NAMES = ("ant", "bee", "cat", "dog", "eel")


def make(**changes):
    torch.manual_seed(0)
    return ThreeDGPInferencer(Config(dict(model=tiny_model_config(**changes))), device="cpu")


@pytest.fixture(scope="module")
def inferencer():
    return make()


def assert_equal(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.label == b.label
        assert np.abs(a.rgb.astype(int) - b.rgb).max() <= 1  # rounding
        np.testing.assert_allclose(a.depth, b.depth, atol=1e-4)
        np.testing.assert_allclose(a.adapted_depth, b.adapted_depth, atol=1e-3)
        torch.testing.assert_close(a.camera.params, b.camera.params)


def spy_on_decode(inferencer, monkeypatch):
    """The style codes of every call of the decoder from now on."""
    seen = []
    scene = inferencer.generator.scene

    def spy(ws, *args, **kwargs):
        seen.append(ws)
        return scene(ws, *args, **kwargs)

    monkeypatch.setattr(inferencer.generator, "scene", spy)
    return seen


def test_a_sample_has_all_parts(inferencer):
    (sample,) = inferencer.sample(1, progress=False)
    assert sample.rgb.shape == (SIZE, SIZE, 3) and sample.rgb.dtype == np.uint8
    assert sample.depth.shape == sample.adapted_depth.shape == (SIZE, SIZE)
    assert 0 <= sample.label < len(NAMES)
    assert sample.camera.params.shape == (1, 8)


def test_images_depend_on_their_seed_alone(inferencer):
    first = inferencer.sample(3, seed=5, **FAST)
    torch.manual_seed(99)
    torch.rand(7)
    assert_equal(inferencer.sample(3, seed=5, **FAST), first)
    assert_equal(inferencer.sample(1, seed=6, **FAST), first[1:2])
    assert np.abs(first[0].rgb.astype(int) - first[1].rgb).max() > 1


def test_batch_size_does_not_matter(inferencer):
    one, three = (inferencer.sample(5, **FAST, batch_size=size) for size in (1, 3))
    assert_equal(one, three)


def test_full_truncation_leaves_the_class_mean(inferencer, monkeypatch):
    seen = spy_on_decode(inferencer, monkeypatch)
    inferencer.sample(4, labels=[2, 2, 2, 3], truncation_psi=0, **FAST)
    ws = seen[0]
    torch.testing.assert_close(ws[:3], ws[:1].expand(3, -1, -1))
    torch.testing.assert_close(ws[0], inferencer.class_mean(2).expand(ws.shape[1], -1))
    assert (ws[3] - ws[0]).abs().max() > 0.01


def test_truncation_is_linear_in_psi(inferencer):
    draw = inferencer._draw([0, 1], [1, 4])
    none, half, full = (inferencer._style(draw, psi) for psi in (1, 0.5, 0))
    torch.testing.assert_close(half, (none + full) / 2)


def test_drawn_labels_follow_the_data():
    inferencer = make()
    inferencer.model.label_distribution.copy_(torch.tensor([0.0, 0.5, 0, 0, 0.5]))
    labels = [sample.label for sample in inferencer.sample(20, progress=False, resolution=2)]
    assert set(labels) == {1, 4}


def test_orbit_shows_one_object_along_the_path(inferencer):
    frames = list(inferencer.orbit(3, seed=1, num_frames=5, **FAST))
    assert [frame.label for frame in frames] == [3] * 5
    yaws = torch.cat([frame.camera.angles[:, 0] for frame in frames])
    expected = 0.5 * torch.sin(2 * torch.pi * torch.arange(5) / 5)
    torch.testing.assert_close(yaws, expected, atol=1e-5, rtol=0)
    same = inferencer.sample(1, 3, seed=1, camera=frames[2].camera, **FAST)
    assert_equal(same, frames[2:3])
    cameras = Camera(torch.cat([frame.camera.params for frame in frames[1:3]]))
    assert_equal(list(inferencer.orbit(3, 1, cameras, **FAST)), frames[1:3])


def test_an_orbit_is_decoded_once_and_shows_what_single_images_show(inferencer, monkeypatch):
    draw = inferencer._draw([1], [3])
    ws = inferencer._style(draw, RenderOptions().truncation_psi)
    decoded = spy_on_decode(inferencer, monkeypatch)
    frames = list(inferencer.orbit(3, seed=1, num_frames=5, batch_size=2, **FAST))
    assert len(decoded) == 1 and torch.equal(decoded[0], ws)
    alone = [inferencer.sample(1, 3, seed=1, camera=frame.camera, **FAST)[0] for frame in frames]
    assert len(decoded) == 1 + len(frames)
    assert_equal(frames, alone)


def test_an_orbit_that_nobody_watches_is_not_decoded(inferencer, monkeypatch):
    decoded = spy_on_decode(inferencer, monkeypatch)
    frames = inferencer.orbit(3, **FAST)
    assert not decoded
    next(frames)
    assert len(decoded) == 1


def test_interpolation_decodes_each_object(inferencer, monkeypatch):
    decoded = spy_on_decode(inferencer, monkeypatch)
    list(inferencer.interpolate(0, 7, 5, labels=[1, 2], batch_size=2, **FAST))
    assert [len(ws) for ws in decoded] == [2, 2, 1]


def test_interpolation_goes_from_one_object_to_the_other(inferencer):
    frames = list(inferencer.interpolate(0, 7, 5, labels=[1, 2], **FAST))
    for frame, seed, label in ((frames[0], 0, 1), (frames[-1], 7, 2)):
        end = inferencer.sample(1, label, seed, inferencer.mean_camera, **FAST)
        assert_equal(end, [frame])
    assert [frame.label for frame in frames] == [1, 1, 1, 2, 2]


def test_options_change_the_ray_marching():
    marching = RenderOptions(steps_factor=2, far_offset=1.0).marching(RayMarching())
    assert (marching.near, marching.far) == (0.75, 2.25)
    assert (marching.num_coarse, marching.num_fine) == (64, 64)
    as_trained = RenderOptions(steps_factor=1, far_offset=0).marching(RayMarching())
    assert as_trained == RayMarching()


def test_as_trained_is_what_the_model_samples(inferencer):
    """Without truncation, extra steps and a farther plane, it is the model's own ``sample``."""
    (ours,) = inferencer.sample(1, 2, truncation_psi=1, steps_factor=1, far_offset=0, progress=False)
    draw = inferencer._draw([0], 2)
    theirs = inferencer.model.sample(draw.z, draw.label, inferencer._pose(draw))
    np.testing.assert_allclose(ours.depth, theirs.depth[0, 0].numpy(), atol=1e-5)
    np.testing.assert_allclose(ours.adapted_depth, theirs.adapted_depth[0, 0].numpy(), atol=1e-4)


class RedField(nn.Module):
    """Opaque red, wherever one looks."""

    def forward(self, features):
        red = torch.tensor([1.0, -1.0, -1.0]).expand(*features.shape[:-1], 3)
        return red, torch.full((*features.shape[:-1], 1), 50.0)


def test_red_stays_red_in_every_file(tmp_path):
    inferencer = make()
    inferencer.generator.field.mlp = RedField()
    (sample,) = inferencer.sample(1, progress=False)
    assert sample.rgb.reshape(-1, 3).tolist() == [[255, 0, 0]] * SIZE**2
    save_png(tmp_path / "red.png", sample.rgb)
    assert cv2.imread(str(tmp_path / "red.png"))[0, 0].tolist() == [0, 0, 255]  # OpenCV reads BGR
    frames = (frame.rgb for frame in inferencer.orbit(0, num_frames=3, progress=False))
    write_video(tmp_path / "red.mp4", frames)
    red, green, blue = imageio.mimread(tmp_path / "red.mp4")[1].mean(axis=(0, 1))
    assert red > 240 and green < 15 and blue < 15


def test_class_names_come_from_the_checkpoint_or_the_config(tmp_path):
    config = Config(dict(model=tiny_model_config(), metainfo=dict(classes=list(NAMES))))
    inferencer = ThreeDGPInferencer(config, device="cpu")
    assert inferencer.class_names == NAMES
    assert inferencer.class_id("cat") == inferencer.class_id(2) == inferencer.class_id("2") == 2
    path = tmp_path / "a.pth"
    meta = dict(dataset_meta=dict(classes=NAMES[::-1]))
    torch.save(dict(state_dict=inferencer.model.state_dict(), meta=meta), path)
    with pytest.raises(ValueError, match=r"another order, from label 0 on: \['eel', .* \['ant', "):
        ThreeDGPInferencer(config, path, device="cpu")
    nameless = Config(dict(model=tiny_model_config()))
    assert ThreeDGPInferencer(nameless, path, device="cpu").class_name(0) == "eel"
    loose = Config(dict(config, model=tiny_model_config(strict_load=False)))
    assert ThreeDGPInferencer(loose, path, device="cpu").class_name(0) == "eel"


def test_unknown_classes_are_refused(inferencer):
    for label in (-1, 5, "5", "cat"):
        with pytest.raises(ValueError, match=rf"label: got {label!r}, wanted an integer in \[0, 5\)"):
            inferencer.sample(1, label)
    with pytest.raises(ValueError, match="labels: got 2, wanted 1 or 3"):
        inferencer.sample(3, [0, 1])


@pytest.mark.parametrize(
    "labels",
    [
        3,
        "3",
        [3],
        (3,),
        np.int64(3),
        np.array(3),
        np.array([3]),
        torch.tensor(3),
        torch.tensor([3]),
        [torch.tensor(3)],
    ],
)
def test_one_label_is_given_in_any_form(inferencer, labels):
    assert [sample.label for sample in inferencer.sample(2, labels, **FAST)] == [3, 3]


@pytest.mark.parametrize("labels", [[0, 4], np.array([0, 4]), torch.tensor([0, 4]), ["0", np.uint8(4)]])
def test_a_label_for_each_is_given_in_any_form(inferencer, labels):
    assert [sample.label for sample in inferencer.sample(2, labels, **FAST)] == [0, 4]


@pytest.mark.parametrize("labels", [torch.tensor(5), np.int64(-1), np.array([5]), [torch.tensor([7])]])
def test_labels_out_of_range_are_refused_with_the_range(inferencer, labels):
    with pytest.raises(ValueError, match=r"label: got .*, wanted an integer in \[0, 5\)"):
        inferencer.sample(1, labels)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:3", "gpu"])
def test_a_device_that_is_not_here_is_refused(device):
    with pytest.raises(ValueError, match="device: "):
        ThreeDGPInferencer(Config(dict(model=tiny_model_config())), device=device)


def test_a_model_without_classes_takes_no_label():
    inferencer = make(num_classes=None)
    samples = inferencer.sample(2, **FAST)
    assert [sample.label for sample in samples] == [None, None]
    with pytest.raises(ValueError, match="label: got 0, wanted None, as the model has no classes"):
        inferencer.sample(1, 0)


def test_a_model_without_depth_has_no_adapted_depth():
    samples = make(generator=dict(depth_adaptor=None)).sample(1, **FAST)
    assert samples[0].adapted_depth is None


def test_a_checkpoint_brings_its_weights(tmp_path, inferencer):
    path = tmp_path / "a.pth"
    torch.save(dict(state_dict=inferencer.model.state_dict()), path)
    torch.manual_seed(123)
    config = Config(dict(model=tiny_model_config()))
    loaded = ThreeDGPInferencer(config, path, device="cpu")
    assert_equal(loaded.sample(2, **FAST), inferencer.sample(2, **FAST))


def test_wrong_files_and_options_are_named(tmp_path, inferencer):
    config = Config(dict(model=tiny_model_config()))
    with pytest.raises(FileNotFoundError, match=r"checkpoint: got '.*none.pth'"):
        ThreeDGPInferencer(config, tmp_path / "none.pth")
    torch.save(dict(state_dict={}), tmp_path / "empty.pth")
    with pytest.raises(ValueError, match="it belongs to another config"):
        ThreeDGPInferencer(config, tmp_path / "empty.pth")
    with pytest.raises(ValueError, match=r"config.model.type: got None, wanted 'ThreeDGP'"):
        ThreeDGPInferencer(Config(dict(a=1)))
    with pytest.raises(ValueError, match="sample_model: got 'best'"):
        ThreeDGPInferencer(config, sample_model="best", device="cpu")
    with pytest.raises(ValueError, match="batch_size: got 0, wanted at least 1"):
        inferencer.sample(1, batch_size=0)
    with pytest.raises(ValueError, match="trajectory: got 'spiral'"):
        inferencer.orbit(0, trajectory="spiral")
