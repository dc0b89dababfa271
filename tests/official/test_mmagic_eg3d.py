"""projects/threedgp/official/mmagic_eg3d.py: the toolkit's own networks, and ours with their weights."""

import math
from pathlib import Path
from unittest import mock

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope

from projects.threedgp.apis import ThreeDGPInferencer
from projects.threedgp.apis.loading import load_model
from projects.threedgp.models import GeneratorInput, Sampling
from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.official.mmagic_eg3d import camera_prior, derive_config
from projects.threedgp.rendering import PoseLabel, RayDraws
from tools.model_converters import eg3d_to_threedgp

init_default_scope("mmagic")
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PORTRAITS = dict(
    type="GaussianCamera",
    horizontal_mean=1.57,
    horizontal_std=0.35,
    vertical_mean=1.52,
    vertical_std=0.25,
    radius=2.7,
    fov=18.837,
    look_at=[0, 0, 0.2],
)
CARS = dict(
    type="UniformCamera",
    horizontal_mean=math.pi,
    horizontal_std=math.pi,
    vertical_mean=math.pi / 2,
    vertical_std=math.pi / 2,
    focal=1.025390625,
    up=[0, 0, 1],
    radius=1.2,
)
SMALL = dict(noise_size=8, style_channels=16, triplane_size=16, triplane_channels=4, sr_in_channels=8)
SIZES = {
    # The forms of the toolkit's FFHQ and AFHQ (8XDC) and of its ShapeNet (2X).
    "portraits": dict(
        out_size=64,
        sr_in_size=16,
        num_mlps=2,
        sr_hidden_channels=12,
        sr_out_channels=6,
        sr_add_noise=False,
        neural_rendering_resolution=8,
        renderer_cfg=dict(
            ray_start=2.25,
            ray_end=3.3,
            box_warp=1,
            depth_resolution=6,
            depth_resolution_importance=5,
            white_back=False,
        ),
    ),
    "cars": dict(
        out_size=32,
        sr_in_size=16,
        zero_cond_input=True,
        cond_scale=0,
        sr_add_noise=False,
        neural_rendering_resolution=8,
        renderer_cfg=dict(
            ray_start=0.4,
            ray_end=2.0,
            box_warp=1.7,
            depth_resolution=6,
            depth_resolution_importance=5,
            white_back=True,
        ),
    ),
}


def their_model(name):
    """Config of the toolkit's model."""
    generator = dict(type="TriplaneGenerator", **SMALL | SIZES[name], rgb2bgr=True)
    return dict(type="EG3D", generator=generator, camera=PORTRAITS if name == "portraits" else CARS)


def filled(module):
    """The network with no tensor left at a constant."""
    for key, value in module.state_dict().items():
        if value.unique().numel() == 1 and value.numel() >= 1 and not key.endswith("kernel"):
            value.add_(0.3 * torch.randn_like(value))
    return module.eval()


@pytest.fixture(params=SIZES)
def converted(request, tmp_path):
    """The toolkit's networks, and our model with their weights."""
    model = their_model(request.param)
    generator = filled(MODELS.build(model["generator"]))
    size = model["generator"]["out_size"]
    judge = dict(type="DualDiscriminator", in_size=size, cond_size=25, cond_mapping_channels=512)
    discriminator = filled(MODELS.build(judge))
    state = {f"generator.{key}": value for key, value in generator.state_dict().items()}
    state |= {f"discriminator.{key}": value for key, value in discriminator.state_dict().items()}
    torch.save(dict(state_dict=state, meta={}), tmp_path / "theirs.pth")
    Config(dict(model=model)).dump(tmp_path / "theirs.py")
    files = [str(tmp_path / name) for name in ("theirs.py", "theirs.pth", "ours.pth")]
    eg3d_to_threedgp.main(files)
    ours, _ = load_model(tmp_path / "ours.py", tmp_path / "ours.pth", "cpu")
    return generator, discriminator, ours


def images_of(generator, z, pose, draws, psi):
    """What the toolkit's generator makes on given draws of the rays."""
    stratified, importance = draws.stratified[..., None], draws.importance.flatten(0, 1)
    with (
        mock.patch("torch.rand_like", lambda like: stratified.reshape(like.shape)),
        mock.patch("torch.rand", lambda *shape, **options: importance.reshape(shape)),
        torch.no_grad(),
    ):
        return generator(z, pose, truncation=psi, add_noise=True, randomize_noise=False)


@pytest.mark.parametrize("psi", [1.0, 0.7])
def test_our_generator_makes_the_same_images(converted, psi):
    theirs, _, model = converted
    generator = model.generator
    z, camera = torch.randn(3, 8), generator.prior.sample(3)
    pose = PoseLabel.of(camera)
    marching = generator.marching
    draws = RayDraws.random(torch.zeros(3, 64, 3), marching)
    sampling = Sampling(
        draws=draws, truncation_psi=psi, truncation_center=theirs.backbone.w_avg[None].expand(3, -1)
    )
    # Their forward pass moves the mean of w.
    with mock.patch.object(theirs.backbone, "w_avg_beta", 1.0):
        expected = images_of(theirs, z, turned(pose, generator).params, draws, psi)
    generator.upsampler.pure_raw = True
    with torch.no_grad():
        out = generator.generate(GeneratorInput(z, camera=pose), sampling)
    for ours, key in ((out.rgb.flip(1), "fake_img"), (out.raw.flip(1), "lr_img"), (out.depth, "depth")):
        spread = expected[key].std()
        assert spread > 1e-3
        torch.testing.assert_close(ours, expected[key], atol=float(2e-4 * spread), rtol=1e-4, msg=key)


