"""Case j: losses and gradients of the model's three phases for one batch of eight, and the blur."""

from dataclasses import replace

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope

from projects.threedgp.models.blur_fade import BlurFade, gaussian_blur
from projects.threedgp.models.cameras.camera_regularizers import squared_emd
from projects.threedgp.models.generator import CameraBatch
from projects.threedgp.rendering import CAMERA_FIELDS, Camera, Patch
from projects.threedgp.training.batches import FakeBatch, RealBatch
from tests.golden.helpers import golden_discriminator, golden_generator, official_gradients
from tests.tiny import tiny_model_config


def golden_model(case, r1_interval):
    """A ThreeDGP with the reference's networks, losses and schedules, at the time of the case."""
    loss, patch, values = case.config["loss"], case.config["patch"], case.values
    kimg, blur_kimg = values["kimg_for_schedules"], values["cur_nimg_for_blur"] / 1000
    # The case blurs as at an earlier time than that of the other schedules: a longer fade is as far by now.
    fade_kimg = loss["blur_fade_kimg"] * kimg / blur_kimg
    beta = dict(start=patch["beta_val_start"], end=patch["beta_val_end"], over_kimg=patch["anneal_kimg"])
    init_default_scope("mmagic")
    config = tiny_model_config(
        r1=dict(type="R1Regularizer", gamma=values["r1_gamma"], interval=r1_interval),
        blur_fade=dict(type="BlurFade", init_sigma=loss["blur_init_sigma"], fade_kimg=fade_kimg),
        patch_sampler=dict(
            type="PatchSampler",
            min_scale=patch["min_scale_trg"],
            max_scale=patch["max_scale"],
            beta=beta,
            group_size=patch["mbstd_group_size"],
        ),
        ema_config=None,
    )
    model = MODELS.build(config)
    model.generator, model.discriminator = golden_generator(), golden_discriminator()
    model.images_seen.fill_(round(1000 * kimg))
    return model.train()


class Phase:
    """One phase of the reference's iteration, as the model runs it on the recorded draws.

    Args:
        case: The golden case.
        name: Prefix of its arrays.
    """

    def __init__(self, case, name):
        self.case, self.name = case, name
        self.model = golden_model(case, r1_interval=case.values["gains"][name])
        self.seen = {}
        self.record("generated", self.model.generator)
        self.record("judged", self.model.discriminator)
        self.record("distilled", self.model.distillation)
        self.record("penalized", self.model.r1)
        for regularizer in self.model.camera_regularizers:
            self.record(type(regularizer).__name__, regularizer)

    def record(self, key, module):
        """Keep the inputs and results of all calls of a module."""
        calls = self.seen.setdefault(key, [])
        module.register_forward_hook(lambda _module, inputs, output: calls.append((inputs, output)))

    def outputs(self, key):
        return [output for _, output in self.seen[key]]

    @property
    def phases(self):
        """The model's phases, with the recorded draws of the rays and of the depth adaptor."""
        case, prefix = self.case, f"rng_{self.name}_"
        if f"{prefix}u_stratified" not in case:
            return self.model.phases
        noise = self.model.schedule_values()["schedule/density_noise"].item()
        draws, choice = case.ray_draws(prefix, noise), case[f"{prefix}depth_head"]
        sampling = self.model.generator.training_sampling(self.model.kimg)
        sampling = replace(sampling, noise_mode="const", draws=draws, depth_choice=choice)
        return replace(self.model.phases, sampling=sampling)

    def check(self, **results):
        self.case.check(f"out_{self.name}_", **results)

    def classes(self, key):
        one_hot = self.case[key]
        label = one_hot.argmax(dim=1)
        assert torch.equal(torch.nn.functional.one_hot(label, one_hot.shape[1]).float(), one_hot)
        return label

    def patches(self, kind=""):
        """Patches of consecutive groups of four samples."""
        prefix = f"rng_{self.name}_{kind}patch"
        beta, offset = self.case[f"{prefix}_beta"], self.case[f"{prefix}_offset_u"]
        drawn = self.model.patch_sampler.from_draws(beta, offset, self.model.kimg)
        patch = Patch(*(x.float().repeat_interleave(4, dim=0) for x in (drawn.scales, drawn.offsets)))
        self.check(**{f"{kind}patch_scales": patch.scales, f"{kind}patch_offsets": patch.offsets})
        return patch

    def fakes(self):
        return FakeBatch(self.case["in_z"], self.classes("in_c"), self.case.camera(), self.patches())

    def reals(self):
        images = torch.cat([self.case["in_real_img"], self.case["in_real_depth"]], dim=1)
        real = RealBatch(images, self.classes("in_real_c"), self.case["in_real_embs"])
        return real.cut(self.patches("real_"), self.model.generator.patch_size)

    def cameras(self, name):
        """The prior cameras of a regulariser."""
        prefix = f"rng_{self.name}_{name}"
        prior = self.model.generator.prior.from_uniform(self.case.prior_draws(f"{prefix}_prior_u_"))
        self.check(**{f"{name}_prior": prior.params})
        label = self.case[f"{prefix}_c"].long()
        return CameraBatch(Camera(prior.params.requires_grad_()), self.case[f"{prefix}_z"], label)

    def check_fakes(self):
        (output,) = self.outputs("generated")
        self.check(posterior=output.camera.params, gen_img_and_depth=output.images)
        self.case.check_columns(f"out_{self.name}_posterior", output.camera.params)

    def check_distillation(self, logged):
        """Distillation per sample, of which the phase logged the mean."""
        ((arguments, _),) = self.seen["distilled"]
        predicted, target, scales, kimg, mean_scale = arguments
        distance = self.model.distillation.distance(predicted, target, scales, mean_scale)
        weighted = self.model.distillation.weight(kimg) * distance
        torch.testing.assert_close(logged, weighted.mean())
        self.check(
            real_feats=predicted,
            kd_patch_weights=scales / mean_scale,
            **{"report_Loss.kd.D_dist": distance, "report_Loss.kd.D_loss": weighted},
        )

    def check_gradient_penalty(self, logged):
        (penalty,) = self.outputs("penalized")
        torch.testing.assert_close(logged, penalty.mean())
        scaled = penalty / (self.case.values["r1_gamma"] / 2)
        self.check(**{"report_Loss.D.r1_penalty": scaled, "report_Loss.D.reg": penalty})

    def check_camera_losses(self, logs):
        """The loss of each regulariser, and the transport costs behind the first."""
        (((prior, posterior, *_), _),) = self.seen["CameraEMDRegularizer"]
        costs = dict(zip(CAMERA_FIELDS, squared_emd(posterior.params, prior.params), strict=True))
        costs["fov"] = costs.pop("fov_deg")
        del costs["roll"]
        self.check(
            **{f"report_Dist_emd_reg.{name}": cost for name, cost in costs.items()},
            **{
                "report_Loss.camera_dist.emd_loss": logs["loss_g_camera_emd"],
                "report_Loss.camera_dist.force_mean": logs["loss_g_camera_mean"],
            },
        )

    def check_gradients(self, module, network):
        """Every norm, the norm of the whole, and the full gradients that are stored."""
        gradients = official_gradients(module, network)
        names = self.case.names(f"out_{self.name}_grad_names")
        assert set(names) == set(gradients)
        absent = torch.tensor(float("nan"))
        norms = torch.stack([absent if (g := gradients[n]) is None else g.norm() for n in names])
        # Distributed training wants all of the graph: what a phase leaves out has gradient 0, not none.
        left_out = self.case[f"out_{self.name}_grad_norms"].isnan() & (norms == 0)
        self.check(grad_norms=norms.where(~left_out, absent), grad_total_norm=norms.nan_to_num().norm())
        stored = [key for key in self.case.arrays.files if f"_{self.name}_grad." in key]
        self.case.check("", **{key: gradients[key.partition("_grad.")[2]] for key in stored})


