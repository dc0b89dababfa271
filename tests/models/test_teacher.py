"""The teacher is frozen, reproducible, and leaves no trace in checkpoints."""

import warnings

import pytest
import timm
import torch
from mmagic.registry import MODELS
from safetensors.torch import save_file
from torch import nn

import projects.threedgp  # noqa: F401
from projects.threedgp.models.teacher import TimmTeacher

MODEL = "test_resnet"


@pytest.fixture
def weights(tmp_path):
    """A checkpoint of the whole classifier, head included."""
    path = tmp_path / "teacher.pth"
    torch.save(timm.create_model(MODEL, num_classes=10).state_dict(), path)
    return path


def images(n: int = 2, size: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, 3, size, size, generator=generator) * 2 - 1


def test_features_are_those_of_the_timm_model_on_its_own_normalisation(weights):
    teacher = MODELS.build(
        {"type": "TimmTeacher", "model": MODEL, "checkpoint": str(weights), "image_size": 64}
    )
    network = timm.create_model(MODEL, num_classes=10)
    network.load_state_dict(torch.load(weights))
    network.reset_classifier(0)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    normalise = transform.transforms[-1]
    expected = network.eval()(normalise((images() + 1) / 2))
    torch.testing.assert_close(teacher(images()), expected)
    assert expected.shape == (2, teacher.feature_dim)


def test_images_of_any_size_are_resized(weights):
    teacher = TimmTeacher(MODEL, str(weights), image_size=64)
    flat = torch.full((1, 3, 150, 150), 0.3)
    torch.testing.assert_close(teacher(flat), teacher(flat[..., :64, :64]))


@pytest.mark.parametrize("layout", ["plain", "wrapped", "ddp", "safetensors"])
def test_all_checkpoint_layouts_give_the_same_features(weights, tmp_path, layout):
    expected = TimmTeacher(MODEL, str(weights))(images())
    state, path = torch.load(weights), tmp_path / "other.pth"
    if layout == "safetensors":
        path = path.with_suffix(".safetensors")
        save_file(state, path)
    else:
        if layout == "ddp":
            state = {f"module.{name}": value for name, value in state.items()}
        torch.save(state if layout == "plain" else {"state_dict": state, "epoch": 3}, path)
    torch.testing.assert_close(TimmTeacher(MODEL, str(path))(images()), expected)


def test_missing_checkpoint_is_named():
    with pytest.raises(FileNotFoundError, match=r"checkpoint='/no/such.pth'"):
        TimmTeacher(MODEL, checkpoint="/no/such.pth")


@pytest.mark.parametrize("name", ["notes.pth", "notes.safetensors"])
@pytest.mark.parametrize("text", [b"", b"hello\n", b"cnowhere\nthing\n.", b"K\x01."])
def test_a_file_of_no_weights_is_named(tmp_path, name, text):
    (tmp_path / name).write_bytes(text)
    with pytest.raises(ValueError, match=rf"checkpoint='.*{name}' is no file of weights"):
        TimmTeacher(MODEL, checkpoint=str(tmp_path / name))


def test_checkpoint_of_another_model_is_an_error(weights):
    with pytest.raises(ValueError, match="does not fit the model"):
        TimmTeacher("test_vit", checkpoint=str(weights))


def test_checkpoint_and_pretrained_exclude_each_other(weights):
    with pytest.raises(ValueError, match="wanted one of them"):
        TimmTeacher(MODEL, checkpoint=str(weights), pretrained=True)


def test_random_weights_are_announced(weights):
    with pytest.warns(UserWarning, match="random weights"):
        TimmTeacher(MODEL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TimmTeacher(MODEL, str(weights))


def test_teacher_stays_frozen_in_a_model_in_training(weights):
    teacher = TimmTeacher(MODEL, str(weights), image_size=64)
    model = nn.ModuleDict({"teacher": teacher, "net": nn.Linear(2, 2)}).train()
    before = teacher(images())
    assert not any(p.requires_grad for p in teacher.network.parameters())
    assert not any(module.training for module in teacher.network.modules())
    assert not any(name.startswith("teacher") for name, _ in model.named_parameters())
    assert not teacher(images().requires_grad_()).requires_grad
    torch.testing.assert_close(teacher(images()), before)


def test_teacher_is_not_in_checkpoints_and_strict_loading_does_not_miss_it(weights):
    model = nn.ModuleDict({"teacher": TimmTeacher(MODEL, str(weights)), "net": nn.Linear(2, 2)})
    assert set(model.state_dict()) == {"net.weight", "net.bias"}
    model.load_state_dict(model.state_dict(), strict=True)


def test_teacher_moves_with_the_model(weights):
    model = nn.ModuleDict({"teacher": TimmTeacher(MODEL, str(weights))}).double()
    assert model["teacher"](images().double()).dtype == torch.float64
    assert next(model.to("meta")["teacher"].network.parameters()).is_meta