def turned(pose, generator):
    """Poses in a world whose z is up, where the planes are of such a one."""
    if generator.field.axes == ("xy", "xz", "zx"):
        return pose
    # Their (x, y, z) is our (z, x, y).
    turn = torch.tensor([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    return PoseLabel.made(turn @ pose.cam2world, pose.intrinsics)


def test_our_discriminator_makes_the_same_scores(converted):
    _, theirs, model = converted
    size = model.generator.image_size
    images, raw = torch.randn(4, 3, size, size), torch.randn(4, 3, 8, 8)
    pose = PoseLabel.of(model.generator.prior.sample(4)).params
    with torch.no_grad():
        ours, expected = model.discriminator(images, raw=raw, pose=pose), theirs(images, raw, pose)[:, 0]
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
    assert expected.std() > 1e-3


@pytest.mark.parametrize("camera", [PORTRAITS, CARS], ids=["portraits", "cars"])
def test_cameras_are_distributed_alike(camera):
    theirs = MODELS.build(camera)
    pose = theirs.sample_camera2world(batch_size=4000)
    ours = PoseLabel.of(
        CameraPrior(**{k: v for k, v in camera_prior(camera).items() if k != "type"}).sample(4000)
    )
    assert ours.intrinsics[0, 0, 0].item() == pytest.approx(
        theirs.sample_intrinsic()[0, 0, 0].item(), rel=1e-5
    )
    here, there = ours.cam2world[:, :3, 3], pose[:, :3, 3]
    if camera["type"] == "UniformCamera":
        # Over all of the sphere, whatever is up.
        there = there[:, [1, 2, 0]]
    torch.testing.assert_close(here.mean(dim=0), there.mean(dim=0), atol=0.06, rtol=0)
    torch.testing.assert_close(here.std(dim=0), there.std(dim=0), atol=0.06, rtol=0)


@pytest.mark.parametrize("name", ["ffhq-512x512", "afhq-512x512", "shapenet-128x128"])
def test_configs_of_the_toolkit_are_understood(name):
    config = get_config(f"mmagic::eg3d/eg3d_cvt-official-rgb_{name}.py")
    ours = derive_config(config.model, with_discriminator=False).model
    with torch.device("meta"):
        theirs = MODELS.build(config.model.generator)
        generator = MODELS.build(dict(ours.generator, num_classes=None))
    # All their parameters are ours, one by one.
    assert sum(p.numel() for p in generator.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_networks_for_imagenet_are_as_large_as_the_toolkits():
    """In place of a pose, 1000 classes are told."""
    ours = Config.fromfile(CONFIGS / "eg3d_imagenet256.py").model
    told = dict(cond_size=1000, cond_mapping_channels=512)
    config = get_config("mmagic::eg3d/eg3d_cvt-official-rgb_ffhq-512x512.py").model.generator
    config.update(out_size=256, sr_hidden_channels=128, sr_out_channels=64, **told)
    judge = dict(type="DualDiscriminator", in_size=256, **told)
    sizes = dict(image_size=256, patch_size=None, num_classes=1000)
    with torch.device("meta"):
        counts = [
            sum(p.numel() for p in MODELS.build(network).parameters())
            for network in (dict(ours.generator, num_classes=1000), config, ours.discriminator | sizes, judge)
        ]
    assert counts == [30_086_712, 30_086_712, 31_740_416, 31_740_416]


def test_the_inferencer_shows_what_was_converted(converted, tmp_path):
    inferencer = ThreeDGPInferencer(tmp_path / "ours.py", tmp_path / "ours.pth", device="cpu")
    (rendering,) = inferencer.sample(num=1, seed=3, truncation_psi=0.7)
    size = converted[2].generator.image_size
    assert rendering.rgb.shape == (size, size, 3) and rendering.depth.shape == (size, size)


def test_what_does_not_map_is_listed(tmp_path):
    model = their_model("portraits")
    state = MODELS.build(model["generator"]).state_dict()
    del state["backbone.conv1.activate.bias"]
    torch.save(dict(state_dict=state), tmp_path / "theirs.pth")
    Config(dict(model=model)).dump(tmp_path / "theirs.py")
    with pytest.raises(ValueError, match=r"field\.decoder\.blocks\.0\.conv1\.bias: missing"):
        eg3d_to_threedgp.main(
            [str(tmp_path / "theirs.py"), str(tmp_path / "theirs.pth"), str(tmp_path / "o.pth")]
        )
    assert not (tmp_path / "o.pth").exists()
