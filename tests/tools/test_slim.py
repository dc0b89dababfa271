"""tools/model_converters/slim.py, on an untrained tiny model, and the pair that is in the repository."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from projects.threedgp.apis import ThreeDGPInferencer
from projects.threedgp.apis.loading import load_model
from projects.threedgp.errors import UserError
from tests.tiny import tiny_model_config
from tools import render
from tools.model_converters import slim

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "projects" / "threedgp" / "zoo" / "toy32"
NAMES = ["ant", "bee", "cat", "dog", "eel"]
FAST = dict(progress=False, resolution=8, steps_factor=1)

TRAINING = """
custom_imports = dict(imports=["projects.threedgp"], allow_failed_imports=False)
default_scope = "mmagic"
data_root = "/home/somebody/photos"
train_dataloader = dict(dataset=dict(data_root=data_root))
optim_wrapper = dict(type="OptimWrapper")
load_from = "/home/somebody/iter_1.pth"
"""


def write_training(folder: Path, **changes) -> tuple[Path, Path]:
    """Config and checkpoint of a training; ``changes`` replace arguments of the model."""
    folder.mkdir(exist_ok=True)
    config, checkpoint = folder / "training.py", folder / "iter_4.pth"
    settings = tiny_model_config(**changes)
    # It would download its weights if it were built.
    teacher = dict(type="TimmTeacher", model="test_resnet", pretrained=True)
    config.write_text(f"{TRAINING}\nmodel = {settings | dict(teacher=teacher)!r}\n")
    model, _ = load_model(Config(dict(model=settings)), device="cpu")
    model.images_seen.fill_(12_345)
    if model.num_classes:
        model.label_distribution.copy_(torch.tensor([0.1, 0.2, 0.3, 0.15, 0.25]))
    if model.with_ema_gen:
        for parameter in model.generator_ema.parameters():
            torch.nn.init.normal_(parameter)
    meta = dict(dataset_meta=dict(classes=NAMES), cfg="root = '/home/somebody'")
    optimizer = dict(generator=dict(state={0: dict(exp_avg=torch.zeros(1000))}))
    torch.save(dict(state_dict=model.state_dict(), meta=meta, optimizer=optimizer), checkpoint)
    return config, checkpoint


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    torch.manual_seed(0)
    return write_training(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def pair(training, tmp_path_factory):
    """The slim checkpoint's config, and itself."""
    out = tmp_path_factory.mktemp("slim") / "new" / "small.pth"
    slim.main([*map(str, training), str(out)])
    return out.with_suffix(".py"), out


def pictures(config, checkpoint, sample_model=None):
    inferencer = ThreeDGPInferencer(config, checkpoint, "cpu", sample_model)
    return inferencer.sample(4, seed=3, **FAST)


def assert_close(ours, theirs, grey_levels, depth):
    for a, b in zip(ours, theirs, strict=True):
        assert a.label == b.label
        assert np.abs(a.rgb.astype(int) - b.rgb).max() <= grey_levels
        np.testing.assert_allclose(a.depth, b.depth, atol=depth)
        torch.testing.assert_close(a.camera.params, b.camera.params, atol=1e-2, rtol=0)


@pytest.mark.parametrize("config", ["training", "own"])
def test_pictures_are_those_of_the_average_to_half_precision(training, pair, config):
    full = pictures(*training)
    slimmed = pictures(training[0] if config == "training" else pair[0], pair[1])
    assert_close(slimmed, full, grey_levels=3, depth=2e-3)
    trained = pictures(*training, sample_model="orig")
    assert np.abs(trained[0].rgb.astype(int) - full[0].rgb).max() > 20


def test_in_full_precision_nothing_changes(training, tmp_path):
    slim.main([*map(str, training), str(tmp_path / "a.pth"), "--dtype", "float32"])
    ours = pictures(tmp_path / "a.py", tmp_path / "a.pth")
    for a, b in zip(ours, pictures(*training), strict=True):
        assert np.array_equal(a.rgb, b.rgb) and np.array_equal(a.depth, b.depth)


