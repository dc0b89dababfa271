"""All of the model against tests/reference: plain NumPy, float64, one sample at a time.

Both sides compute in float64 with the same random parameters and draws, so that what is left is rounding:
everything has to agree to nine digits. No recorded file is needed.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn

from projects.threedgp.evaluation import non_flatness_score
from projects.threedgp.models.blur_fade import BlurFade
from projects.threedgp.models.cameras.camera_regularizers import (
    CameraEMDRegularizer,
    CameraMeanRegularizer,
    CameraSlopeRegularizer,
)
from projects.threedgp.models.generator import GeneratorInput
from projects.threedgp.models.losses.adversarial_loss import ThreeDGPAdversarialLoss
from projects.threedgp.models.losses.distillation import KnowledgeDistillationLoss
from projects.threedgp.models.losses.r1_regularizer import R1Regularizer
from projects.threedgp.models.sampling import Sampling
from projects.threedgp.rendering import Camera, Patch, RayDraws, extract_patches, pixel_rays
from projects.threedgp.rendering.cameras import camera_to_world
from projects.threedgp.rendering.volume_rendering import march
from projects.threedgp.schedules import Linear
from projects.threedgp.training.ema import ImagesSeenEMA
from projects.threedgp.training.gradients import sanitize_gradients
from tests.reference import cameras, discriminator, layers, losses, rendering
from tests.tiny import NUM_CLASSES, PATCH_SIZE, Z_DIM, tiny_discriminator, tiny_generator

N, COARSE, FINE = 2, 4, 4
MARCHERS = {
    "classical": dict(),
    "classical, last_back": dict(last_back=True),
    "classical, finite": dict(use_inf_depth=False),
    "mip": dict(marcher="mip", density_bias=-0.5),
    "mip, white_back": dict(marcher="mip", use_inf_depth=False, white_back=True),
}


def exactly(got, wanted, rtol=1e-9):
    """Equal up to float64 rounding."""
    got = got.detach().numpy() if isinstance(got, torch.Tensor) else np.asarray(got)
    wanted = np.asarray(wanted)
    assert got.dtype == np.float64 and got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * max(np.abs(wanted).max(), 1e-3))


def scrambled(module: nn.Module) -> nn.Module:
    """In float64, with constants (biases, noise strengths) that show when they are forgotten."""
    module.double()
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return module


def parameters(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy().copy() for name, tensor in module.state_dict().items()}


def uniform(*shape) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64)


def normal(*shape) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def one_hots(labels, classes=NUM_CLASSES):
    return np.eye(classes)[labels.numpy()] if classes else np.zeros((len(labels), 0))


def draw_cameras(generator, n=N) -> Camera:
    return generator.prior.from_uniform(uniform(n, 8))


def ray_draws(n, rays, noise=0.5, coarse=COARSE, fine=FINE) -> RayDraws:
    return RayDraws(
        uniform(n, rays, coarse),
        uniform(n, rays, fine),
        noise * normal(n, rays, coarse),
        noise * normal(n, rays, fine),
    )


@pytest.fixture(params=[NUM_CLASSES, None], ids=["classes", "no classes"])
def generator(request):
    return scrambled(tiny_generator(num_classes=request.param)).eval()


def options_of(generator) -> dict:
    return vars(generator.marching)


def test_cameras_and_rays():
    camera = draw_cameras(scrambled(tiny_generator()))
    patch = Patch(
        torch.tensor([[0.5, 0.5], [0.8, 0.8]]).double(), torch.tensor([[0.1, 0.4], [0.2, 0.0]]).double()
    )
    origins, directions = pixel_rays(camera, 3, patch)
    for i, row in enumerate(camera.params.numpy()):
        position, wanted = cameras.rays(row, 3, patch.scales[i, 0].item(), patch.offsets[i].tolist())
        exactly(directions[i], wanted)
        exactly(origins[i], np.broadcast_to(position, (9, 3)))
        exactly(camera_to_world(camera)[i, :3], np.stack(cameras.frame(row), axis=1))


@pytest.mark.parametrize("official_compat", [False, True])
def test_camera_generator(generator, official_compat):
    classes = generator.num_classes
    prior_config = dict(
        type="CameraPrior",
        look_at_radius=dict(dist="uniform", min=0.05, max=0.2),
        look_at_pitch=dict(dist="spherical_uniform", min=0.4, max=3.0),
    )
    config = dict(type="CameraGenerator", hidden_dim=8, embed_dim=4, official_compat=official_compat)
    generator = scrambled(
        tiny_generator(num_classes=classes, camera_prior=prior_config, camera_generator=config)
    )
    # The bounds are made in float32.
    low, high = (x.numpy().copy() for x in (generator.camera_generator.low, generator.camera_generator.high))
    bounds = np.array([d.bounds for d in generator.prior.distributions.values()])
    np.testing.assert_allclose(np.stack([low, high], axis=1), bounds, rtol=1e-6)
    camera, z, label = draw_cameras(generator, 4), normal(4, Z_DIM), torch.tensor([2, 0, 1, 1])
    got = generator.pose(camera, z, label).params
    p, adjusted = parameters(generator), (0, 1, 2, 3, 5, 6, 7)
    for i, one_hot in enumerate(one_hots(label, classes or 0)):
        args = (camera.params[i].numpy(), z[i].numpy(), one_hot, low, high, adjusted)
        exactly(got[i], cameras.posterior(p, *args, official_compat=official_compat))


def test_mapping(generator):
    z, label = normal(N, Z_DIM), torch.tensor([1, 2])
    p = parameters(generator)
    hot = one_hots(label, generator.num_classes or 0)
    exactly(
        generator.mapping(z, label), [layers.mapping(p, *args) for args in zip(z.numpy(), hot, strict=True)]
    )
    generator.mapping.w_avg.copy_(normal(8))
    w, w_avg = generator.mapping(z, label).detach().numpy(), generator.mapping.w_avg.numpy()
    ws = generator.style(z, label, Sampling(truncation_psi=0.7, truncation_cutoff=2))
    exactly(ws[:, 1], w_avg + 0.7 * (w - w_avg))
    exactly(ws[:, 2], w)


def test_tri_planes(generator):
    ws = normal(N, generator.num_ws, 8)
    p = parameters(generator)
    exactly(generator.field.decoder(ws, "const"), [layers.planes(p, each) for each in ws.numpy()])


def test_tri_plane_look_up_and_mlp(generator):
    planes, points = normal(1, 12, 8, 8), 1.3 * uniform(1, 40, 3) - 0.65
    rgb, sigma = generator.field.radiance(planes)(points)
    field = rendering.radiance(parameters(generator), planes[0].numpy(), generator.field.cube_scale)
    colour, raw = zip(*(field(point) for point in points[0].numpy()), strict=True)
    exactly(rgb[0], colour)
    exactly(sigma[0, :, 0], raw)


@pytest.mark.parametrize("name", MARCHERS)
def test_rendering_of_rays(name):
    marching = dict(num_coarse=6, num_fine=5, **MARCHERS[name])
    generator = scrambled(tiny_generator(renderer=marching)).eval()
    ws, camera = normal(1, generator.num_ws, 8), draw_cameras(generator, 1)
    draws = ray_draws(1, 9, coarse=6, fine=5)
    out = generator.scene(ws).render(camera, sampling=Sampling(resolution=3, draws=draws))
    p, options = parameters(generator), options_of(generator)
    field = rendering.radiance(p, layers.planes(p, ws[0].numpy()), 0.5, options["marcher"] == "mip")
    origin, directions = cameras.rays(camera.params[0].numpy(), 3)
    for i, direction in enumerate(directions):
        u, v, *noise = (x[0, i].numpy() for x in vars(draws).values())
        (colour, depth, _, _), _ = rendering.render(field, origin, direction, options, u, v, noise)
        exactly(out.rgb[0].flatten(1)[:, i], colour, rtol=1e-8)
        exactly(out.depth[0].flatten()[i], depth, rtol=1e-8)


@pytest.mark.parametrize("name", MARCHERS)
def test_a_trace_of_light_passes_opaque_samples(name):
    """What keeps the product from becoming 0 is too small to show in the images above."""
    options = tiny_generator(renderer=MARCHERS[name]).marching
    where, colour, raw = uniform(1, 1, 5).sort(dim=-1).values, uniform(1, 1, 5, 3), 1e6 * torch.ones(1, 1, 5)
    out = march(colour, raw.double(), where, options)
    *_, light = rendering.march(*(x[0, 0].numpy() for x in (where, colour, raw.double())), vars(options))
    assert 0 < light < 1e-30
    assert out.transmittance.item() == pytest.approx(light, rel=1e-9, abs=0)


def test_depth_adaptor(generator):
    depth = 0.75 + 0.5 * uniform(N, 1, 6, 6)
    adaptor = generator.depth_adaptor
    maps = adaptor.candidates(depth)
    p = parameters(generator)
    for i in range(N):
        wanted = rendering.adapted_depths(p, depth[i].numpy(), 0.75, 1.25, adaptor.near_offset_fraction)
        exactly(maps[i], wanted)
    for kimg in (0, 4000, 20_000):
        first = losses.linear_schedule(kimg, 1 / 3, 0.1, 10_000)
        wanted = rendering.selection_probabilities(3, first)
        np.testing.assert_allclose(adaptor.selection_probs(kimg), wanted, rtol=1e-6)
        assert wanted.sum() == pytest.approx(1)


def reference_image(p, generator, camera, z, one_hot, draws, fine=None, side=3):
    """One image of the reference generator, as the discriminator sees it, and its fine samples."""
    w = layers.mapping(p, z, one_hot)
    planes = layers.planes(p, [w] * generator.num_ws)
    low, high = generator.camera_generator.low.numpy(), generator.camera_generator.high.numpy()
    camera = cameras.posterior(p, camera, z, one_hot, low, high, (0, 1, 2, 3, 5, 6, 7))
    origin, directions = cameras.rays(camera, side)
    field, options = rendering.radiance(p, planes, 0.5), options_of(generator)
    pixels, places = [], []
    for i, direction in enumerate(directions):
        u, v, *noise = (x[i] for x in draws)
        given = None if fine is None else fine[i]
        (colour, depth, _, _), place = rendering.render(field, origin, direction, options, u, v, noise, given)
        pixels.append([*colour, depth])
        places.append(place)
    image = np.array(pixels).T.reshape(4, side, side)
    adapted = rendering.adapted_depths(p, image[3:], 0.75, 1.25, 0.25)[-1]
    return np.concatenate([image[:3], adapted]), places


def test_whole_generator_and_its_gradient(generator):
    """The gradient of all parameters at once, against the reference's slope in a random direction."""
    z, prior = normal(N, Z_DIM), draw_cameras(generator)
    label = torch.tensor([0, 2])
    draws = ray_draws(N, 9)
    sampling = Sampling(resolution=3, noise_mode="const", draws=draws)
    out = generator.generate(GeneratorInput(z, label, prior=prior), sampling)
    p, hot = parameters(generator), one_hots(label, generator.num_classes or 0)
    own_draws = [[x[i].numpy() for x in vars(draws).values()] for i in range(N)]

    def images(p, fine=(None, None)):
        return [
            reference_image(
                p, generator, prior.params[i].numpy(), z[i].numpy(), hot[i], own_draws[i], fine[i]
            )
            for i in range(N)
        ]

    wanted = images(p)
    exactly(out.images, [image for image, _ in wanted], rtol=1e-8)

    loss_weights = normal(N, 4, 3, 3)
    (out.images * loss_weights).sum().backward()
    fine = [places for _, places in wanted]  # without gradient
    direction = {name: torch.randn_like(each).numpy() for name, each in generator.named_parameters()}

    def loss(step):
        moved = {name: each + step * direction.get(name, 0.0) for name, each in p.items()}
        return sum(
            (loss_weights[i].numpy() * image).sum() for i, (image, _) in enumerate(images(moved, fine))
        )

    slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
    own = sum(
        (torch.from_numpy(direction[name]) * each.grad).sum().item()
        for name, each in generator.named_parameters()
        if each.grad is not None
    )
    assert own == pytest.approx(slope, rel=1e-6)


