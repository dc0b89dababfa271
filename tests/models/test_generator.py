"""projects/threedgp/models/generator.py"""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from mmagic.registry import MODELS
from torch import nn

from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.models.generator import CameraBatch, GeneratorInput, Mixing, ThreeDGPGenerator
from projects.threedgp.models.sampling import Sampling
from projects.threedgp.models.scene import Upsampled
from projects.threedgp.models.volume_renderer import VolumeRenderer
from projects.threedgp.rendering import Patch, RayDraws, RayMarching, pixel_rays
from tests.tiny import IMAGE_SIZE, NUM_CLASSES, PATCH_SIZE, Z_DIM, frontal_camera, tiny_generator


@pytest.fixture
def latents():
    return torch.randn(2, Z_DIM), torch.tensor([0, 2])


def test_full_size_has_the_official_number_of_weights():
    with torch.device("meta"):
        generator = ThreeDGPGenerator()
    assert sum(p.numel() for p in generator.parameters()) == 105_721_805
    parts = {"mapping": 1_299_968, "field.decoder": 104_023_055, "field.mlp": 2_372}
    for name, count in parts.items():
        assert sum(p.numel() for p in generator.get_submodule(name).parameters()) == count


def test_training_renders_patches_and_otherwise_whole_images(latents):
    generator = tiny_generator()
    for sampling, side in ((generator.training_sampling(1.0), PATCH_SIZE), (Sampling(), IMAGE_SIZE)):
        out = generator.generate(GeneratorInput(*latents), sampling)
        assert out.images.shape == (2, 4, side, side) and out.rgb.shape == (2, 3, side, side)
        assert out.depth.shape == (2, 1, side, side)


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_of_the_module_decides_nothing_but_the_default_of_forward(latents, mode):
    """What is generated is a function of inputs and sampling."""
    generator, inputs = tiny_generator(), GeneratorInput(*latents, camera=frontal_camera(2))
    for sampling in (generator.training_sampling(1.0), Sampling(), Sampling(deterministic=False)):
        outs = []
        for training in (mode, not mode):
            torch.manual_seed(1)
            outs.append(generator.train(training).generate(inputs, sampling))
        assert torch.equal(outs[0].images, outs[1].images)


def test_density_noise_and_drawn_depth_belong_to_training(latents):
    """Without them, the same draws of the rays give training's patch to the bit."""
    noisy = dict(num_coarse=4, num_fine=4, density_noise=dict(start=1.0, end=0.0, over_kimg=10))
    generator = tiny_generator(renderer=noisy)
    inputs = GeneratorInput(*latents, camera=frontal_camera(2))
    training = replace(
        generator.training_sampling(5.0), noise_mode="const", depth_choice=torch.tensor([2, 2])
    )
    other = Sampling(resolution=PATCH_SIZE, deterministic=False, noise_mode="const")

    def image(sampling):
        torch.manual_seed(1)
        return generator.generate(inputs, sampling).images

    assert not torch.equal(image(training), image(other))
    assert torch.equal(image(replace(training, kimg=10.0)), image(other))


@pytest.mark.parametrize("noise_mode, repeats", [(None, True), ("const", True), ("random", False)])
def test_learned_noise_is_drawn_only_where_asked_for(latents, noise_mode, repeats):
    generator = tiny_generator()
    for name, strength in generator.named_parameters():
        if name.endswith("noise_strength"):
            nn.init.ones_(strength)
    inputs = GeneratorInput(*latents, camera=frontal_camera(2))
    first, second = (generator.generate(inputs, Sampling(noise_mode=noise_mode)).images for _ in range(2))
    assert torch.equal(first, second) == repeats


@pytest.mark.parametrize("cut_quantile", [0.0, 0.5])
@pytest.mark.parametrize("draws", ["deterministic", "injected"])
def test_chunks_do_not_show(latents, draws, cut_quantile):
    """Memory is bounded by ``rays_per_chunk``; the image does not depend on it."""
    generator, camera = tiny_generator(), frontal_camera(2)
    marching = replace(generator.marching, cut_quantile=cut_quantile)
    sampling = Sampling(noise_mode="const", marching=marching)
    if draws == "injected":
        origins, _ = pixel_rays(camera, IMAGE_SIZE)
        sampling = replace(sampling, draws=RayDraws.random(origins, generator.marching))
    outs = []
    for rays_per_chunk in (7, 100, 2**14):
        generator.renderer.rays_per_chunk = rays_per_chunk
        with torch.no_grad():
            outs.append(generator.generate(GeneratorInput(*latents, camera), sampling))
    for out in outs[1:]:
        torch.testing.assert_close(out.images, outs[0].images)