def test_the_model_loaded_is_the_generator_in_float32_and_its_time(pair, training):
    for config in (pair[0], training[0]):
        model, names = load_model(config, pair[1], "cpu")
        assert model.discriminator is None and not model.with_ema_gen
        assert {value.dtype for value in model.parameters()} == {torch.float32}
        assert model.kimg == 12.345 and list(names) == NAMES
        assert model.label_distribution.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.15, 0.25])


def test_the_file_holds_what_sampling_needs_and_can_be_read_without_executing_anything(pair):
    stored = torch.load(pair[1], weights_only=True)
    assert stored.keys() == {"meta", "state_dict"}
    state = stored["state_dict"]
    assert {name.split(".")[0] for name in state} == {"generator", "images_seen", "label_distribution"}
    for name, value in state.items():
        if name != "images_seen":
            assert value.dtype == (torch.float16 if value.ndim > 1 else torch.float32), name
    assert stored["meta"] == dict(
        sampling_only=True, dataset_meta=dict(classes=NAMES), source="iter_4.pth", kimg=12.345
    )


def test_the_config_holds_what_sampling_needs_and_no_path(pair):
    config = Config.fromfile(pair[0])
    assert set(config) == {"custom_imports", "default_scope", "metainfo", "model"}
    assert config.model.discriminator is None and "teacher" not in config.model
    assert "somebody" not in pair[0].read_text()
    assert str(pair[0].parent) not in pair[0].read_text()
    assert sorted(path.name for path in pair[0].parent.iterdir()) == ["small.pth", "small.py"]


def test_a_second_time_the_files_are_the_same(training, pair, tmp_path):
    slim.main([*map(str, training), str(tmp_path / pair[1].name)])
    for file in pair:
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_sizes_and_what_was_dropped_are_printed(training, tmp_path, capsys):
    out = tmp_path / "a.pth"
    slim.main([*map(str, training), str(out)])
    printed = capsys.readouterr().out
    for part in ("dropped: discriminator (", "dropped: generator (", "dropped: optimizer (0.00 MB)"):
        assert part in printed
    assert f"checkpoint: {out} ({out.stat().st_size / 1e6:.2f} MB, float16, 12.345 kimg)" in printed
    assert f"config:     {tmp_path / 'a.py'}" in printed
    assert out.stat().st_size < training[1].stat().st_size / 3


def test_a_model_without_average_gives_the_trained_generator(tmp_path):
    training = write_training(tmp_path / "training", ema_config=None)
    slim.main([*map(str, training), str(tmp_path / "a.pth")])
    assert_close(
        pictures(tmp_path / "a.py", tmp_path / "a.pth"), pictures(*training), grey_levels=3, depth=2e-3
    )


def test_a_model_without_classes_stays_one(tmp_path):
    training = write_training(tmp_path / "training", num_classes=None)
    slim.main([*map(str, training), str(tmp_path / "a.pth")])
    assert "metainfo" not in Config.fromfile(tmp_path / "a.py")
    assert [each.label for each in pictures(tmp_path / "a.py", tmp_path / "a.pth")] == [None] * 4


def test_render_takes_the_pair(pair, tmp_path):
    arguments = ["--out", tmp_path, "--grid", "1x1", "--frames", 2, "--resolution", 16, "--device", "cpu"]
    render.main([*map(str, pair), *map(str, arguments)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orbit.mp4", "orbit.png", "samples.png"]


def changed(training, folder: Path, name: str, value) -> list[str]:
    """The training with one tensor of its average replaced, as arguments."""
    checkpoint = torch.load(training[1], weights_only=False)
    checkpoint["state_dict"][f"generator_ema.module.{name}"].view(-1)[0] = value
    torch.save(checkpoint, folder / "changed.pth")
    return [str(training[0]), str(folder / "changed.pth"), str(folder / "out" / "a.pth")]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "field.mlp.out.weight",
            1e5,
            r"generator.field.mlp.out.weight: got 100000, wanted at most 65504 \(or --dtype",
        ),
        ("field.mlp.out.bias", float("nan"), "not finite, the first is generator_ema.*mlp.out.bias"),
    ],
)
def test_weights_that_cannot_be_kept_are_named_and_nothing_is_written(
    training, tmp_path, name, value, message
):
    with pytest.raises(ValueError, match=message):
        slim.main(changed(training, tmp_path, name, value))
    assert not (tmp_path / "out").exists()