PATCHES = Patch(
    torch.tensor([[0.5, 0.5]] * 2 + [[0.75, 0.75]] * 2).double(),
    torch.tensor([[0.1, 0.4]] * 2 + [[0.25, 0.0]] * 2).double(),
)


CONDITIONED = pytest.mark.parametrize("judged", [True], ids=["patches"], indirect=True)


@pytest.fixture(params=[True, False], ids=["patches", "whole images"])
def judged(request):
    """A discriminator, a batch of four, and the reference's judgement of it."""
    conditioned = request.param
    network = scrambled(
        tiny_discriminator(
            patch_conditioning=conditioned, mbstd_group_size=2, cmax=4, patch_size=8 if conditioned else 16
        )
    )
    if conditioned:  # made in float32, which a sine of 1500 would show
        exact = math.pi * 2.0 ** torch.arange(10).double() / 1024
        torch.testing.assert_close(network.scalar_encoder.frequencies, exact, rtol=1e-6, atol=0)
        network.scalar_encoder.frequencies = exact
    side = network.patch_size
    images, label = normal(4, 4, side, side), torch.tensor([2, 0, 1, 1])
    patches = PATCHES.params.numpy() if conditioned else [None] * 4

    def reference(p, images):
        n, num_same = len(images), 1 if conditioned else 0
        return discriminator.judge(p, images, one_hots(label)[:n], patches[:n], 2, num_same)

    return network, images, label, PATCHES if conditioned else None, reference