def test_blocks_that_are_rendered_again_train_as_all_at_once(latents):
    """Memory of training is bounded by ``rays_per_block``; draws, images and gradients are the same."""
    generator, camera = tiny_generator(), frontal_camera(2)
    sampling = generator.training_sampling(0.0)
    outs, gradients, kept = [], [], []
    for rays_per_block in (None, 50, 2**14):
        generator.renderer.rays_per_block = rays_per_block
        generator.zero_grad()
        sizes: list[int] = []
        torch.manual_seed(0)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, s=sizes: s.append(x.numel()) or x, lambda x: x
        ):
            outs.append(generator.generate(GeneratorInput(*latents, camera), sampling))
        outs[-1].images.square().sum().backward()
        kept.append(sum(sizes))
        gradients.append([p.grad for p in generator.parameters() if p.grad is not None])
    for out, gradient in zip(outs[1:], gradients[1:], strict=True):
        torch.testing.assert_close(out.images, outs[0].images)
        torch.testing.assert_close(gradient, gradients[0], atol=1e-4, rtol=1e-3)
    assert kept[1] < 0.8 * kept[0]


def test_blocks_need_rays_that_do_not_depend_on_each_other():
    with pytest.raises(ValueError, match="rays_per_block: got 8 with cut_quantile"):
        VolumeRenderer(rays_per_block=8, cut_quantile=0.5)


def test_training_is_drawn_and_otherwise_reproducible(latents):
    generator, inputs = tiny_generator(), GeneratorInput(*latents, frontal_camera(2))
    for sampling, same in ((Sampling(), True), (generator.training_sampling(0.0), False)):
        first, second = (generator.generate(inputs, sampling).rgb for _ in range(2))
        assert torch.equal(first, second) == same


def test_a_patch_of_the_image_is_the_image_there(latents):
    """The lower left quarter of 17 x 17 pixel centres is a 9 x 9 patch of scale 1/2."""
    generator, inputs = tiny_generator(depth_adaptor=None), GeneratorInput(*latents, frontal_camera(2))
    whole = generator.generate(inputs, Sampling(resolution=17)).rgb
    patch = Patch(torch.full((2, 2), 0.5), torch.zeros(2, 2))
    part = generator.generate(replace(inputs, patch=patch), Sampling(resolution=9)).rgb
    torch.testing.assert_close(part, whole[:, :, 8:, :9], atol=1e-5, rtol=1e-5)


def test_camera_given_is_used_as_it_is_and_one_drawn_goes_through_the_generator(latents):
    generator = tiny_generator()
    camera = frontal_camera(2)
    out = generator.generate(GeneratorInput(*latents, camera))
    assert torch.equal(out.camera.params, camera.params)
    torch.manual_seed(2)
    prior = generator.prior.sample(2)
    posterior = generator.pose(prior, *latents).params
    torch.manual_seed(2)
    drawn = generator.generate(GeneratorInput(*latents)).camera
    torch.testing.assert_close(drawn.params, posterior)
    given = generator.generate(GeneratorInput(*latents, prior=prior)).camera
    torch.testing.assert_close(given.params, posterior)


def test_batch_of_cameras_passes_without_being_rendered(latents):
    generator = tiny_generator()
    prior, z = CameraPrior().sample(9), torch.randn(9, Z_DIM)
    label = torch.arange(9) % NUM_CLASSES
    out = generator.generate(GeneratorInput(*latents, camera_batch=CameraBatch(prior, z, label)))
    expected = generator.camera_generator(prior, z, label).params
    torch.testing.assert_close(out.batch_cameras.params, expected)
    assert len(out.rgb) == 2


def test_truncation_to_the_mean_is_the_same_image_for_every_latent(latents):
    generator, inputs = tiny_generator(), GeneratorInput(*latents, frontal_camera(2))
    image = generator.generate(inputs, Sampling(truncation_psi=0.0)).rgb
    torch.testing.assert_close(image[0], image[1])


def test_parts_can_be_left_out(latents):
    generator = tiny_generator(depth_adaptor=None, camera_generator=None)
    out = generator.generate(GeneratorInput(*latents))
    assert out.adapted_depth is None and torch.equal(out.images, out.rgb)
    assert generator.out_channels == 3 and tiny_generator().out_channels == 4
    prior = CameraPrior().sample(2)
    assert generator.pose(prior, *latents) is prior


def test_forward_is_generate_for_our_inputs_and_the_toolkits_for_others(latents):
    generator = tiny_generator()
    inputs = GeneratorInput(*latents, frontal_camera(2))
    ours, sampling = generator(inputs, sampling=Sampling(resolution=5)), Sampling(resolution=5)
    assert torch.equal(ours.images, generator.generate(inputs, sampling).images)
    for training, side in ((True, PATCH_SIZE), (False, IMAGE_SIZE)):
        assert generator.train(training)(*latents).shape == (2, 3, side, side)
    generator.camera_generator = None
    torch.manual_seed(1)
    image = generator.eval()(*latents)
    torch.manual_seed(1)
    assert torch.equal(image, generator.generate(GeneratorInput(*latents)).rgb)


def test_latents_can_be_drawn():
    generator = tiny_generator(num_classes=None).eval()
    out = generator(num_batches=3, return_noise=True)
    assert out["fake_img"].shape[0] == 3 and out["noise_batch"].shape == (3, Z_DIM)


