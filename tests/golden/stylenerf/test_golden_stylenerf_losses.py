"""Case j: losses and gradients of the model's phases, with style mixing, NeRF path and path length."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope

from projects.threedgp.models import Mixing
from projects.threedgp.training.batches import FakeBatch, RealPatches, TermDraws
from tests.golden.stylenerf.helpers import (
    camera,
    discriminator_name,
    generator_name,
    golden_skip_discriminator,
    golden_stylenerf,
    gradient_table,
    latents,
    sampling_of,
    tangent,
    thinned,
)
from tests.tiny import tiny_model_config


class Phase:
    """One phase of the release's iteration, as the model runs it on the recorded draws.

    Args:
        golden: Opens golden cases.
        name: Prefix of its arrays.
    """

    def __init__(self, golden, name):
        self.golden, self.case, self.name = golden, golden("stylenerf/case_j_losses"), name
        self.values = self.case.values["phases"][name]
        self.model, self.seen = self.build().train(), dict(judged=[], generated=[], penalized=[])
        for key, module in (
            ("judged", self.model.discriminator),
            ("generated", self.model.generator),
            ("penalized", self.model.r1),
        ):
            module.register_forward_hook(self.recorder(key))

    def recorder(self, key):
        def hook(_module, _inputs, out):
            self.seen[key].append(out)

        return hook

    def build(self):
        """A ThreeDGP with the release's networks, losses and schedules, at the time of the phase."""
        loss, gain = self.case.config["loss"], self.values["gain"]
        path_length = dict(
            type="PathLengthRegularizer",
            weight=loss["pl_weight"],
            decay=loss["pl_decay"],
            batch_shrink=loss["pl_batch_shrink"],
            interval=gain,
        )
        init_default_scope("mmagic")
        model = MODELS.build(
            tiny_model_config(
                r1=dict(type="R1Regularizer", gamma=loss["r1_gamma"], interval=gain),
                generator_terms=[path_length],
                distillation=None,
                blur_fade=None,
                ema_config=None,
            )
        )
        start, end = loss["curriculum"]
        generator = golden_stylenerf()
        levels = np.log2(generator.upsampler.image_side // generator.upsampler.start_side)
        growing = dict(start=0.0, end=float(levels), over_kimg=end - start, from_kimg=start)
        model.generator = golden_stylenerf(growing=growing)
        model.discriminator = golden_skip_discriminator()
        model.generator_terms[0].mean_length.fill_(self.values["pl_mean_before"])
        model.generator_terms[0].double()
        model.images_seen.fill_(self.values["steps"])
        return model

    @property
    def phases(self):
        """The model's phases, with the recorded draws of the rays and of the NeRF-path term."""
        generator, phases = self.model.generator, self.model.phases
        if self.name.startswith("Dreg"):
            return phases
        drawn = sampling_of(self.case, self.name, generator, self.values["alpha"], training=True)
        assert phases.sampling.level == pytest.approx(drawn.level)
        sampling = replace(phases.sampling, draws=drawn.draws, path_draws=drawn.path_draws)
        return replace(phases, sampling=sampling)

    def draw(self, kind, dtype=torch.float64):
        pattern = rf"rng_{self.name}_\d+_{kind}"
        (name,) = [name for name in self.case.arrays.files if re.fullmatch(pattern, name)]
        return self.case[name].to(dtype)

    def check(self, **results):
        self.case.check(f"out_{self.name}_", **results)

    def angle(self, key):
        """A camera angle of the recorded draw."""
        config, draw = self.case.config["camera"], self.draw(f"camera_{key}")
        low, high = config[f"range_{key}"]
        if config["gaussian_camera"]:
            return (low + high) / 2 + draw * (high - low) / 2
        return low + draw * (high - low)

    def fakes(self):
        latent = self.draw("latent_bg_shape")
        generator, count = self.model.generator, len(latent)
        label = self.case.label()
        low, high = self.case.config["camera"]["range_radius"]
        radius = low + (high - low) * self.draw("camera_radius_u")
        prior = camera(self.angle("u"), self.angle("v"), radius, tangent(self.golden))
        mixing = None
        prob = self.values["overrides"].get(
            "style_mixing_prob", self.case.config["loss"]["style_mixing_prob"]
        )
        if prob > 0 and self.draw("mixing_u") < prob:
            first = self.draw("mixing_cutoff", torch.long).expand(count)
            mixing = Mixing(latents(self.draw("mixing_z"), latent, generator), first)
        z = latents(self.case["in_z"][:count], latent, generator)
        return FakeBatch(z, None if label is None else label[:count], prior, None, mixing)

    def reals(self):
        images, size = self.case["in_real_u8"].double() / 127.5 - 1, self.values["resolution"]
        if images.shape[-1] != size:
            images = F.interpolate(images, (size, size), mode="bilinear")
        return RealPatches(images, self.case.label("in_real_c"), None, None)

    def check_fakes(self, output):
        found = dict(image_sub=output.rgb, ws_sub=output.ws[:, : self.model.generator.num_ws])
        for key, values in found.items():
            self.check(**{key: thinned(values, self.case[f"out_{self.name}_{key}"])})

    def check_gradients(self, network):
        size = self.model.generator.upsampler.render_side
        image = self.model.generator.image_size
        name = generator_name if network is self.model.generator else discriminator_name
        table = gradient_table(
            network, self.values["parameters"], lambda n: name(n, size if name is generator_name else image)
        )
        self.check(**table)


@pytest.mark.parametrize("name", ["Gmain", "Gmain_full", "Gmain_start"])
def test_generator_phase(golden, name):
    phase = Phase(golden, name)
    result = phase.phases.generator_phase(phase.fakes(), [])
    (output,), (logits,) = phase.seen["generated"], phase.seen["judged"]
    phase.check_fakes(output)
    loss = phase.model.adversarial_loss.generator(logits)
    phase.check(scores_fake=logits, G_loss=loss, total_Gmain=result.loss)
    assert bool(output.terms) == (f"out_{name}_G_reg_loss" in phase.case)
    if output.terms:
        phase.check(G_reg_loss=output.terms["nerf_path"])
        torch.testing.assert_close(result.logs["loss_g_nerf_path"], output.terms["nerf_path"].mean())
    result.loss.backward()
    phase.check_gradients(phase.model.generator)


def test_path_length_phase(golden):
    phase, outputs = Phase(golden, "Greg"), []
    (term,) = phase.model.generator_terms
    generate = phase.model.generator.generate

    def recorded(*arguments):
        outputs.append(generate(*arguments))
        return outputs[-1]

    phase.model.generator.generate = recorded
    result = phase.phases.term_phase(term, phase.fakes(), TermDraws(phase.draw("path_length_noise")))
    phase.check_fakes(outputs[0])
    (loss,) = phase.seen["generated"]
    phase.check(
        pl_penalty=loss / term.weight, G_reg=loss, total_Gpl=result.loss, pl_mean_after=term.mean_length
    )
    result.loss.backward()
    phase.check_gradients(phase.model.generator)


def test_discriminator_phase(golden):
    phase = Phase(golden, "Dmain")
    result = phase.phases.discriminator_phase(phase.reals(), phase.fakes(), None)
    (output,), (fake, real) = phase.seen["generated"], phase.seen["judged"]
    phase.check_fakes(output)
    # The release adds the NeRF-path term here too, where it has no gradient.
    path = output.terms["nerf_path"]
    phase.check(
        D_reg_loss=path,
        scores_fake=fake,
        scores_real=real,
        D_loss=result.loss + path.mean(),
        total_Dgen=F.softplus(fake).mean() + path.mean(),
        total_Dr1=F.softplus(-real).mean(),
    )
    result.loss.backward()
    phase.check_gradients(phase.model.discriminator)


@pytest.mark.parametrize("name", ["Dreg", "Dreg_fade"])
def test_lazy_gradient_penalty_phase(golden, name):
    phase = Phase(golden, name)
    real = phase.reals()
    result = phase.phases.r1_phase(real, batch_size=len(real))
    (real_logits,), (penalty,) = phase.seen["judged"], phase.seen["penalized"]
    gamma = phase.case.config["loss"]["r1_gamma"]
    phase.check(scores_real=real_logits, r1_penalty=penalty * 2 / gamma, D_reg=penalty, total_Dr1=result.loss)
    result.loss.backward()
    phase.check_gradients(phase.model.discriminator)