def test_discriminator_and_its_gradient(judged):
    network, images, label, patch, reference = judged
    logits, features = network(images, label, patch, return_features=True)
    p = parameters(network)
    wanted = reference(p, images.numpy())
    exactly(logits, wanted[0])
    exactly(features, wanted[1])

    target, scales = normal(*features.shape), uniform(4) + 0.5
    distillation = KnowledgeDistillationLoss().distance(features, target, scales)
    exactly(distillation, losses.distillation(wanted[1], target.numpy(), scales.numpy()))
    adversarial = ThreeDGPAdversarialLoss().discriminator(logits[:2], logits[2:])
    exactly(adversarial, losses.discriminator_loss(wanted[0][:2], wanted[0][2:]))

    (distillation.mean() + adversarial.mean()).backward()
    direction = {name: torch.randn_like(each).numpy() for name, each in network.named_parameters()}

    def loss(step):
        moved = {name: each + step * direction.get(name, 0.0) for name, each in p.items()}
        logits, features = reference(moved, images.numpy())
        distance = losses.distillation(features, target.numpy(), scales.numpy()).mean()
        return distance + losses.discriminator_loss(logits[:2], logits[2:]).mean()

    slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
    trained = {name: each.grad for name, each in network.named_parameters() if each.grad is not None}
    own = sum(
        (torch.from_numpy(direction[name]) * gradient).sum().item() for name, gradient in trained.items()
    )
    assert own == pytest.approx(slope, rel=1e-5)


