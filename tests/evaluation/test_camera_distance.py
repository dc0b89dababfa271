"""projects/threedgp/evaluation/camera_distance.py"""

import numpy as np
import pytest
import torch
from mmagic.registry import METRICS
from torch.utils.data import TensorDataset

from projects.threedgp.rendering import CAMERA_FIELDS

ENDS = ("", "_centred", "_std", "_in_class", "_std_in_class")


def spread(**fields: tuple[float, float]) -> np.ndarray:
    """Two hundred cameras whose named fields are evenly spread between two numbers; the others are 0."""
    cameras = np.zeros((200, 8), dtype=np.float32)
    for name, ends in fields.items():
        cameras[:, CAMERA_FIELDS.index(name)] = np.linspace(*ends, 200)
    return cameras


def distances(tmp_path, given: np.ndarray, learned: np.ndarray, **arguments) -> dict[str, float]:
    path = str(tmp_path / "cameras.npy")
    np.save(path, given)
    config = dict(type="CameraDistance", cameras=path, fake_nums=len(learned), prefix="cam")
    metric = METRICS.build(config | arguments)
    metric.process({}, [dict(camera=camera) for camera in torch.from_numpy(learned)])
    return {key.removeprefix("cam/"): value for key, value in metric.evaluate().items()}


def test_equal_distributions_have_no_distance(tmp_path):
    cameras = spread(yaw=(-1, 1), pitch=(1, 2), fov_deg=(10, 30))
    values = distances(tmp_path, cameras, np.random.permutation(cameras))
    names = ("yaw", "pitch", "fov_deg")
    assert set(values) == {f"{name}{end}" for name in names for end in ENDS}
    for name in names:
        assert values[name] == values[f"{name}_centred"] == pytest.approx(0, abs=1e-5)


def test_a_shift_is_a_distance_but_not_when_centred(tmp_path):
    values = distances(tmp_path, spread(yaw=(-1, 1)), spread(yaw=(-0.7, 1.3)))
    assert values["yaw"] == pytest.approx(0.3, abs=1e-5)
    assert values["yaw_centred"] == pytest.approx(0, abs=1e-5)
    assert values["pitch"] == 0


def test_another_width_is_a_distance_in_either_way(tmp_path):
    """From U(-a, a) to U(-b, b), quantiles move |a - b| / 2 on average; the deviation is b / sqrt(3)."""
    values = distances(tmp_path, spread(fov_deg=(-9, 9)), spread(fov_deg=(-3, 3)))
    assert values["fov_deg"] == pytest.approx(3, rel=0.02)
    assert values["fov_deg_centred"] == pytest.approx(3, rel=0.02)
    assert values["fov_deg_std"] == pytest.approx(3 / 3**0.5, rel=0.02)


def test_collapsed_cameras_have_no_deviation(tmp_path):
    values = distances(tmp_path, spread(pitch=(1, 2)), spread(pitch=(1.5, 1.5)))
    assert values["pitch_std"] == pytest.approx(0, abs=1e-6)
    assert values["pitch"] == pytest.approx(0.25, rel=0.02)


def in_classes(tmp_path, given: np.ndarray, learned: np.ndarray, labels: list[int]) -> dict[str, float]:
    np.save(tmp_path / "cameras.npy", given)
    config = dict(type="CameraDistance", cameras=str(tmp_path / "cameras.npy"), prefix="cam")
    metric = METRICS.build(config | dict(fields=["yaw"], fake_nums=len(learned)))
    for camera, label in zip(torch.from_numpy(learned), labels, strict=True):
        metric.process({}, [dict(camera=camera, gt_label=dict(label=torch.tensor([label])))])
    return {key.removeprefix("cam/"): value for key, value in metric.evaluate().items()}


