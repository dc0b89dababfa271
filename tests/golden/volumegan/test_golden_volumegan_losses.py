"""Case j: losses and gradients of the model's phases, with mixed styles, fading and path length."""

import math
from dataclasses import replace

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope

from projects.threedgp.training.batches import FakeBatch, RealBatch, TermDraws
from tests.golden.volumegan.helpers import (
    Run,
    golden_growing_discriminator,
    golden_volumegan,
    gradient_table,
)
from tests.tiny import tiny_model_config


class Phase:
    """One phase of the release's iteration, as the model runs it on the recorded draws.

    Args:
        case: The golden case.
        name: Prefix of its arrays.
    """

    def __init__(self, case, name):
        self.case, self.name = case, name
        self.values, self.run = case.values["phases"][name], Run(case, name)
        self.model = self.build().train()
        self.made, self.judged, self.penalties = [], [], []
        keep = lambda calls: lambda _module, _inputs, out: calls.append(out)  # noqa: E731
        self.model.generator.register_forward_hook(keep(self.made))
        self.model.discriminator.register_forward_hook(keep(self.judged))
        self.model.r1.register_forward_hook(keep(self.penalties))
        self.run.spread_noise(self.model.generator)

    def build(self):
        """A ThreeDGP with the release's networks and losses."""
        loss = self.case.config["loss"]
        init_default_scope("mmagic")
        model = MODELS.build(
            tiny_model_config(
                r1=dict(type="R1Regularizer", gamma=loss["r1_gamma"], interval=loss["r1_interval"]),
                generator_terms=[
                    dict(
                        type="PathLengthRegularizer",
                        weight=loss["pl_weight"],
                        decay=loss["pl_decay"],
                        interval=loss["pl_interval"],
                        batch_shrink=loss["pl_batch_shrink"],
                    )
                ],
                blur_fade=None,
                distillation=None,
                ema_config=None,
            )
        )
        model.generator, model.discriminator = golden_volumegan(), golden_growing_discriminator()
        model.generator_terms.double()[0].mean_length.fill_(self.values["pl_mean_before"])
        return model

    @property
    def phases(self):
        sampling = self.model.generator.training_sampling(self.model.kimg)
        level = math.log2(self.case.config["resolution"] // self.case.config["nerf_res"]) - self.values["lod"]
        rays = self.run.rays if self.run.order else None
        return replace(
            self.model.phases, sampling=replace(sampling, noise_mode="const", draws=rays, level=level)
        )

    def label(self, key):
        return self.case[key].argmax(dim=1) if key in self.case else None

    def fakes(self):
        labels = self.run.all("label")
        label = labels[0].long().flatten() if labels else None
        return FakeBatch(self.run.one("z"), label, self.run.camera, None, self.run.mixing)

    def reals(self):
        images = self.case["in_real_u8"].double() / 127.5 - 1
        real = RealBatch(images, self.label("in_real_label"), None)
        return real.cut(None, self.model.generator.seen_size(self.phases.sampling))

    def check(self, **results):
        self.case.check(f"out_{self.name}_", **results)

    def check_image(self, output):
        stride = output.rgb.shape[-1] // self.case[f"out_{self.name}_image_sub"].shape[-1]
        self.check(image_sub=output.rgb[..., ::stride, ::stride])

    def check_gradients(self, module):
        norms, dots = gradient_table(module, self.values["parameters"])
        expected = self.case[f"out_{self.name}_grad_norms"]
        # Where the release leaves a parameter out of the graph, ours has no gradient or one of 0.
        left_out = (expected.isnan() & (norms == 0)) | ((expected == 0) & norms.isnan())
        norms[left_out], dots[left_out] = expected[left_out].double(), expected[left_out].double()
        self.check(grad_norms=norms, grad_dots=dots)


@pytest.mark.parametrize("name", ["g_adversarial", "g_fading"])
def test_generator_phase(golden, name):
    phase = Phase(golden("volumegan/case_j_losses"), name)
    result = phase.phases.generator_phase(phase.fakes(), [])
    (output,), (logits,) = phase.made, phase.judged
    phase.check_image(output)
    phase.check(loss=result.loss, per_sample=phase.model.adversarial_loss.generator(logits))
    result.loss.backward()
    phase.check_gradients(phase.model.generator)


def test_path_length_phase(golden):
    phase = Phase(golden("volumegan/case_j_losses"), "g_path_length")
    (term,), draws = phase.model.generator_terms, TermDraws(phase.run.one("path_length_noise"))
    seen = []
    term.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    result = phase.phases.term_phase(term, phase.fakes(), draws)
    phase.check_image(phase.model.generator.generate(phase.fakes().inputs(), phase.phases.sampling))
    phase.check(loss=result.loss, path_length_penalty=seen[0] / term.weight, pl_mean_after=term.mean_length)
    result.loss.backward()
    phase.check_gradients(phase.model.generator)


@pytest.mark.parametrize("name", ["d_fake", "d_real"])
def test_discriminator_phase(golden, name):
    """The release takes fakes and reals one by one; here they are the two terms of one phase."""
    case = golden("volumegan/case_j_losses")
    phase = Phase(case, "d_fake")
    result = phase.phases.discriminator_phase(phase.reals(), phase.fakes(), None)
    (output,), (fake, real) = phase.made, phase.judged
    phase.check_image(output)
    terms = dict(d_fake=torch.nn.functional.softplus(fake), d_real=torch.nn.functional.softplus(-real))
    torch.testing.assert_close(result.loss, terms["d_fake"].mean() + terms["d_real"].mean())
    result.loss.backward(retain_graph=True)
    _, both = gradient_table(phase.model.discriminator, phase.values["parameters"])
    expected = sum(case[f"out_{part}_grad_dots"].nan_to_num() for part in terms)
    torch.testing.assert_close(both.nan_to_num(), expected.double(), atol=2.5e-5, rtol=0)

    phase.model.discriminator.zero_grad(set_to_none=True)
    phase.name = name
    phase.check(loss=terms[name].mean(), per_sample=terms[name])
    terms[name].mean().backward()
    phase.check_gradients(phase.model.discriminator)


def test_gradient_penalty_phase(golden):
    phase = Phase(golden("volumegan/case_j_losses"), "d_r1")
    real = phase.reals()
    result = phase.phases.r1_phase(real, batch_size=len(real))
    (penalty,) = phase.penalties
    gamma = phase.case.config["loss"]["r1_gamma"]
    phase.check(loss=result.loss, r1_penalty=penalty / (gamma / 2))
    result.loss.backward()
    phase.check_gradients(phase.model.discriminator)