def test_large_weights_fit_in_full_precision(training, tmp_path):
    slim.main([*changed(training, tmp_path, "field.mlp.out.weight", 1e5), "--dtype", "float32"])
    assert (tmp_path / "out" / "a.pth").exists()


def test_what_is_slim_or_belongs_to_another_config_is_refused(training, pair, tmp_path):
    with pytest.raises(ValueError, match=r"CHECKPOINT: got .*small.pth, which is for sampling only already"):
        slim.main([*map(str, pair), str(tmp_path / "a.pth")])
    other = write_training(tmp_path / "other", generator=dict(field=dict(mlp_hidden_dim=8)))
    with pytest.raises(ValueError, match="it belongs to another config"):
        slim.main([str(other[0]), str(training[1]), str(tmp_path / "a.pth")])
    with pytest.raises(ValueError, match="it belongs to another config"):
        ThreeDGPInferencer(other[0], pair[1], device="cpu")
    assert not (tmp_path / "a.pth").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.py", "{1}", "a.pth"], "file 'missing.py' does not exist"),
        (["{0}", "missing.pth", "a.pth"], "file 'missing.pth' does not exist"),
        (["{0}", "{1}", "a.safetensors"], "got a.safetensors, wanted a name that ends in .pth"),
        (["{0}", "{1}", "a.pth", "--dtype", "int8"], "argument --dtype: invalid choice: 'int8'"),
    ],
)
def test_bad_arguments_are_named(training, capsys, arguments, message):
    with pytest.raises(SystemExit):
        slim.parse_arguments([text.format(*training, training[0].parent) for text in arguments])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("out", ["{1}", "{2}/training.pth"])
def test_sources_are_not_overwritten(training, out):
    out = out.format(*training, training[0].parent)
    with pytest.raises(UserError, match="wanted a name that does not overwrite"):
        slim.main([*map(str, training), out, "--overwrite"])


def test_no_file_is_replaced_unless_that_is_said(training, tmp_path, capsys):
    for name in ("small.pth", "small.py"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(SystemExit) as end:
            slim.main([*map(str, training), str(tmp_path / "small.pth")])
        assert end.value.code == 2
        assert f"{name} exists already; wanted a new name, or --overwrite" in capsys.readouterr().err
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).rename(tmp_path / "away")
    slim.main([*map(str, training), str(tmp_path / "small.pth"), "--overwrite"])


def test_the_shipped_pair_renders_a_picture(tmp_path):
    files = SHIPPED.with_suffix(".py"), SHIPPED.with_suffix(".pth")
    assert files[1].stat().st_size < 15e6
    # Elsewhere, as nothing beside them may be needed.
    config, checkpoint = (Path(shutil.copy(file, tmp_path)) for file in files)
    inferencer = ThreeDGPInferencer(config, checkpoint, device="cpu")
    # The checkpoint alone finds the config beside it.
    assert ThreeDGPInferencer(checkpoint, device="cpu").class_names == inferencer.class_names
    for sample in inferencer.sample(2, labels=[0, inferencer.class_name(7)], progress=False):
        assert np.isfinite(sample.depth).all() and sample.depth.std() > 0.01
        assert sample.rgb.std() > 5
    assert torch.load(checkpoint, weights_only=True)["meta"]["kimg"] > 0
    for file in files:
        assert b"/work/" not in file.read_bytes() and b"/home/" not in file.read_bytes()