def test_classes_that_stand_in_different_places_are_told_from_classes_that_spread(tmp_path):
    """Cameras from -1 to 1: sorted into ten classes, each stands in a place; in turns, each spreads."""
    cameras = spread(yaw=(-1, 1))
    standing = in_classes(tmp_path, cameras, cameras, [i // 20 for i in range(200)])
    spreading = in_classes(tmp_path, cameras, cameras, [i % 10 for i in range(200)])
    for values in (standing, spreading):
        assert values["yaw"] == 0
        assert values["yaw_std"] == pytest.approx(1 / 3**0.5, rel=0.02)
    assert standing["yaw_std_in_class"] == pytest.approx(0.1 / 3**0.5, rel=0.02)
    assert spreading["yaw_std_in_class"] == pytest.approx(1 / 3**0.5, rel=0.02)
    # A narrow class in the middle is 1/2 away on average, one at an end 1: the mean over places is 2/3.
    assert standing["yaw_in_class"] == pytest.approx(2 / 3, rel=0.1)
    assert spreading["yaw_in_class"] == pytest.approx(0, abs=0.05)


def test_classes_of_one_camera_say_nothing_of_spread(tmp_path):
    cameras = spread(yaw=(-1, 1))
    values = in_classes(tmp_path, cameras, cameras[[0, 100, -1]], [0, 1, 1])
    assert values["yaw_std_in_class"] == pytest.approx(0.5, rel=0.02)
    alone = in_classes(tmp_path, cameras, cameras[:2], [0, 1])
    assert np.isnan([alone["yaw_in_class"], alone["yaw_std_in_class"]]).all() and alone["yaw"] > 0


def test_without_classes_all_cameras_form_one(tmp_path):
    values = distances(tmp_path, spread(yaw=(-1, 1)), spread(yaw=(-0.5, 1)))
    assert values["yaw_in_class"] == values["yaw"] > 0
    assert values["yaw_std_in_class"] == values["yaw_std"] > 0


def test_fields_are_found_by_name(tmp_path):
    given, learned = spread(), spread(look_at_radius=(0.2, 0.2))
    values = distances(tmp_path, given, learned, fields=["roll", "look_at_radius"])
    assert values["roll"] == 0
    assert values["look_at_radius"] == pytest.approx(0.2, abs=1e-5)


def test_samples_may_be_fewer_than_the_given_cameras_and_come_from_either_generator(tmp_path):
    np.save(tmp_path / "cameras.npy", spread(yaw=(-1, 1)))
    config = dict(type="CameraDistance", cameras=str(tmp_path / "cameras.npy"), fake_nums=2)
    metric = METRICS.build(config | dict(sample_model="orig"))
    ends = [torch.tensor([yaw, *[0.0] * 7]) for yaw in (-1.0, 1.0)]
    metric.process({}, [dict(ema=dict(camera=torch.zeros(8)), orig=dict(camera=end)) for end in ends])
    values = metric.evaluate()
    assert values["CameraDistance/yaw_std"] == pytest.approx(1)
    assert values["CameraDistance/yaw"] == pytest.approx(0.5, rel=0.02)


def build(path, **arguments):
    return METRICS.build(dict(type="CameraDistance", cameras=str(path), **arguments))


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "cameras.npy"
    with pytest.raises(FileNotFoundError, match=f"cameras: no file '{path}'.*wanted a .npy array .n, 8."):
        build(path)


@pytest.mark.parametrize("shape", [(8,), (4, 7), (0, 8), (2, 8, 1)])
def test_arrays_of_another_shape_are_refused(tmp_path, shape):
    np.save(tmp_path / "cameras.npy", np.zeros(shape))
    with pytest.raises(ValueError, match=r"cameras: got \(.*\) in .*wanted a .npy array \(n, 8\)"):
        build(tmp_path / "cameras.npy")


def test_other_files_and_numbers_are_refused(tmp_path):
    (tmp_path / "cameras.npy").write_text("yaw,pitch")
    with pytest.raises(ValueError, match="cannot be read"):
        build(tmp_path / "cameras.npy")
    np.save(tmp_path / "nan.npy", np.full((3, 8), np.nan))
    with pytest.raises(ValueError, match="not finite"):
        build(tmp_path / "nan.npy")


@pytest.mark.parametrize("fields", [["yaw", "distance"], [], "yaw"])
def test_unknown_fields_are_refused(tmp_path, fields):
    np.save(tmp_path / "cameras.npy", spread())
    with pytest.raises(ValueError, match=r"fields: got .*, wanted a list out of \('yaw', 'pitch'"):
        build(tmp_path / "cameras.npy", fields=fields)


def own(tmp_path, given: dict[str, np.ndarray], learned: list[np.ndarray]) -> dict[str, float]:
    """Distances where each class has its own cameras; those that are learned come by label."""
    names = "".join(f"{name}/{i}.png\n" for name, cameras in given.items() for i in range(len(cameras)))
    (tmp_path / "cameras.txt").write_text(names)
    np.save(tmp_path / "cameras.npy", np.concatenate(list(given.values())))
    total = sum(map(len, learned))
    config = dict(type="CameraDistance", cameras=str(tmp_path / "cameras.npy"), prefix="cam")
    metric = METRICS.build(config | dict(own_cameras=True, fake_nums=total))
    for label, cameras in enumerate(learned):
        samples = [dict(camera=row, gt_label=dict(label=torch.tensor([label]))) for row in cameras]
        metric.process({}, samples)
    return {key.removeprefix("cam/"): value for key, value in metric.evaluate().items()}


def test_classes_with_cameras_of_their_own_are_compared_with_those(tmp_path):
    # The file has them in another order than that of their names, which is that of the labels.
    given = {"b": spread(fov_deg=(30, 30)), "a": spread(fov_deg=(20, 20))}
    learned = [torch.from_numpy(spread(fov_deg=(fov, fov))) for fov in (22, 31)]
    values = own(tmp_path, given, learned)
    assert values["fov_deg_of_a"] == pytest.approx(2) and values["fov_deg_of_b"] == pytest.approx(1)
    assert values["fov_deg_in_class"] == pytest.approx(1.5)
    # All together: half are 2 off, the others 1.
    assert values["fov_deg"] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("learned", "expected"), [((10, 12, 14), 1), ((14, 12, 10), -1), ((9, 9, 9), np.nan)]
)
def test_whether_larger_fields_of_view_are_found_whatever_their_scale(tmp_path, learned, expected):
    given = {name: spread(fov_deg=(fov, fov)) for name, fov in (("a", 20), ("b", 30), ("c", 40))}
    values = own(tmp_path, given, [torch.from_numpy(spread(fov_deg=(fov, fov))) for fov in learned])
    assert values["fov_deg_correlation"] == pytest.approx(expected, nan_ok=True)


def test_own_cameras_need_the_images_of_the_cameras(tmp_path):
    np.save(tmp_path / "cameras.npy", spread())
    config = dict(type="CameraDistance", cameras=str(tmp_path / "cameras.npy"), own_cameras=True)
    with pytest.raises(FileNotFoundError, match=r"cameras\.txt', wanted 200 lines <class>/<image>"):
        METRICS.build(config)
    (tmp_path / "cameras.txt").write_text("a/1.png\n" * 3)
    with pytest.raises(ValueError, match="got 3 lines in"):
        METRICS.build(config)


def test_own_cameras_of_other_classes_than_the_data_are_refused(tmp_path):
    np.save(tmp_path / "cameras.npy", spread()[:2])
    (tmp_path / "cameras.txt").write_text("a/1.png\nb/2.png\n")
    metric = METRICS.build(
        dict(type="CameraDistance", cameras=str(tmp_path / "cameras.npy"), own_cameras=True, prefix="cam")
    )
    data, sample = TensorDataset(torch.zeros(1)), dict(camera=torch.zeros(8))
    data.metainfo = dict(classes=("a", "b"))
    metric.check(torch.nn.Identity(), data, [sample])
    data.metainfo = dict(classes=("a", "c"))
    with pytest.raises(
        ValueError, match=r"cameras of the classes \['a', 'b'\], wanted those of the data: \['a', 'c'\]"
    ):
        metric.check(torch.nn.Identity(), data, [sample])