def test_schedules_at_the_time_of_the_case(golden):
    case = golden("case_j_losses")
    ours = golden_model(case, r1_interval=16).schedule_values()
    theirs = case.values["schedule_values"]
    for name, key in {
        "density_noise": "nerf_noise_std",
        "patch_beta": "beta",
        "patch_min_scale": "min_scale",
        "distillation_weight": "D_kd_weight",
        "CameraEMDRegularizer": "emd_multiplier",
    }.items():
        assert ours[f"schedule/{name}"].item() == pytest.approx(theirs[key]), name
    assert ours["schedule/blur_sigma"].item() == pytest.approx(case.values["blur_sigma"])


def test_generator_phase(golden):
    phase = Phase(golden("case_j_losses"), "Gmain")
    cameras = [phase.cameras("emd"), phase.cameras("mean")]
    result = phase.phases.generator_phase(phase.fakes(), cameras)
    (logits,) = phase.outputs("judged")
    adversarial = phase.model.adversarial_loss.generator(logits)
    torch.testing.assert_close(result.logs["loss_g_adv"], adversarial.mean())
    phase.check_fakes()
    phase.check(gen_logits=logits, **{"report_Loss.G.loss": adversarial})
    phase.check_camera_losses(result.logs)
    result.loss.backward()
    phase.check_gradients(phase.model.generator, "G")


@pytest.mark.parametrize("name", ["Dmain", "Dall"])
def test_discriminator_phase(golden, name):
    phase = Phase(golden("case_j_losses"), name)
    real = phase.reals()
    result = phase.phases.discriminator_phase(real, phase.fakes(), real.mean_scale())
    fake_logits, (logits, _) = phase.outputs("judged")
    adversarial = phase.model.adversarial_loss.discriminator(fake_logits, logits)
    torch.testing.assert_close(result.logs["loss_d_adv"], adversarial.mean())
    phase.check_fakes()
    phase.check(gen_logits=fake_logits, real_logits=logits, **{"report_Loss.D.loss": adversarial})
    phase.check_distillation(result.logs["loss_d_kd"])
    phase.model.generator.mapping.track(result.w_mean)
    phase.check(w_avg_after=phase.model.generator.mapping.w_avg)
    result.loss.backward()
    if name == "Dall":
        # The reference can also do both in one phase, on the same patches.
        phase.check(real_patch=real.images)
        penalized = phase.phases.r1_phase(real, batch_size=len(real))
        phase.check_gradient_penalty(penalized.logs["loss_d_r1"])
        penalized.loss.backward()
    phase.check_gradients(phase.model.discriminator, "D")


def test_lazy_gradient_penalty_phase(golden):
    phase = Phase(golden("case_j_losses"), "Dreg")
    real = phase.reals()
    result = phase.phases.r1_phase(real, batch_size=len(real))
    ((logits, _),) = phase.outputs("judged")
    phase.check(real_logits=logits)
    phase.check_gradient_penalty(result.logs["loss_d_r1"])
    result.loss.backward()
    phase.check_gradients(phase.model.discriminator, "D")


@pytest.mark.parametrize("sigma", [0.0, 0.5, 2.5, 10.0])
def test_blur(golden, sigma):
    case = golden("case_j_losses")
    images = case["in_blur_img"]
    blurred = gaussian_blur(images, sigma, int(3 * sigma))
    seen = BlurFade(init_sigma=sigma)(images, kimg=0)
    case.check(**{f"blur_sigma{sigma}": blurred, f"discriminator_input_sigma{sigma}": seen})
