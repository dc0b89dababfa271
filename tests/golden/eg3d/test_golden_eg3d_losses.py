"""Case j: losses and gradients of the model's phases, with camera swapping, blur and dual discrimination."""

from dataclasses import replace

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope

from projects.threedgp.rendering import PoseLabel
from projects.threedgp.training.batches import FakeBatch, RealBatch, TermDraws
from tests.golden.eg3d.helpers import (
    golden_dual_discriminator,
    golden_eg3d,
    gradient_table,
    noise_by_rule,
    ours,
    ray_draws,
)
from tests.golden.eg3d.test_golden_eg3d_networks import every
from tests.tiny import tiny_model_config


class Phase:
    """One phase of the release's iteration, as the model runs it on the recorded draws.

    Args:
        case: The golden case.
        name: Prefix of its arrays.
    """

    def __init__(self, case, name):
        self.case, self.name = case, name
        self.values = case.values["phases"][name]
        self.model = self.build().train()
        self.seen = []
        self.model.discriminator.register_forward_hook(lambda _module, _inputs, out: self.seen.append(out))

    def build(self):
        """A ThreeDGP with the release's networks, losses and schedules, at the time of the phase."""
        config = self.case.config
        loss, rendering, gain = config["loss"], config["rendering"], self.values["gain"]
        blur = dict(init_sigma=loss["blur_init_sigma"], fade_kimg=loss["blur_fade_kimg"], raw="real")
        prob = dict(start=1.0, end=loss["gpc_reg_prob"], over_kimg=loss["gpc_reg_fade_kimg"])
        init_default_scope("mmagic")
        model = MODELS.build(
            tiny_model_config(
                r1=dict(type="R1Regularizer", gamma=loss["r1_gamma"], interval=gain, behind_blur=True),
                blur_fade=dict(type="BlurFade", **blur),
                pose_swap=dict(type="PoseSwap", prob=prob),
                generator_terms=[
                    dict(
                        type="DensityRegularizer",
                        weight=rendering["density_reg"],
                        distance=rendering["density_reg_p_dist"],
                        interval=gain,
                    )
                ],
                distillation=None,
                ema_config=None,
            )
        )
        model.generator, model.discriminator = golden_eg3d(), golden_dual_discriminator()
        model.images_seen.fill_(self.values["cur_nimg"])
        if "gpc_reg_prob" in self.values["overrides"]:
            model.generator.mapping.pose_scale = 0.0
        return model

    @property
    def phases(self):
        prefix = f"rng_{self.name}_"
        sampling = self.model.generator.training_sampling(self.model.kimg)
        if f"{prefix}stratified_u" in self.case:
            sampling = replace(sampling, draws=ray_draws(self.case, prefix))
        return replace(self.model.phases, sampling=sampling)

    def fakes(self):
        pose, told = self.case["in_c"].double(), None
        if (draw := f"rng_{self.name}_swap_u") in self.case:
            told = self.model.pose_swap(pose, self.case[draw].double().reshape(-1, 1), self.model.kimg)
        return FakeBatch(self.case["in_z"].double(), None, PoseLabel(pose), None, conditioning=told)

    def reals(self):
        images, pose = self.case["in_real_u8"].double() / 127.5 - 1, self.case["in_real_c"].double()
        return RealBatch(images, None, None, pose).cut(None, images.shape[-1])

    def check(self, **results):
        self.case.check(f"out_{self.name}_", **results)

    def check_fakes(self, output):
        self.check(ws_first=output.ws[:, 0], image_raw_sub=output.raw[every(1, 3, 3)])

    def check_gradients(self, module):
        size = self.case.config["img_resolution"]
        norms, dots = gradient_table(module, self.values["parameters"], size)
        left_out = self.case[f"out_{self.name}_grad_norms"].isnan() & (norms == 0)
        norms[left_out], dots[left_out] = torch.nan, torch.nan
        self.check(grad_norms=norms, grad_dots=dots)

    def gradient(self, module, name):
        return module.get_parameter(ours(name)).grad


def generated(phase):
    """Keep what the generator makes in a phase."""
    made = []
    phase.model.generator.register_forward_hook(lambda _module, _inputs, out: made.append(out))
    return made


@pytest.mark.parametrize("name", ["Gmain", "Gmain_blur"])
def test_generator_phase(golden, name):
    phase = Phase(golden("eg3d/case_j_losses"), name)
    made = generated(phase)
    with noise_by_rule():
        result = phase.phases.generator_phase(phase.fakes(), [])
    (logits,) = phase.seen
    phase.check_fakes(*made)
    phase.check(scores_fake=logits, G_loss=phase.model.adversarial_loss.generator(logits))
    result.loss.backward()
    generator = phase.model.generator
    phase.check_gradients(generator)
    phase.check(
        grad_decoder_hidden_bias=phase.gradient(generator, "decoder.net.0.bias"),
        grad_sr_last_rgb_weight=phase.gradient(generator, "superresolution.block1.torgb.weight"),
    )


def test_density_term(golden):
    case = golden("eg3d/case_j_losses")
    phase = Phase(case, "Greg")
    (term,) = phase.model.generator_terms
    draws = torch.cat([case["rng_Greg_points_u"], case["rng_Greg_offsets_n"]], dim=-1).double()
    found = []
    phase.model.generator.field.mlp.register_forward_hook(lambda _module, _inputs, out: found.append(out[1]))
    with noise_by_rule():
        result = phase.phases.term_phase(term, phase.fakes(), TermDraws(draws))
    points, partners = found[0].chunk(2, dim=1)
    phase.check(
        l1=result.logs["loss_g_density"] / term.weight,
        sigma_initial_sub=points[:, ::10],
        sigma_partner_sub=partners[:, ::10],
    )
    result.loss.backward()
    phase.check_gradients(phase.model.generator)
    phase.check(grad_decoder_hidden_bias=phase.gradient(phase.model.generator, "decoder.net.0.bias"))


def test_discriminator_phase(golden):
    phase = Phase(golden("eg3d/case_j_losses"), "Dmain")
    made, real = generated(phase), phase.reals()
    with noise_by_rule():
        result = phase.phases.discriminator_phase(real, phase.fakes(), None)
    fake, logits = phase.seen
    phase.check_fakes(*made)
    loss = phase.model.adversarial_loss.discriminator(fake, logits)
    phase.check(scores_fake=fake, scores_real=logits, D_loss=loss)
    phase.model.generator.mapping.track(result.w_mean)
    phase.check(w_avg_after=phase.model.generator.mapping.w_avg)
    result.loss.backward()
    discriminator = phase.model.discriminator
    phase.check_gradients(discriminator)
    phase.check(grad_b4_out_weight=phase.gradient(discriminator, "b4.out.weight"))


@pytest.mark.parametrize("name", ["Dreg", "Dreg_blur"])
def test_gradient_penalty_phase(golden, name):
    phase = Phase(golden("eg3d/case_j_losses"), name)
    penalties = []
    phase.model.r1.register_forward_hook(lambda _module, _inputs, out: penalties.append(out))
    real = phase.reals()
    result = phase.phases.r1_phase(real, batch_size=len(real))
    (logits,), (penalty,) = phase.seen, penalties
    gamma = phase.case.config["loss"]["r1_gamma"]
    phase.check(scores_real=logits, D_reg=penalty, r1_penalty=penalty / (gamma / 2))
    result.loss.backward()
    discriminator = phase.model.discriminator
    phase.check_gradients(discriminator)
    phase.check(grad_b4_out_weight=phase.gradient(discriminator, "b4.out.weight"))
