"""projects/threedgp/training: what a step does with parts that 3DGP itself does not have."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope
from torch import nn

from projects.threedgp.models.discriminators.discriminator import ThreeDGPDiscriminator
from projects.threedgp.models.losses.generator_term import GeneratorTerm
from projects.threedgp.models.scene import Upsampled
from projects.threedgp.models.style_mixing import StyleMixing
from projects.threedgp.training.batches import RealBatch, TermDraws
from tests.fixed_draws import local_batch, sgd
from tests.tiny import tiny_model_config


@pytest.fixture(autouse=True)
def mmagic_scope():
    init_default_scope("mmagic")


@MODELS.register_module()
class StyleNorm(GeneratorTerm):
    """Draws times the squared norm of the style codes: reaches the mapping alone."""

    def __init__(self, interval, batch_shrink=1):
        super().__init__("style_norm", interval, batch_shrink)

    def draw(self, n, generator):
        return torch.arange(1.0, n + 1)[:, None]

    def forward(self, generator, inputs, sampling, draws):
        return draws[:, 0] * generator.style(inputs.z, inputs.label)[:, 0].square().sum(dim=1)


@MODELS.register_module()
class Doubling(nn.Module):
    """Colours at half the size, doubled; until level 1, they are not doubled."""

    num_ws = 1

    def __init__(self, in_channels, w_dim):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def render_size(self, resolution, sampling):
        return resolution // 2

    def image_size(self, resolution, sampling):
        return resolution // 2 if sampling.level is not None and sampling.level < 1 else resolution

    def forward(self, features, ws, resolution, sampling):
        rgb = features[:, :3] * self.gain
        return Upsampled(F.interpolate(rgb, self.image_size(resolution, sampling)), features[:, :3])


@MODELS.register_module()
class TwofoldDiscriminator(ThreeDGPDiscriminator):
    """Judges images, and adds what it would say of the raw ones; remembers what it was shown."""

    takes_raw = True
    grows = True

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.shown = []

    def forward(self, images, label=None, patch=None, return_features=False, raw=None, level=None):
        self.shown.append((images.detach(), raw.detach(), level))
        images = F.interpolate(images, self.patch_size) + F.interpolate(raw, self.patch_size)
        return super().forward(images, label, patch, return_features)


def model_of(growing=None, **changes):
    config = tiny_model_config(**dict(patch_sampler=None) | changes)
    config["generator"] |= dict(patch_size=None, upsampler=dict(type="Doubling"), growing=growing)
    config["discriminator"]["type"] = "TwofoldDiscriminator"
    torch.manual_seed(0)
    return MODELS.build(config).train()


def step(model, seed=1):
    torch.manual_seed(seed)
    return model.train_step(local_batch(), sgd(model))


def term_config(**arguments):
    return dict(generator_terms=[dict(type="StyleNorm", **arguments)], r1=None)


@pytest.mark.parametrize("images_seen, due", [(0, True), (8, False), (24, False), (32, True)])
def test_a_term_is_applied_in_every_so_many_steps(images_seen, due):
    model = model_of(**term_config(interval=4))
    model.images_seen.fill_(images_seen)
    assert ("loss_g_style_norm" in step(model)) == due


def test_a_term_is_minimised_times_its_interval():
    model = model_of(**term_config(interval=4))
    term, fakes = model.generator_terms[0], model.draws.fakes(4)
    result = model.phases.term_phase(term, fakes, TermDraws(term.draw(4, model.generator)))
    codes = model.generator.style(fakes.z, fakes.label)[:, 0]
    expected = (torch.arange(1.0, 5.0) * codes.square().sum(dim=1)).mean()
    torch.testing.assert_close(result.logs["loss_g_style_norm"], expected)
    torch.testing.assert_close(result.loss, 4 * expected)


@pytest.mark.parametrize("micro_batch_size", [None, 4])
def test_a_term_has_a_step_of_its_own_on_a_part_of_the_batch(micro_batch_size):
    """With the discriminator's say taken away, the term alone moves the mapping."""
    model = model_of(micro_batch_size=micro_batch_size, **term_config(interval=1, batch_shrink=2))
    model.adversarial_loss.generator = lambda logits: 0 * logits
    term = model.generator_terms[0]
    drawn, draw = [], term.draw
    term.draw = lambda n, generator: drawn.append(n) or draw(n, generator)
    bias = model.generator.mapping.layers[-1].bias
    before = bias.clone()
    assert step(model)["loss_g_style_norm"] > 0
    assert drawn == [4] and (bias != before).all()


@pytest.mark.parametrize("level, side", [(0.5, 16), (1.0, 32)])
def test_a_dual_discriminator_is_shown_both_sizes_of_fakes_and_reals(level, side):
    model = model_of(growing=dict(start=level, end=level, over_kimg=0), r1=dict(type="R1Regularizer"))
    step(model)
    # The generator's phase; fakes and reals of the discriminator's; the reals of the gradient penalty.
    shapes = [(tuple(images.shape), tuple(raw.shape)) for images, raw, _ in model.discriminator.shown]
    assert shapes == [((8, 4, side, side), (8, 4, 16, 16))] * 4
    assert {seen_level for *_, seen_level in model.discriminator.shown} == {level}


