"""projects/threedgp/models/scene.py"""

import pytest
import torch

from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.models.generator import GeneratorInput
from projects.threedgp.models.sampling import Sampling
from projects.threedgp.models.scene import Views
from tests.tiny import Z_DIM, frontal_camera, tiny_generator


@pytest.fixture
def latents():
    return torch.randn(2, Z_DIM), torch.tensor([0, 2])


@pytest.mark.parametrize("training", [False, True])
def test_generating_is_decoding_and_rendering(latents, training):
    """The same numbers drawn in the same order, to the bit."""
    generator, camera = tiny_generator(), frontal_camera(2)
    sampling = generator.training_sampling(1.0) if training else Sampling()
    ws = generator.style(*latents)
    torch.manual_seed(3)
    whole = generator.generate(GeneratorInput(*latents, camera), sampling)
    torch.manual_seed(3)
    views = generator.scene(ws, sampling).render(camera, sampling=sampling)
    assert torch.equal(whole.images, views.images) and torch.equal(whole.depth, views.depth)
    assert torch.equal(whole.ws, ws) and whole.camera is views.camera is camera


def test_an_object_decoded_once_serves_every_camera(latents):
    generator, cameras = tiny_generator(), CameraPrior().sample(4)
    scene = generator.scene(generator.style(*latents)[:1])
    assert len(scene) == 1
    views = scene.render(cameras)
    for i in range(4):
        alone = scene.render(cameras[i : i + 1])
        torch.testing.assert_close(views.images[i], alone.images[0])


@pytest.mark.parametrize("marcher, bias", [("classical", 0.0), ("mip", -1.5)])
def test_densities_are_those_that_are_rendered(latents, marcher, bias):
    """Softplus of the raw density, to which the mip marcher adds its bias."""
    renderer = dict(num_coarse=4, num_fine=4, marcher=marcher, density_bias=-1.5)
    scene = (generator := tiny_generator(renderer=renderer)).scene(generator.style(*latents))
    points = torch.rand(2, 50, 3) - 0.5
    colours, raw = scene.query(points)
    assert colours.shape == (2, 50, 3) and raw.shape == (2, 50, 1)
    torch.testing.assert_close(scene.density(points), torch.nn.functional.softplus(raw + bias))


def test_outside_of_the_cube_all_points_are_the_same(latents):
    field = dict(resolution=8, feature_dim=4, cbase=64, cmax=8, mlp_hidden_dim=8, cube_scale=0.2)
    scene = (generator := tiny_generator(field=field)).scene(generator.style(*latents))
    far, near = 0.3 + torch.rand(2, 20, 3), 0.3 * torch.rand(2, 20, 3) - 0.15
    assert scene.density(far).std(dim=1).max() == 0
    assert scene.density(near).std(dim=1).min() > 0


@pytest.mark.parametrize("pixels", ["border", "center"])
@pytest.mark.parametrize("side", [8, 4])
def test_depth_in_the_size_of_the_images(pixels, side):
    """A slope of one a pixel: between centres, and between borders if the outermost rays met these."""
    depth = torch.arange(float(side)).expand(1, 1, side, side)
    rgb = torch.zeros(1, 3, 8, 8)
    views = Views(rgb, depth, -depth, frontal_camera(), pixels=pixels)
    row = views.full_depth[0, 0, 0]
    if side == 8:
        assert views.full_depth is depth
    elif pixels == "border":
        torch.testing.assert_close(row, torch.linspace(0, 3, 8))
    else:
        torch.testing.assert_close(row, torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]))
    assert torch.equal(views.images[:, 3:], -views.full_depth)