def test_marching_can_be_replaced(latents):
    generator, inputs = tiny_generator(), GeneratorInput(*latents, frontal_camera(2))
    marching = RayMarching(num_coarse=16, num_fine=16)
    other = tiny_generator(renderer=dict(num_coarse=16, num_fine=16))
    other.load_state_dict(generator.state_dict())
    finer = generator.generate(inputs, Sampling(marching=marching)).rgb
    assert torch.equal(finer, other.generate(inputs).rgb)
    assert not torch.equal(finer, generator.generate(inputs).rgb)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(patch_size=32), "patch_size: got 32, wanted at most image_size = 16"),
        (dict(image_size=20), "image_size: got 20, wanted a power of two"),
        (dict(field=dict(resolution=12)), "plane resolution: got 12, wanted a power of two"),
    ],
)
def test_impossible_sizes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_generator(**changes)


def test_label_out_of_range_is_named(latents):
    with pytest.raises(ValueError, match=r"label: got \[3\], wanted integers in \[0, 3\)"):
        tiny_generator()(latents[0], torch.tensor([0, 3]))


@MODELS.register_module(force=True)
class SharpUpsampler(nn.Module):
    """Twice the size, each pixel four times; the style shifts the colours."""

    num_ws = 2

    def __init__(self, in_channels, w_dim):
        super().__init__()
        self.to_rgb = nn.Conv2d(in_channels, 3, 1)
        self.shift = nn.Linear(w_dim, 3)

    def render_size(self, resolution, sampling):
        return resolution // 2

    def image_size(self, resolution, sampling):
        return resolution

    def forward(self, features, ws, resolution, sampling):
        assert features.shape[-1] == resolution // 2 and ws.shape[1] == self.num_ws
        rgb = self.to_rgb(features) + self.shift(ws).mean(dim=1)[..., None, None]
        return Upsampled(F.interpolate(rgb, scale_factor=2, mode="nearest"), features[:, :3])


def test_an_upsampler_makes_images_of_features(latents):
    """Five features at half the size; the depth, which stays as it was rendered, is judged at full size."""
    field = dict(resolution=8, feature_dim=4, cbase=64, cmax=8, mlp_hidden_dim=8, out_channels=5)
    generator = tiny_generator(field=field, upsampler=dict(type="SharpUpsampler"))
    inputs, sampling = GeneratorInput(*latents, frontal_camera(2)), generator.training_sampling(1.0)
    half = PATCH_SIZE // 2
    out = generator.generate(inputs, sampling)
    assert out.rgb.shape == (2, 3, PATCH_SIZE, PATCH_SIZE) and out.depth.shape == (2, 1, half, half)
    assert out.images.shape == (2, 4, PATCH_SIZE, PATCH_SIZE)
    assert torch.equal(out.raw[:, :3], out.raw_rgb) and torch.equal(out.raw[:, 3:], out.adapted_depth)
    assert generator.seen_size(sampling) == PATCH_SIZE and generator.raw_size(sampling) == half
    assert torch.equal(out.rgb[..., ::2, ::2], out.rgb[..., 1::2, 1::2])
    assert out.ws.shape[1] == generator.field.num_ws + 2
    out.images.square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in generator.upsampler.parameters())
    assert generator.field.mlp.out.weight.grad.any()


def test_without_an_upsampler_nothing_is_raw(latents):
    generator = tiny_generator()
    out = generator.generate(GeneratorInput(*latents, frontal_camera(2)))
    assert out.raw is None and out.raw_rgb is None
    assert generator.seen_size(Sampling()) == generator.raw_size(Sampling()) == generator.image_size


def test_mixed_styles_are_those_of_the_second_latent_from_a_layer_on(latents):
    generator, (z, label) = tiny_generator(), latents
    other = torch.randn_like(z)
    first, second = generator.style(z, label), generator.style(other, label)
    mixed = generator.generate(
        GeneratorInput(z, label, frontal_camera(2), mixing=Mixing(other, torch.tensor([2, generator.num_ws])))
    ).ws
    assert torch.equal(mixed[0, :2], first[0, :2]) and torch.equal(mixed[0, 2:], second[0, 2:])
    assert torch.equal(mixed[1], first[1]) and not torch.equal(first, second)


def test_a_growing_generator_samples_at_the_level_of_the_time():
    generator = tiny_generator(growing=dict(start=0.0, end=2.0, over_kimg=4.0, from_kimg=1.0))
    assert [generator.training_sampling(kimg).level for kimg in (0, 1, 2, 5, 9)] == [0, 0, 0.5, 2, 2]
    assert generator.schedules(3)["level"] == 1
    whole = tiny_generator()
    assert whole.training_sampling(3).level is None and "level" not in whole.schedules(3)


def test_a_task_is_done_with_the_generator_and_all_that_it_was_given(latents):
    generator, inputs, sampling = tiny_generator(), GeneratorInput(*latents), Sampling(kimg=3.0)

    def task(*given):
        assert given == (generator, inputs, sampling)
        return torch.tensor(3.0)

    assert generator(inputs, sampling=sampling, task=task) == 3
