"""projects/threedgp/models/fields/implicit_field.py: MLPs of points, and a background with its own latent."""

import pytest
import torch

from projects.threedgp.models import GeneratorInput, ImplicitField, Mixing, Sampling
from tests.tiny import NUM_CLASSES, frontal_camera, tiny_generator

FIELD = dict(
    type="ImplicitField",
    num_octaves=2,
    hidden_dim=8,
    num_layers=2,
    feature_dim=4,
    latent_dim=3,
    background_dim=8,
    background_layers=2,
)


def field(**changes):
    torch.manual_seed(0)
    return ImplicitField(w_dim=8, **{key: v for key, v in (FIELD | changes).items() if key != "type"})


def test_shapes_and_codes():
    part = field(num_layers=3)
    assert (part.num_ws, part.out_channels, part.latent_dim) == (5, 7, 3)
    radiance = part(torch.randn(2, 5, 8), latent=torch.randn(2, 3))
    features, sigma = radiance(torch.randn(2, 6, 3))
    assert features.shape == (2, 6, 7) and sigma.shape == (2, 6, 1) and len(radiance) == 2
    features, sigma = radiance.background(torch.randn(2, 6, 4))
    assert features.shape == (2, 6, 7) and sigma.shape == (2, 6, 1)


def test_as_many_weights_as_stylenerf_has():
    """Widths of 128 behind 10 octaves; layers of codes of 512; colours are of 256 features."""
    layer = 128 * 512 + 128 + 128 * 128 + 128
    first, heads = 60 * 512 + 60 + 60 * 128 + 128, 2 * (128 * 512 + 128) + 128 + 1 + 128 * 256 + 256
    colour = 256 * 3 + 3
    assert count(ImplicitField().mlp) == first + 7 * layer + heads + colour == 779072
    behind = (80 + 32) * 64 + 64 + 3 * (64 * 64 + 64) + 64 + 1 + 64 * 256 + 256 + colour
    assert count(ImplicitField().background_mlp) == behind == 37188


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_colours_are_a_linear_function_of_the_features():
    part = field()
    features, _ = part(torch.randn(2, 4, 8), latent=torch.randn(2, 3))(torch.randn(2, 6, 3))
    torch.testing.assert_close(part.mlp.colour(features[..., 3:]), features[..., :3])


def test_style_is_the_scenes_and_the_latent_is_the_backgrounds():
    part, (ws, other_ws), (latent, other) = field(), torch.randn(2, 1, 4, 8), torch.randn(2, 1, 3)
    points, outside = torch.randn(1, 6, 3), torch.randn(1, 6, 4)
    both, style, back = part(ws, latent=latent), part(other_ws, latent=latent), part(ws, latent=other)
    assert torch.equal(both(points)[0], back(points)[0]) and (both(points)[0] != style(points)[0]).any()
    assert torch.equal(both.background(outside)[0], style.background(outside)[0])
    assert (both.background(outside)[0] != back.background(outside)[0]).any()


def test_each_code_goes_to_its_layer():
    """The last but one makes densities, the last one features."""
    part, ws = field(), torch.randn(1, 4, 8)
    changed = [ws.clone() for _ in range(4)]
    for i, codes in enumerate(changed):
        codes[:, i] += 1
    points, latent = torch.randn(1, 6, 3), torch.randn(1, 3)
    before = part(ws, latent=latent)(points)
    moved = [
        tuple(bool((a != b).any()) for a, b in zip(before, part(codes, latent=latent)(points), strict=True))
        for codes in changed
    ]
    assert moved == [(True, True), (True, True), (False, True), (True, False)]


def test_without_latent_there_is_no_background():
    part = field(latent_dim=0)
    assert part(torch.randn(1, 4, 8)).background is None
    assert not [name for name, _ in part.named_parameters() if "background" in name]


def test_it_has_second_derivatives():
    part, ws = field().double(), torch.randn(1, 4, 8).double().requires_grad_()
    points = torch.randn(1, 5, 3).double()
    torch.autograd.gradgradcheck(lambda codes: part(codes, latent=None)(points), ws, atol=1e-4)


def test_the_mip_marcher_is_refused():
    with pytest.raises(ValueError, match=r"renderer\.marcher: got 'mip'"):
        ImplicitField(squash=True)


def generator(**changes):
    torch.manual_seed(0)
    parts = dict(
        noise_size=11,
        patch_size=None,
        mapping=dict(z_dim=8, w_dim=8),
        field=FIELD,
        renderer=dict(type="LayeredRenderer", num_coarse=4, num_fine=4),
        upsampler=dict(type="StyleNeRFUpsampler", image_size=16, render_size=8, cbase=64, cmax=8),
        camera_generator=None,
        depth_adaptor=None,
    )
    return tiny_generator(**parts | changes).eval()


LABEL = torch.arange(2) % NUM_CLASSES


def test_the_last_numbers_of_a_latent_are_the_backgrounds():
    whole, z = generator(), torch.randn(2, 11)
    changed = z.clone()
    changed[:, 8:] += 1
    ws, other = (whole.style(latent, LABEL) for latent in (z, changed))
    assert ws.shape == (2, whole.num_ws + 1, 8)
    assert torch.equal(ws[:, :-1], other[:, :-1])
    assert torch.equal(other[:, -1, :3], changed[:, 8:]) and not other[:, -1, 3:].any()
    images = [whole.generate(GeneratorInput(x, LABEL, frontal_camera(2))) for x in (z, changed)]
    assert (images[0].rgb != images[1].rgb).any()
    scene = whole.scene(ws).render(frontal_camera(2))
    torch.testing.assert_close(scene.rgb, images[0].rgb)


def test_truncation_and_mixing_leave_the_background_alone():
    whole, z = generator(), torch.randn(2, 11)
    ws = whole.style(z, LABEL)
    mixing = Mixing(torch.randn(2, 11), torch.tensor([1, 3]))
    for changed in (
        whole.style(z, LABEL, Sampling(truncation_psi=0.0)),
        whole.style(z, LABEL, mixing=mixing),
    ):
        assert torch.equal(changed[:, -1], ws[:, -1]) and (changed[:, -2] != ws[:, -2]).any()
    torch.testing.assert_close(changed[:, -2], whole.style(mixing.z, LABEL)[:, -2])


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(noise_size=12), "noise_size, mapping.z_dim, field.latent_dim: got 12, 8, 3"),
        (
            dict(noise_size=17, field=FIELD | dict(latent_dim=9)),
            "field.latent_dim: got 9, wanted at most w_dim = 8",
        ),
    ],
)
def test_widths_that_do_not_fit_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        generator(**changes)