@CONDITIONED
def test_gradient_penalty(judged):
    network, images, label, patch, reference = judged
    images = images[:2].clone().requires_grad_()
    logits = network(images, label[:2], patch[:2])
    penalty = R1Regularizer()(logits, [images], 0.3)
    p = parameters(network)

    def total(first):
        return reference(p, [first, images.detach().numpy()[1]])[0].sum()

    wanted = losses.gradient_penalty(total, images.detach().numpy()[0], 0.3)
    assert penalty[0].item() == pytest.approx(wanted, rel=1e-6)


def test_patches_of_images():
    images = normal(4, 4, 16, 16)
    got = extract_patches(images, PATCHES, PATCH_SIZE)
    for i, (scale, *offset) in enumerate(PATCHES.params.tolist()):
        exactly(got[i], discriminator.extract(images[i].numpy(), PATCH_SIZE, scale, offset))


def test_adversarial_and_distillation_losses():
    fake, real, loss = 3 * normal(6), 3 * normal(6), ThreeDGPAdversarialLoss()
    exactly(loss.generator(fake), losses.generator_loss(fake.numpy()))
    exactly(loss.discriminator(fake, real), losses.discriminator_loss(fake.numpy(), real.numpy()))
    hinge = ThreeDGPAdversarialLoss("hinge")
    exactly(hinge.discriminator(fake, real), losses.hinge_discriminator_loss(fake.numpy(), real.numpy()))
    predicted, target = normal(5, 7), normal(5, 7)
    kl = KnowledgeDistillationLoss("kl").distance(predicted, target)
    exactly(kl, losses.distillation_kl(predicted.numpy(), target.numpy()))


