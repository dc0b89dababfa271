"""projects/threedgp/models/fields/feature_volume_field.py and point_embeddings.py"""

import pytest
import torch

from projects.threedgp.models import CameraPrior, FeatureVolumeField, GeneratorInput
from projects.threedgp.models.fields.point_embeddings import POINT_EMBEDDINGS
from tests.tiny import NUM_CLASSES, Z_DIM, tiny_generator

EMBEDDINGS = list(POINT_EMBEDDINGS)
SIZES = dict(w_dim=8, resolution=8, feature_dim=4, max_channels=8, num_octaves=2, hidden_dim=6, num_layers=3)


def tiny_field(**changes):
    return FeatureVolumeField(**SIZES | dict(out_channels=5) | changes)


@pytest.mark.parametrize("embedding, told", [("coordinate", 15), ("volume", 19), ("triplane", 19)])
def test_one_option_says_what_a_point_is_told(embedding, told):
    """Its coordinates, two octaves of sines and cosines of them, and features."""
    field = tiny_field(embedding=embedding)
    features, sigma = field(torch.randn(2, 3, 8))(torch.rand(2, 7, 3))
    assert field.mlp.layers[0].weight.shape == (6, told)
    assert features.shape == (2, 7, 5) and sigma.shape == (2, 7, 1)
    assert field.num_ws == 3 and field.out_channels == 5


def test_coordinates_come_first_in_their_encoding_and_without_pi():
    point = torch.tensor([[[0.1, -0.2, 0.15]]])
    encoded = tiny_field().encode(point)
    expected = [point, point.sin(), point.cos(), (2 * point).sin(), (2 * point).cos()]
    torch.testing.assert_close(encoded, torch.cat(expected, dim=-1))


def test_the_corners_of_the_box_are_those_of_the_volume():
    low, high = (-0.3, -0.1, -0.2), (0.3, 0.5, 0.1)
    field = tiny_field(bounds=(low, high))
    corners = torch.tensor([[low, high, (0.0, 0.2, -0.05)]])
    torch.testing.assert_close(field.in_box(corners), torch.tensor([[[-1.0] * 3, [1.0] * 3, [0.0] * 3]]))


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_the_first_code_makes_what_is_looked_up_and_every_code_matters(embedding):
    field, points = tiny_field(embedding=embedding), torch.rand(1, 7, 3) - 0.5
    ws = torch.randn(1, 3, 8)
    radiance = field(ws, "none")
    for layer in range(3):
        other = ws.clone()
        other[:, layer] += 1
        changed = field(other, "none")
        assert torch.equal(changed.content, radiance.content) == (layer > 0 or embedding == "coordinate")
        assert not torch.allclose(changed(points)[1], radiance(points)[1])


def test_planes_are_looked_up_by_pairs_of_axes():
    embedding = tiny_field(embedding="triplane").embedding
    planes = torch.zeros(1, 12, 8, 8)
    planes[:, :4, :, -1] = 3.0  # xy, where x is 1
    planes[:, 8:, -1, :] = 6.0  # yz, where z is 1
    points = torch.tensor([[[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]])
    assert embedding.look_up(planes, points)[0, :, 0].tolist() == [1.0, 2.0, 0.0]


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_second_derivative_with_respect_to_codes_and_points(embedding):
    torch.manual_seed(0)
    sizes = dict(w_dim=2, hidden_dim=2, num_layers=2, out_channels=2, feature_dim=2, max_channels=2)
    field = tiny_field(embedding=embedding, resolution=4, **sizes).double()
    ws = torch.randn(1, 2, 2, dtype=torch.float64, requires_grad=True)
    points = (0.4 * torch.rand(1, 3, 3, dtype=torch.float64) - 0.2).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda ws, points: field(ws, "none")(points), (ws, points))


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_goes_with_the_mip_marcher_learned_cameras_and_depth(embedding):
    field = dict(type="FeatureVolumeField", **SIZES | dict(embedding=embedding, out_channels=3))
    renderer = dict(num_coarse=4, num_fine=4, marcher="mip")
    generator = tiny_generator(field=field, renderer=renderer)
    z, label = torch.randn(2, Z_DIM), torch.arange(2) % NUM_CLASSES
    output = generator.generate(GeneratorInput(z, label, prior=CameraPrior().sample(2)))
    assert output.images.shape == (2, 4, 16, 16)
    output.images.sum().backward()
    features, _ = generator.field(output.ws.detach())(torch.rand(2, 9, 3))
    assert (features >= -0.001).all() and (features <= 1.001).all()


def test_impossible_values_are_named():
    with pytest.raises(ValueError, match=r"embedding: got 'voxels', wanted one of \('volume', 'triplane'"):
        tiny_field(embedding="voxels")
    with pytest.raises(ValueError, match=r"bounds: got \(\(0, 0, 0\), \(1, 0, 1\)\), wanted the lowest"):
        tiny_field(bounds=((0, 0, 0), (1, 0, 1)))
    with pytest.raises(ValueError, match="volume resolution: got 12, wanted a power of two"):
        tiny_field(resolution=12)
