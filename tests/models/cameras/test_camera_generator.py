"""projects/threedgp/models/cameras/camera_generator.py"""

import pytest
import torch

from projects.threedgp.models.cameras.camera_generator import CameraGenerator
from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.rendering import CAMERA_FIELDS, Camera

ORIGIN, LOOK_AT = [0, 1, 2, 4], [3, 5, 6, 7]


@pytest.fixture
def batch():
    return CameraPrior().sample(16), torch.randn(16, 8), torch.arange(16) % 3


def build(**changes):
    return CameraGenerator(**dict(z_dim=8, num_classes=3, hidden_dim=16, embed_dim=4) | changes)


def test_full_size_has_the_official_number_of_weights():
    with torch.device("meta"):
        assert sum(p.numel() for p in CameraGenerator().parameters()) == 189_752


def test_posterior_stays_within_the_prior(batch):
    net = build()
    low = torch.tensor([d.bounds[0] for d in CameraPrior().distributions.values()])
    high = torch.tensor([d.bounds[1] for d in CameraPrior().distributions.values()])
    for scale in (1, 1e3):
        raw = scale * torch.randn(100, 8)
        params = net.denormalize(Camera(raw)).params
        for i in (0, 1, 2, 3, 5, 6, 7):
            assert (params[:, i] >= low[i]).all() and (params[:, i] <= high[i]).all()
    assert (params[:, 2] == 0).all()


@pytest.mark.parametrize(
    "adjust, kept",
    [
        ((), CAMERA_FIELDS),
        (("angles", "fov", "look_at"), ("radius",)),
        (("radius",), [name for name in CAMERA_FIELDS if name != "radius"]),
        (("fov",), [name for name in CAMERA_FIELDS if name != "fov_deg"]),
    ],
)
def test_what_is_not_adjusted_passes_through(batch, adjust, kept):
    posterior = build(adjust=adjust)(*batch)
    for i, name in enumerate(CAMERA_FIELDS):
        same = torch.equal(posterior.params[:, i], batch[0].params[:, i])
        assert same == (name in kept) or name == "roll"


def test_origin_depends_on_the_class_but_not_on_the_latent(batch):
    net, (prior, z, label) = build(), batch
    raw, other_z = net.raw(prior, z, label).params, net.raw(prior, z + 1, label).params
    torch.testing.assert_close(raw[:, ORIGIN], other_z[:, ORIGIN])
    assert not torch.allclose(raw[:, LOOK_AT], other_z[:, LOOK_AT])
    other_label = net.raw(prior, z, (label + 1) % 3).params
    assert not torch.allclose(raw[:, ORIGIN], other_label[:, ORIGIN])


def test_look_at_depends_on_the_origin_but_not_vice_versa(batch):
    net, (prior, z, label) = build(), batch
    raw = net.raw(prior, z, label).params
    moved = prior.replace(yaw=prior.yaw + 0.5)
    turned = prior.replace(look_at_yaw=prior.look_at_yaw + 0.5)
    for camera, origin_moves in ((moved, True), (turned, False)):
        other = net.raw(camera, z, label).params
        assert not torch.allclose(raw[:, LOOK_AT], other[:, LOOK_AT])
        assert torch.allclose(raw[:, ORIGIN], other[:, ORIGIN]) != origin_moves


def test_normalization_maps_the_bounds_to_0_and_1():
    prior = CameraPrior()
    ends = torch.tensor([d.bounds for d in prior.distributions.values()]).T
    unit = build().normalize(Camera(ends)).params
    for i in (0, 1, 3, 5, 6, 7):
        torch.testing.assert_close(unit[:, i], torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0)
    assert torch.equal(unit[:, [2, 4]], ends[:, [2, 4]])


def test_without_classes(batch):
    net, (prior, z, label) = build(num_classes=None), batch
    torch.testing.assert_close(net(prior, z).params, net(prior, z, label).params)


def test_every_weight_learns(batch):
    net = build(adjust=("angles", "fov", "look_at", "radius"))
    net(*batch).params.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


def test_release_scales_the_look_at_radius_with_the_pitch_minimum():
    prior = CameraPrior(
        look_at_pitch=dict(dist="uniform", min=0.1, max=3.0),
        look_at_radius=dict(dist="uniform", min=0.05, max=0.4),
    )
    far_left = Camera(torch.full((1, 8), -1e3))
    assert build(prior=prior).denormalize(far_left).look_at_radius.item() == pytest.approx(0.05)
    compat = build(prior=prior, official_compat=True)
    assert compat.denormalize(far_left).look_at_radius.item() == pytest.approx(0.1)


def test_unknown_part_is_named():
    with pytest.raises(ValueError, match=r"adjust: got \['fov_deg'\], wanted a subset"):
        build(adjust=("fov_deg",))
