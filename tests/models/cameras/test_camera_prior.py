"""projects/threedgp/models/cameras/camera_prior.py"""

import math

import pytest
import torch

from projects.threedgp.models.cameras.camera_generator import CameraGenerator
from projects.threedgp.models.cameras.camera_prior import CameraPrior, Distribution
from projects.threedgp.rendering import CAMERA_FIELDS

BOUNDED = [
    Distribution("yaw", "uniform", min=-1.0, max=2.0),
    Distribution("yaw", "spherical_uniform", min=-1.0, max=2.0),
    Distribution("pitch", "truncnorm", mean=1.5, std=0.5, min=1.0, max=2.0),
    Distribution("yaw", "truncnorm", mean=5.0, std=1.0, min=0.0, max=1.0),
    Distribution("pitch", "spherical_uniform", min=0.0, max=math.pi),
    Distribution("pitch", "uniform", min=0.5, max=2.5),
]


@pytest.mark.parametrize("distribution", BOUNDED, ids=lambda d: f"{d.name}-{d.dist}")
def test_samples_stay_within_the_bounds(distribution):
    samples = distribution.from_uniform(torch.rand(10_000).clamp(1e-7, 1 - 1e-7))
    low, high = distribution.bounds
    assert low <= samples.min() and samples.max() <= high


@pytest.mark.parametrize(
    "distribution, mean",
    [
        (Distribution("yaw", "uniform", min=-1.0, max=2.0), 0.5),
        (Distribution("yaw", "spherical_uniform", min=-1.0, max=2.0), 0.5),
        (Distribution("pitch", "spherical_uniform", min=0.0, max=math.pi), math.pi / 2),
        (Distribution("yaw", "normal", mean=0.3, std=0.6), 0.3),
        (Distribution("pitch", "truncnorm", mean=1.5, std=0.5, min=1.0, max=2.0), 1.5),
        # phi(0) - phi(1) over Phi(1) - Phi(0) of a normal cut on one side
        (Distribution("yaw", "truncnorm", mean=0.0, std=1.0, min=0.0, max=1.0), 0.4598622),
        (Distribution("radius", "constant", value=1.5), 1.5),
    ],
    ids=lambda d: f"{d.name}-{d.dist}" if isinstance(d, Distribution) else None,
)
def test_samples_have_the_right_mean(distribution, mean):
    u = (torch.arange(20_000).double() + 0.5) / 20_000
    assert distribution.from_uniform(u).mean().item() == pytest.approx(mean, abs=1e-3)


def test_normal_has_its_standard_deviation():
    u = (torch.arange(20_000).double() + 0.5) / 20_000
    samples = Distribution("yaw", "normal", mean=0.3, std=0.6).from_uniform(u)
    assert samples.std().item() == pytest.approx(0.6, abs=2e-3)


def test_spherical_pitch_is_uniform_in_height():
    """On a sphere, area is proportional to height (Archimedes)."""
    u = torch.linspace(0.01, 0.99, 50)
    pitch = Distribution("look_at_pitch", "spherical_uniform", min=0, max=math.pi).from_uniform(u)
    torch.testing.assert_close(pitch.cos(), 1 - 2 * u, atol=1e-5, rtol=0)


@pytest.mark.parametrize("distribution", BOUNDED, ids=lambda d: f"{d.name}-{d.dist}")
def test_larger_draws_give_larger_samples(distribution):
    samples = distribution.from_uniform(torch.linspace(0.001, 0.999, 100))
    assert (samples.diff() > 0).all()


@pytest.mark.parametrize(
    "field, config, message",
    [
        ("yaw", dict(dist="uniform", min=1.0, max=-1.0), "yaw: got min=1.0 > max=-1.0"),
        ("fov_deg", dict(dist="unifrom", min=1, max=2), "fov_deg: got dist='unifrom', wanted one"),
        ("radius", dict(dist="uniform", min=1.0), r"radius: .* also needs \['max'\]"),
        ("yaw", dict(dist="normal", mean=0.0), r"yaw: a normal distribution also needs \['std'\]"),
        ("pitch", dict(dist="uniform", min=-0.1, max=1.0), "pitch: got -0.1, wanted .* pi"),
        ("look_at_pitch", dict(dist="spherical_uniform", min=0, max=4.0), "look_at_pitch: got 4.0"),
        ("pitch", 3.5, "pitch: got 3.5"),
    ],
)
def test_impossible_priors_are_named(field, config, message):
    with pytest.raises(ValueError, match=message):
        CameraPrior(**{field: config})


def test_camera_generator_asks_for_bounds():
    prior = CameraPrior(yaw=dict(dist="normal", mean=0.0, std=0.6))
    with pytest.raises(ValueError, match="yaw: got a normal distribution without bounds"):
        CameraGenerator(prior)


def test_both_pitches_are_kept_off_the_poles_and_nothing_else_is():
    prior = CameraPrior(pitch=dict(dist="uniform", min=0.0, max=math.pi))
    ends = prior.from_uniform(torch.tensor([[0.0], [1.0]]).expand(2, 8))
    for pitch in (ends.pitch, ends.look_at_pitch):
        assert pitch.tolist() == pytest.approx([1e-5, math.pi - 1e-5], abs=5e-7)
    assert ends.look_at_radius.tolist() == pytest.approx([0, 0.2])
    assert ends.yaw.tolist() == pytest.approx([-1.57, 1.57])


def test_default_is_the_release():
    camera = CameraPrior().sample(5000)
    fields = dict(zip(CAMERA_FIELDS, camera.params.T, strict=True))
    for name, (low, high) in dict(
        yaw=(-1.57, 1.57),
        pitch=(math.pi / 4, 3 * math.pi / 4),
        roll=(0, 0),
        fov_deg=(10, 45),
        radius=(1, 1),
        look_at_radius=(0, 0.2),
    ).items():
        assert fields[name].min() == pytest.approx(low, abs=0.02)
        assert fields[name].max() == pytest.approx(high, abs=0.02)


def test_mean_camera_is_frontal():
    mean = CameraPrior().mean(2)
    expected = torch.tensor([0, math.pi / 2, 0, 27.5, 1, 0, math.pi / 2, 0])
    torch.testing.assert_close(mean.params, expected.expand(2, 8))


def test_sampling_follows_the_seed():
    torch.manual_seed(3)
    first = CameraPrior().sample(4).params
    torch.manual_seed(3)
    assert torch.equal(CameraPrior()(4).params, first)


@pytest.mark.parametrize(
    "name, setting, message",
    [
        ("fov_deg", -1, r"fov_deg: got -1, wanted a number in \[0, 180\]"),
        (
            "fov_deg",
            dict(dist="uniform", min=10, max=200),
            r"fov_deg: got 200, wanted a number in \[0, 180\]",
        ),
        ("radius", -1.0, r"radius: got -1\.0, wanted a number of at least 0"),
        ("look_at_radius", dict(dist="uniform", min=-1, max=1), r"look_at_radius: got -1, wanted"),
        (
            "yaw",
            dict(dist="normal", mean=0.0, std=-1.0),
            r"yaw\.std: got -1\.0, wanted a number of at least 0",
        ),
        ("yaw", dict(dist="uniform", min=float("nan"), max=1), r"yaw\.min: got nan, wanted a number"),
    ],
)
def test_numbers_that_no_camera_has_are_named(name, setting, message):
    with pytest.raises(ValueError, match=message):
        CameraPrior(**{name: setting})
