"""projects/threedgp/models/generator.py"""

from dataclasses import replace

import pytest
import torch

from projects.threedgp.models.cameras.camera_prior import CameraPrior
from projects.threedgp.models.generator import CameraBatch, Sampling, ThreeDGPGenerator
from projects.threedgp.rendering import Patch, RayDraws, RayMarching, pixel_rays
from tests.tiny import IMAGE_SIZE, NUM_CLASSES, PATCH_SIZE, Z_DIM, frontal_camera, tiny_generator


@pytest.fixture
def latents():
    return torch.randn(2, Z_DIM), torch.tensor([0, 2])


def test_full_size_has_the_official_number_of_weights():
    with torch.device("meta"):
        generator = ThreeDGPGenerator()
    assert sum(p.numel() for p in generator.parameters()) == 105_721_805
    parts = dict(mapping=1_299_968, decoder=104_023_055, mlp=2_372)
    for name, count in parts.items():
        assert sum(p.numel() for p in getattr(generator, name).parameters()) == count


def test_training_renders_patches_and_evaluation_whole_images(latents):
    generator = tiny_generator()
    for training, side in ((True, PATCH_SIZE), (False, IMAGE_SIZE)):
        out = generator.train(training)(*latents, return_output=True)
        assert out.images.shape == (2, 4, side, side) and out.rgb.shape == (2, 3, side, side)
        assert out.depth.shape == (2, 1, side, side)


@pytest.mark.parametrize("cut_quantile", [0.0, 0.5])
@pytest.mark.parametrize("draws", ["deterministic", "injected"])
def test_chunks_do_not_show(latents, draws, cut_quantile):
    """Memory is bounded by ``rays_per_chunk``; the image does not depend on it."""
    generator, camera = tiny_generator().eval(), frontal_camera(2)
    marching = replace(generator.marching, cut_quantile=cut_quantile)
    sampling = Sampling(noise_mode="const", marching=marching)
    if draws == "injected":
        origins, _ = pixel_rays(camera, IMAGE_SIZE)
        sampling = replace(sampling, draws=RayDraws.random(origins, generator.marching))
    outs = []
    for rays_per_chunk in (7, 100, 2**14):
        generator.rays_per_chunk = rays_per_chunk
        with torch.no_grad():
            outs.append(generator(*latents, camera=camera, sampling=sampling, return_output=True))
    for out in outs[1:]:
        torch.testing.assert_close(out.images, outs[0].images)


@pytest.mark.parametrize("training", [False, True])
def test_synthesis_is_decoding_and_rendering(latents, training):
    """The same numbers drawn in the same order, to the bit."""
    generator, camera = tiny_generator().train(training), frontal_camera(2)
    ws, sampling = generator.style(*latents), Sampling(kimg=1.0)
    torch.manual_seed(3)
    whole = generator.synthesize(ws, camera, sampling=sampling)
    torch.manual_seed(3)
    views = generator.render(generator.decode(ws, sampling), camera, sampling=sampling)
    assert torch.equal(whole.images, views.images) and torch.equal(whole.depth, views.depth)
    assert torch.equal(whole.ws, ws) and whole.camera is views.camera is camera


def test_planes_decoded_once_serve_every_camera(latents):
    generator, cameras = tiny_generator().eval(), CameraPrior().sample(4)
    ws = generator.style(*latents)[:1]
    planes = generator.decode(ws)
    views = generator.render(planes.expand(4, -1, -1, -1), cameras)
    for i in range(4):
        alone = generator.synthesize(ws, cameras[i : i + 1])
        torch.testing.assert_close(views.images[i], alone.images[0])


def test_evaluation_is_reproducible_and_training_is_not(latents):
    generator, camera = tiny_generator(), frontal_camera(2)
    for training in (False, True):
        generator.train(training)
        first, second = (generator(*latents, camera=camera) for _ in range(2))
        assert torch.equal(first, second) != training


def test_a_patch_of_the_image_is_the_image_there(latents):
    """The lower left quarter of 17 x 17 pixel centres is a 9 x 9 patch of scale 1/2."""
    generator, camera = tiny_generator(depth_adaptor=None).eval(), frontal_camera(2)
    whole = generator(*latents, camera=camera, sampling=Sampling(resolution=17))
    patch = Patch(torch.full((2, 2), 0.5), torch.zeros(2, 2))
    part = generator(*latents, camera=camera, patch=patch, sampling=Sampling(resolution=9))
    torch.testing.assert_close(part, whole[:, :, 8:, :9], atol=1e-5, rtol=1e-5)


def test_camera_given_is_used_as_it_is_and_one_drawn_goes_through_the_generator(latents):
    generator = tiny_generator().eval()
    camera = frontal_camera(2)
    out = generator(*latents, camera=camera, return_output=True)
    assert torch.equal(out.camera.params, camera.params)
    torch.manual_seed(2)
    prior = generator.prior.sample(2)
    torch.manual_seed(2)
    drawn = generator(*latents, return_output=True).camera
    torch.testing.assert_close(drawn.params, generator.pose(prior, *latents).params)


def test_batch_of_cameras_passes_without_being_rendered(latents):
    generator = tiny_generator().eval()
    prior, z = CameraPrior().sample(9), torch.randn(9, Z_DIM)
    label = torch.arange(9) % NUM_CLASSES
    out = generator(*latents, camera_batch=CameraBatch(prior, z, label), return_output=True)
    expected = generator.camera_generator(prior, z, label).params
    torch.testing.assert_close(out.batch_cameras.params, expected)
    assert len(out.rgb) == 2


def test_truncation_to_the_mean_is_the_same_image_for_every_latent(latents):
    generator, camera = tiny_generator().eval(), frontal_camera(2)
    image = generator(*latents, camera=camera, sampling=Sampling(truncation_psi=0.0))
    torch.testing.assert_close(image[0], image[1])


def test_parts_can_be_left_out(latents):
    generator = tiny_generator(depth_adaptor=None, camera_generator=None).eval()
    out = generator(*latents, return_output=True)
    assert out.adapted_depth is None and torch.equal(out.images, out.rgb)
    assert generator.out_channels == 3 and tiny_generator().out_channels == 4
    prior = CameraPrior().sample(2)
    assert generator.pose(prior, *latents) is prior


def test_latents_can_be_drawn():
    generator = tiny_generator(num_classes=None).eval()
    out = generator(num_batches=3, return_noise=True)
    assert out["fake_img"].shape[0] == 3 and out["noise_batch"].shape == (3, Z_DIM)


def test_marching_can_be_replaced(latents):
    generator, camera = tiny_generator().eval(), frontal_camera(2)
    finer = Sampling(marching=RayMarching(num_coarse=16, num_fine=16))
    assert generator(*latents, camera=camera, sampling=finer).shape[-1] == IMAGE_SIZE


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(patch_size=32), "patch_size: got 32, wanted at most image_size = 16"),
        (dict(image_size=20), "image_size: got 20, wanted a power of two"),
        (dict(planes=dict(resolution=12)), "plane resolution: got 12, wanted a power of two"),
    ],
)
def test_impossible_sizes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_generator(**changes)


def test_label_out_of_range_is_named(latents):
    with pytest.raises(ValueError, match=r"label: got \[3\], wanted integers in \[0, 3\)"):
        tiny_generator()(latents[0], torch.tensor([0, 3]))