def test_camera_regularisers():
    prior, posterior = normal(16, 8).requires_grad_(), normal(16, 8)
    mean, kimg = Camera(normal(1, 8)), 2500
    ramp = losses.linear_schedule(kimg, 0, 1, 10_000)
    weights = {0: 2.0, 1: 2.0, 3: 1e-4, 5: 1e-4, 6: 1e-4, 7: 1e-4}
    emd = CameraEMDRegularizer().double()
    got = emd(Camera(prior), Camera(posterior), mean, kimg)
    # The weights are made in float32.
    wanted = losses.camera_emd(prior.detach().numpy(), posterior.numpy(), weights, ramp)
    exactly(got, wanted, rtol=1e-7)
    got = CameraMeanRegularizer(10.0)(Camera(prior), Camera(posterior), mean, kimg)
    exactly(got, losses.camera_mean(posterior.numpy(), mean.angles[0].numpy(), 10.0))
    slopes = normal(8)
    got = CameraSlopeRegularizer().double()(Camera(prior), Camera(prior * slopes), mean, kimg)
    wanted = ramp * sum(losses.slope_penalty(slopes[i].item()) for i in (0, 1))
    exactly(got, wanted)


@pytest.mark.parametrize("kimg", [0, 150, 190, 199, 250])
def test_blur(kimg):
    images = normal(1, 4, 9, 9)
    sigma = losses.linear_schedule(kimg, 2.0, 0.0, 200)
    exactly(BlurFade(2.0, 200)(images, kimg)[0], losses.discriminator_input(images[0].numpy(), sigma))


def test_schedules():
    for kimg in (0, 1, 99.5, 100, 101):
        assert Linear(3, 0.5, 100)(kimg) == pytest.approx(losses.linear_schedule(kimg, 3, 0.5, 100))


def test_optimiser_and_weight_average():
    gradients = normal(5, 6)
    gradients[1, 0], gradients[2, 1], gradients[3, 2] = math.nan, math.inf, -math.inf
    parameter = nn.Parameter(normal(6))
    settings = dict(lr=0.0025, betas=(0.0, 0.99), eps=1e-8)
    wanted = losses.adam(parameter.detach().numpy().copy(), gradients.numpy(), **settings)
    optimiser = torch.optim.Adam([parameter], **settings)
    for gradient, value in zip(gradients, wanted, strict=True):
        parameter.grad = gradient.clone()
        sanitize_gradients([parameter])
        optimiser.step()
        exactly(parameter, value)

    model, average = nn.Linear(6, 1).double(), None
    ema = ImagesSeenEMA(model, half_life_kimg=0.02, rampup=0.5)
    for images_seen in (0, 8, 16, 64, 4000):
        model.weight.data = normal(1, 6)
        value = model.weight.detach().numpy()
        average = losses.weight_average(0 if average is None else average, value, images_seen, 8, 0.02, 0.5)
        ema.step(model, images_seen, 8)
        exactly(ema.module.weight, average)


def test_non_flatness():
    depth = 0.7 + 0.6 * uniform(3, 1, 12, 12)
    got = non_flatness_score(depth, 0.75, 1.25, 64)
    for i in range(3):
        wanted = losses.non_flatness(depth[i].float().double().numpy(), 0.75, 1.25, 64)
        assert got[i].item() == pytest.approx(wanted, rel=1e-5)