def test_raw_reals_are_made_smaller_without_aliasing():
    """Stripes of one pixel become their mean."""
    model = model_of(blur_fade=None)
    images = torch.ones(2, 4, 32, 32)
    images[..., ::2] = -1
    real = RealBatch(images, torch.tensor([0, 1]), torch.randn(2, 12)).cut(None, 32)
    model.phases.r1_phase(real, batch_size=2)
    _, raw, _ = model.discriminator.shown[-1]
    assert raw.shape == (2, 4, 16, 16) and raw.mean().abs() < 1e-3 and raw[..., 2:-2].abs().max() < 0.2


class Logit(nn.Module):
    """A linear discriminator of two images, whose gradients are known."""

    takes_raw, feature_dim = True, None

    def forward(self, images, label, patch, raw):
        return (2 * images).sum(dim=(1, 2, 3)) + (3 * raw).sum(dim=(1, 2, 3))


@pytest.mark.parametrize("behind_blur", [False, True])
def test_the_gradient_penalty_looks_at_both_images(behind_blur):
    """Each of n pixels with slope a gives n a^2."""
    model = model_of(blur_fade=None, r1=dict(type="R1Regularizer", gamma=0.5, behind_blur=behind_blur))
    real = RealBatch(torch.randn(2, 4, 32, 32), torch.tensor([0, 1]), torch.randn(2, 12)).cut(None, 32)
    penalty = replace(model.phases, discriminator=Logit()).r1_phase(real, batch_size=2).logs["loss_d_r1"]
    assert penalty.item() == pytest.approx(0.5 / 2 * 4 * (32**2 * 2**2 + 16**2 * 3**2))


@pytest.mark.parametrize("behind_blur, share", [(True, 1.0), (False, 0.6)])
def test_a_penalty_behind_the_blur_does_not_see_it(behind_blur, share):
    """In front of a wide blur, whose zero padding loses light, the slopes are smaller."""
    r1 = dict(type="R1Regularizer", gamma=0.5, behind_blur=behind_blur)
    model = model_of(blur_fade=dict(type="BlurFade", init_sigma=8.0), r1=r1)
    real = RealBatch(torch.randn(2, 4, 32, 32), torch.tensor([0, 1]), torch.randn(2, 12)).cut(None, 32)
    penalty = replace(model.phases, discriminator=Logit()).r1_phase(real, batch_size=2).logs["loss_d_r1"]
    clear = 0.5 / 2 * 4 * (32**2 * 2**2 + 16**2 * 3**2)
    assert (penalty.item() == pytest.approx(clear)) if behind_blur else (penalty.item() < share * clear)


@pytest.mark.parametrize(
    "raw, blurred", [("both", (True, True)), ("real", (False, True)), ("none", (False, False))]
)
def test_which_raw_images_are_blurred(raw, blurred):
    model = model_of(blur_fade=dict(type="BlurFade", init_sigma=4.0, raw=raw))
    model.generator.upsampler.forward = lambda features, ws, resolution, sampling: Upsampled(
        noise := torch.randn(len(ws), 3, 32, 32), noise[..., :16, :16]
    )
    torch.manual_seed(1)
    real = RealBatch(
        torch.randn(8, 4, 32, 32).repeat_interleave(1, 2), torch.arange(8) % 5, torch.randn(8, 12)
    )
    model.phases.discriminator_phase(real.cut(None, 32), model.draws.fakes(8), None)
    spread = [raw_image[:, :3].std().item() for _, raw_image, _ in model.discriminator.shown]
    # Of white noise; the reals' was made smaller, which alone leaves about half of it.
    assert tuple(value < 0.25 for value in spread) == blurred


def test_mixing_is_drawn_for_a_whole_batch():
    generator = model_of().generator
    torch.manual_seed(0)
    first = torch.stack([StyleMixing(prob=0.75, first=2)(3, generator).first for _ in range(400)])
    assert (first == first[:, :1]).all()
    share = (first[:, 0] < generator.num_ws).float().mean()
    assert 0.68 < share < 0.82 and set(first[:, 0].tolist()) == set(range(2, generator.num_ws + 1))
    lowest = StyleMixing(prob=1.0, first="field")(3, generator).first
    assert (lowest >= generator.field.num_ws).all()


@pytest.mark.parametrize("prob, mixed", [(0.0, False), (1.0, True)])
def test_a_step_mixes_styles_where_it_is_asked_to(prob, mixed):
    model = model_of(style_mixing=dict(type="StyleMixing", prob=prob))
    fakes = model.draws.fakes(4)
    ws = model.generator(fakes.inputs(), sampling=model.phases.sampling).ws
    assert bool((ws[:, 0] != ws[:, -1]).any()) == mixed
    assert torch.equal(fakes[torch.tensor([2])].mixing.z[0], fakes.mixing.z[2])


@pytest.mark.parametrize(
    "options, message", [(dict(prob=2), "prob: got 2"), (dict(first="end"), "first: got 'end'")]
)
def test_impossible_mixing_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        StyleMixing(**options)
