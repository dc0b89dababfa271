"""projects/threedgp/models/old_names.py"""

from pathlib import Path

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import projects.threedgp
from projects.threedgp.apis.loading import load_model
from projects.threedgp.models.generator import GeneratorInput, ThreeDGPGenerator
from tests.tiny import Z_DIM, frontal_camera, tiny_generator, tiny_model_config

OLD = dict(
    image_size=16,
    patch_size=8,
    num_classes=3,
    noise_size=Z_DIM,
    w_dim=8,
    mapping_layers=3,
    planes=dict(resolution=8, feature_dim=4, cbase=64, cmax=8),
    mlp_hidden_dim=8,
    cube_scale=0.3,
    marching=dict(num_coarse=4, num_fine=4, far=1.5),
    density_noise=dict(start=2.0, end=0.0, over_kimg=5),
    rays_per_chunk=100,
    camera_generator=dict(type="CameraGenerator", hidden_dim=8, embed_dim=4),
    depth_adaptor=dict(type="DepthAdaptor", hidden_dim=4, num_layers=2),
)


def old(name: str) -> str:
    """The name that a tensor once had."""
    return name.replace("field.decoder.", "decoder.").replace("field.mlp.", "mlp.")


def test_arguments_of_before_make_the_same_generator():
    generator = ThreeDGPGenerator(**OLD)
    now = tiny_generator(
        mapping=dict(w_dim=8, num_layers=3),
        field=dict(resolution=8, feature_dim=4, cbase=64, cmax=8, mlp_hidden_dim=8, cube_scale=0.3),
        renderer=dict(
            num_coarse=4,
            num_fine=4,
            far=1.5,
            density_noise=dict(start=2.0, end=0.0, over_kimg=5),
            rays_per_chunk=100,
        ),
    )
    generator.load_state_dict(now.state_dict())
    inputs = GeneratorInput(torch.randn(2, Z_DIM), torch.tensor([0, 2]), frontal_camera(2))
    assert torch.equal(generator.generate(inputs).images, now.generate(inputs).images)
    assert generator.schedules(2.5) == now.schedules(2.5)
    assert generator.schedules(2.5)["density_noise"] == 1.0
    assert generator.renderer.rays_per_chunk == 100


def test_arguments_of_before_change_some_of_a_part():
    """As an option on a command line does."""
    base = Config(dict(generator=tiny_model_config()["generator"]))
    base.merge_from_dict({"generator.marching.num_fine": 3, "generator.density_noise.over_kimg": 7})
    base.generator.renderer.density_noise = dict(start=0.5, end=0.1, over_kimg=1)
    generator = MODELS.build(dict(base.generator, num_classes=None))
    assert (generator.marching.num_coarse, generator.marching.num_fine) == (6, 3)
    noise = generator.renderer.density_noise
    assert (noise.start, noise.end, noise.over_kimg) == (0.5, 0.1, 7)


def test_an_argument_that_never_was_is_named():
    with pytest.raises(TypeError, match="generator: got an unknown argument 'plains'"):
        tiny_generator(plains={})


def test_tensors_of_before_are_loaded():
    source, target = tiny_generator(), tiny_generator()
    state = {old(name): tensor for name, tensor in source.state_dict().items()}
    assert "mlp.out.weight" in state and "decoder.blocks.0.conv1.weight" in state
    target.load_state_dict(state)
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor)


def test_a_whole_model_of_before_is_loaded_with_its_average():
    """By a name of each network, and in the order that optimisers number the weights by."""
    init_default_scope("mmagic")
    source, target = (MODELS.build(tiny_model_config()) for _ in range(2))
    state = {old(name): tensor for name, tensor in source.state_dict().items()}
    assert "generator_ema.module.mlp.out.weight" in state
    target.load_state_dict(state)
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor)
    order = [old(name).split(".")[0] for name, _ in source.generator.named_parameters()]
    assert list(dict.fromkeys(order)) == ["mapping", "decoder", "mlp", "camera_generator", "depth_adaptor"]


def test_the_checkpoint_that_comes_along_has_names_of_before_and_is_loaded():
    zoo = Path(projects.threedgp.__file__).parent / "zoo"
    stored = torch.load(zoo / "toy32.pth", weights_only=True)["state_dict"]
    assert "generator.mlp.out.weight" in stored
    model, _ = load_model(zoo / "toy32.py", zoo / "toy32.pth", "cpu")
    loaded = {old(name): tensor for name, tensor in model.state_dict().items()}
    assert loaded.keys() == stored.keys()
    for name, tensor in stored.items():
        assert torch.equal(loaded[name], tensor.to(loaded[name].dtype)), name
