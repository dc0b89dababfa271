"""Toy scenes: geometry against closed forms, and the promises of the files on disk."""

import json
import math
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.stats import spearmanr

from projects.threedgp.rendering import CAMERA_FIELDS
from projects.threedgp.scenes import (
    CLASSES,
    Distribution,
    ToyDataset,
    ToySettings,
    camera_rays,
    corrupt_depth,
    parse_distribution,
    render_scene,
    sample_camera,
    sample_scene,
    trace,
    write_dataset,
    write_inexact_depth,
)
from projects.threedgp.scenes.dataset import CAMERA_COLUMNS
from projects.threedgp.scenes.scenes import GROUND, SKY
from projects.threedgp.scenes.solids import Frustum, Torus
from tools.data import make_toy_scenes

SIDE = 16
NUM = 2 * len(CLASSES)
WIDE = ToySettings(near=0.1, far=100.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small data set made through the command line."""
    out = tmp_path_factory.mktemp("toy") / "out"
    arguments = f"{out} --num {NUM} --resolution {SIDE} --seed 3 --workers 1"
    make_toy_scenes.main(arguments.split())
    return out


def all_bytes(folder: Path) -> dict[str, bytes]:
    """The content of every file under a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def read_png(path: Path) -> np.ndarray:
    """A PNG file with the channels and bits that it has."""
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


# Cameras and rays


def test_cameras_have_the_columns_that_the_plugin_reads():
    assert CAMERA_COLUMNS == CAMERA_FIELDS


@pytest.mark.parametrize(
    ("yaw", "pitch", "position"),
    [
        (0.0, math.pi / 2, (0.0, 0.0, 1.0)),
        (math.pi / 2, math.pi / 2, (-1.0, 0.0, 0.0)),
        (0.0, math.pi / 4, (0.0, math.sqrt(0.5), math.sqrt(0.5))),
    ],
)
def test_the_camera_stands_where_yaw_and_pitch_say_and_looks_at_the_origin(yaw, pitch, position):
    origin, directions = camera_rays([yaw, pitch, 0, 20, 1, 0, 0, 0], 5)
    np.testing.assert_allclose(origin[0], position, atol=1e-7)
    np.testing.assert_allclose(directions[12], -np.array(position), atol=1e-7)


def test_the_outermost_pixel_centres_lie_on_the_image_border():
    _, directions = camera_rays([0, math.pi / 2, 0, 30, 1, 0, 0, 0], 7)
    half = math.tan(math.radians(15))
    slopes = directions[:, :2] / -directions[:, 2:]
    np.testing.assert_allclose(slopes[0], [-half, half], rtol=1e-6)
    np.testing.assert_allclose(slopes[-1], [half, -half], rtol=1e-6)


# Geometry


def test_sphere_silhouette_and_depth_match_the_closed_form():
    scene = sample_scene(0, CLASSES.index("sphere"), WIDE)
    image = render_scene(0, CLASSES.index("sphere"), 65, settings=WIDE)
    origin, directions = camera_rays(image.camera, 65)
    radius = scene.parts[0].solid.height / 2
    miss = 1 - (directions @ origin[0]) ** 2
    expected = -(directions @ origin[0]) - np.sqrt(np.maximum(radius**2 - miss, 0))
    on_sphere = image.part.ravel() == 0
    np.testing.assert_array_equal(on_sphere, miss < radius**2)
    np.testing.assert_allclose(image.depth.ravel()[on_sphere], expected[on_sphere], atol=1e-6)
    assert image.depth[32, 32] == pytest.approx(1 - radius, abs=1e-6)


@pytest.mark.parametrize("index", range(len(CLASSES)))
def test_ground_depth_matches_the_closed_form_and_the_sky_is_far(index):
    image = render_scene(1, index, 33, settings=WIDE)
    origin, directions = camera_rays(image.camera, 33)
    expected = (sample_scene(1, index, WIDE).ground_height - origin[0, 1]) / directions[:, 1]
    ground = image.part.ravel() == GROUND
    np.testing.assert_allclose(image.depth.ravel()[ground], np.clip(expected[ground], 0.1, 100.0), rtol=1e-6)
    assert ground.any()
    assert (directions[image.part.ravel() == SKY, 1] >= 0).all()
    assert (image.depth[image.part == SKY] == 100.0).all()


def test_torus_hits_solve_its_quartic():
    torus = Torus(0.1, 0.03)
    origin, directions = camera_rays([0.8, 1.2, 0, 20, 1, 0, 0, 0], 25)
    t, _ = torus.intersect(origin + np.array([0, torus.reach, 0]), directions)
    for direction, found in zip(directions, t, strict=True):
        square = np.poly1d([1, 2 * origin[0] @ direction, 1 + torus.ring_radius**2 - 0.03**2])
        flat = np.poly1d([direction[:2] @ direction[:2], 2 * origin[0, :2] @ direction[:2]])
        flat = np.poly1d([*flat.coeffs, origin[0, :2] @ origin[0, :2]])
        roots = (square * square - 4 * torus.ring_radius**2 * flat).roots
        real = roots.real[np.abs(roots.imag) < 1e-9]
        assert found == pytest.approx(real.min() if real.size else np.inf, abs=1e-6)


@pytest.mark.parametrize("index", range(len(CLASSES)))
def test_hits_lie_on_the_surface_and_normals_face_the_camera(index):
    scene = sample_scene(2, index, WIDE)
    origin, directions = camera_rays(sample_camera(2, index, WIDE), 33)
    hits = trace(scene, origin, directions)
    on_object = hits.part >= 0
    points = (origin + hits.t[:, None] * directions)[on_object]
    facing = (hits.normals[on_object] * directions[on_object]).sum(1)
    assert (facing < 1e-6).all()
    np.testing.assert_allclose(np.linalg.norm(hits.normals[on_object], axis=1), 1, atol=1e-9)
    again = trace(scene, points - 1e-3 * directions[on_object], directions[on_object])
    near_rim = facing > -0.05
    np.testing.assert_allclose(again.t[~near_rim], 1e-3, atol=1e-7)


def test_a_cone_narrows_linearly_and_a_cylinder_has_a_flat_top():
    side = np.array([[1.0, 0.0, 0.0]])
    for y, half in ((0.05, 0.075), (0.15, 0.025)):
        t, _ = Frustum(0.1, 0.0, 0.2).intersect(np.array([[-1.0, y, 0.0]]), side)
        assert t[0] == pytest.approx(1 - half)
    down = np.array([[0.0, -1.0, 0.0]])
    t, normal = Frustum(0.1, 0.1, 0.2).intersect(np.array([[0.05, 1.0, 0.05]]), down)
    assert t[0] == pytest.approx(0.8)
    assert normal[0].tolist() == [0, 1, 0]


def test_solids_are_a_sixth_to_a_third_of_the_unit_cube_and_stand_on_the_ground():
    for index in range(20 * len(CLASSES)):
        scene = sample_scene(0, index, WIDE)
        top = max(part.base + part.solid.height for part in scene.parts)
        reach = max(part.solid.reach for part in scene.parts)
        assert top == pytest.approx(-scene.ground_height)
        assert 0.13 < 2 * max(top, reach) < 0.34


def test_the_same_scene_can_be_seen_from_another_camera():
    camera = sample_camera(0, 3, WIDE) + np.eye(8, dtype=np.float32)[0] / 2
    own, other = render_scene(0, 3, SIDE), render_scene(0, 3, SIDE, camera=camera)
    assert own.class_name == other.class_name == CLASSES[3]
    np.testing.assert_array_equal(other.camera, camera)
    assert (own.rgb != other.rgb).any()


# Files


def test_files_are_determined_by_the_seed_not_by_the_workers(folder, tmp_path):
    for name, seed, workers in (("same", 3, 2), ("other", 4, 1)):
        write_dataset(tmp_path / name, ToyDataset(NUM, SIDE, seed), workers)
    assert all_bytes(tmp_path / "same") == all_bytes(folder)
    assert all_bytes(tmp_path / "other") != all_bytes(folder)


def test_an_image_does_not_depend_on_how_many_there_are(folder, tmp_path):
    write_dataset(tmp_path / "few", ToyDataset(5, SIDE, 3))
    few, many = all_bytes(tmp_path / "few"), all_bytes(folder)
    images = [name for name in few if "/" in name]
    assert len(images) == 3 * 5
    assert all(few[name] == many[name] for name in images)
    rows = np.load(tmp_path / "few" / "cameras.npy")
    np.testing.assert_array_equal(rows, np.load(folder / "cameras.npy")[:5])


def test_classes_are_balanced(folder):
    sizes = [
        len([p for p in (folder / "train" / name).iterdir() if "_depth" not in p.name]) for name in CLASSES
    ]
    assert sizes == [NUM // len(CLASSES)] * len(CLASSES)


def test_images_are_8_bit_colour_and_depth_is_16_bit(folder):
    for name in (folder / "cameras.txt").read_text().split():
        depth_name = name.replace(".png", "_depth.png")
        image = read_png(folder / "train" / name)
        assert (image.shape, image.dtype) == ((SIDE, SIDE, 3), np.uint8)
        for tree in ("train", "exact_depth"):
            depth = read_png(folder / tree / depth_name)
            assert (depth.shape, depth.dtype) == ((SIDE, SIDE), np.uint16)
        stored = read_png(folder / "train" / depth_name)
        assert (stored.min(), stored.max()) == (0, 65535)


def test_camera_rows_settings_and_exact_depth_reproduce_the_images(folder):
    meta = json.loads((folder / "meta.json").read_text())
    settings = ToySettings.from_dict(meta)
    assert settings == ToySettings()
    cameras = np.load(folder / "cameras.npy")
    names = (folder / "cameras.txt").read_text().split()
    assert (cameras.shape, cameras.dtype) == ((NUM, 8), np.float32)
    for row, name in list(zip(cameras, names, strict=True))[::3]:
        index = int(Path(name).stem)
        image = render_scene(meta["seed"], index, SIDE, camera=row, settings=settings)
        np.testing.assert_array_equal(read_png(folder / "train" / name)[..., ::-1], image.rgb)
        value = np.round((image.depth - meta["near"]) / (meta["far"] - meta["near"]) * 65535)
        exact = read_png(folder / "exact_depth" / name.replace(".png", "_depth.png"))
        np.testing.assert_allclose(exact, value, atol=1)


def test_exact_depth_can_lie_beside_the_images(tmp_path):
    out = tmp_path / "out"
    arguments = f"{out} --num 3 --resolution {SIDE} --workers 1 --depth exact"
    make_toy_scenes.main(arguments.split())
    for path in (out / "exact_depth").rglob("*.png"):
        beside = out / "train" / path.relative_to(out / "exact_depth")
        assert beside.read_bytes() == path.read_bytes()


def test_the_command_line_sets_the_camera_distributions(tmp_path):
    out = tmp_path / "out"
    arguments = f"{out} --num 6 --resolution {SIDE} --workers 1 --fov constant:25 --yaw uniform:1:2"
    make_toy_scenes.main([*arguments.split(), "--look-at-radius", "uniform:0.01:0.02"])
    yaw, _, roll, fov, radius, _, _, look_at_radius = np.load(out / "cameras.npy").T
    assert (fov == 25).all() and (radius == 1).all() and (roll == 0).all()
    assert ((yaw >= 1) & (yaw <= 2)).all() and len(set(yaw)) == 6
    assert ((look_at_radius >= 0.01) & (look_at_radius <= 0.02)).all()


# Corrupted depth


def test_corrupted_depth_keeps_the_order_of_most_depths_but_not_their_values():
    settings = ToySettings()
    correlations = []
    for index in range(4 * len(CLASSES)):
        exact = render_scene(5, index, 32).depth
        corrupted = corrupt_depth(exact, 5, index, settings)
        correlations.append(spearmanr(exact.ravel(), corrupted.ravel()).statistic)
        share = (exact - settings.near) / (settings.far - settings.near)
        assert np.abs(share - corrupted / 65535).mean() > 0.005
    assert np.median(correlations) > 0.8


@pytest.mark.parametrize(("rate", "fits_a_plane"), [(1.0, True), (0.0, False)])
def test_only_failed_depth_maps_are_close_to_a_plane(rate, fits_a_plane):
    rows, columns = np.mgrid[:32, :32]
    design = np.stack([rows.ravel(), columns.ravel(), np.ones(32 * 32)], axis=1)
    for index in range(len(CLASSES)):
        exact = render_scene(0, index, 32).depth
        value = corrupt_depth(exact, 0, index, ToySettings(failure_rate=rate)).ravel() / 65535
        residual = value - design @ np.linalg.lstsq(design, value, rcond=None)[0]
        assert (residual.std() < 0.3 * value.std()) == fits_a_plane


def test_inexactness_0_only_loses_the_scale():
    settings = ToySettings(failure_rate=0, inexactness=0)
    for index in range(len(CLASSES)):
        exact = render_scene(0, index, 32).depth
        value = corrupt_depth(exact, 0, index, settings) / 65535
        kept = (value > 0) & (value < 1)
        slope, shift = np.polyfit(exact[kept], value[kept], 1)
        np.testing.assert_allclose(value[kept], slope * exact[kept] + shift, atol=1e-4)


def test_more_inexact_depth_is_farther_from_the_truth():
    def order(inexactness: float) -> float:
        settings = ToySettings(failure_rate=0, inexactness=inexactness)
        exact = [render_scene(0, index, 32).depth for index in range(2 * len(CLASSES))]
        corrupted = [corrupt_depth(depth, 0, index, settings) for index, depth in enumerate(exact)]
        pairs = zip(exact, corrupted, strict=True)
        return np.mean([spearmanr(a.ravel(), b.ravel()).statistic for a, b in pairs])

    orders = [order(inexactness) for inexactness in (0, 1, 3)]
    assert orders[0] > orders[1] + 0.01 > orders[2] + 0.06


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A small data set."""
    folder = tmp_path_factory.mktemp("inexact") / "toy"
    write_dataset(folder, ToyDataset(2 * len(CLASSES), 16, seed=3))
    return folder


def depth_maps(folder):
    return {path.name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in folder.rglob("*_depth.png")}


def test_other_inexactness_of_a_data_set_has_the_same_draws(written, tmp_path):
    for inexactness in (1, 3):
        write_inexact_depth(written, tmp_path / str(inexactness), inexactness)
    train, same, other = (depth_maps(path) for path in (written / "train", tmp_path / "1", tmp_path / "3"))
    assert train.keys() == same.keys() == other.keys()
    for name in train:
        # The exact depth was rounded to 16 bit in between.
        np.testing.assert_allclose(same[name], train[name].astype(float), atol=30)
    changed = [np.abs(other[name] - train[name].astype(float)).mean() for name in train]
    assert np.median(changed) > 1000


def test_other_inexactness_is_all_or_nothing(written, tmp_path):
    broken = shutil.copytree(written, tmp_path / "broken")
    lost = broken / "exact_depth" / "torus" / "000004_depth.png"
    lost.unlink()
    with pytest.raises(FileNotFoundError, match=f"{lost}: got no image"):
        write_inexact_depth(broken, tmp_path / "out", 2)
    with pytest.raises(ValueError, match="inexactness: got -1"):
        write_inexact_depth(written, tmp_path / "out", -1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(FileExistsError, match="out: got a non-empty target"):
        write_inexact_depth(written, tmp_path / "out", 2)


def test_data_sets_from_before_inexactness_have_1():
    meta = ToyDataset(8, 16).meta()
    del meta["inexactness"]
    assert ToySettings.from_dict(meta) == ToySettings()


# Refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--fov gauss:10:30", r"--fov: got 'gauss:10:30', wanted uniform:MIN:MAX"),
        ("--yaw normal:0", r"--yaw: got 'normal:0', wanted .*normal:MEAN:STD"),
        ("--yaw normal:0:x", r"--yaw: got 'normal:0:x', wanted numbers"),
        ("--yaw normal:0:-1", r"--yaw: .*wanted STD > 0"),
        ("--yaw uniform:2:1", r"--yaw: .*wanted MIN <= MAX"),
        ("--pitch truncnorm:9:0.1:1:1.5", r"--pitch: .*wanted MEAN within"),
        ("--pitch normal:1.2:0.1", r"--pitch: .*wanted draws inside \(0, 3.14159\)"),
        ("--fov uniform:10:180", r"--fov: .*wanted draws inside \(0, 180\)"),
        ("--near 1.5", r"near, far: got 1.5, 1.25, wanted 0 < near < far"),
        ("--num 0", r"num: got 0, wanted at least 1"),
    ],
)
def test_a_bad_value_is_named_with_what_was_wanted(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        make_toy_scenes.main([str(tmp_path / "out"), "--num", "1", *arguments.split()])
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ["uniform:10:30", "normal:0:0.6", "truncnorm:1.2:0.15:0.9:1.5", "constant:2"]
)
def test_distributions_draw_inside_their_bounds_and_survive_being_written(text):
    distribution = parse_distribution(text, "--flag")
    assert str(distribution) == text
    draws = np.array([distribution.sample(np.random.default_rng(i)) for i in range(300)])
    low, high = distribution.bounds
    assert ((draws >= low) & (draws <= high)).all()
    centre = {"uniform": 20, "normal": 0, "truncnorm": 1.2, "constant": 2}[distribution.kind]
    assert draws.mean() == pytest.approx(centre, abs=4 * (draws.std() + 1e-9) / math.sqrt(300))
    assert isinstance(distribution, Distribution)


def test_a_non_empty_folder_is_refused_and_stays_as_it_was(folder, tmp_path):
    before = all_bytes(folder)
    with pytest.raises(FileExistsError, match="non-empty"):
        write_dataset(folder, ToyDataset(1, SIDE))
    assert all_bytes(folder) == before
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="replaces only"):
        write_dataset(tmp_path, ToyDataset(1, SIDE), overwrite=True)
    assert all_bytes(tmp_path) == {"note.txt": b"mine"}


def test_overwrite_replaces_all_and_failure_leaves_nothing(tmp_path, monkeypatch):
    out = tmp_path / "out"
    write_dataset(out, ToyDataset(4, SIDE))
    write_dataset(out, ToyDataset(2, SIDE), overwrite=True)
    before = all_bytes(out)
    assert len([name for name in before if name.startswith("train/")]) == 4

    monkeypatch.setattr(cv2, "imwrite", lambda *_: False)
    with pytest.raises(OSError, match="could not write"):
        write_dataset(out, ToyDataset(3, SIDE), overwrite=True)
    assert all_bytes(out) == before
    assert list(tmp_path.iterdir()) == [out]
