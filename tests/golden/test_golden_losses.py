"""Case j: losses and gradients of the three phases for one batch of eight, and the blur."""

import pytest
import torch

from projects.threedgp.models.blur_fade import BlurFade, gaussian_blur
from projects.threedgp.models.cameras.camera_regularizers import (
    CameraEMDRegularizer,
    CameraMeanRegularizer,
    squared_emd,
)
from projects.threedgp.models.generator import Sampling
from projects.threedgp.models.losses.adversarial_loss import ThreeDGPAdversarialLoss
from projects.threedgp.models.losses.distillation import KnowledgeDistillationLoss
from projects.threedgp.models.losses.r1_regularizer import R1Regularizer
from projects.threedgp.models.patch_sampler import PatchSampler
from projects.threedgp.rendering import CAMERA_FIELDS, Patch, extract_patches
from tests.golden.helpers import golden_discriminator, golden_generator, official_gradients

ADVERSARIAL = ThreeDGPAdversarialLoss()


class Step:
    """One phase of the reference's iteration, made of our components.

    Args:
        case: The golden case.
        phase: Prefix of its arrays.
    """

    def __init__(self, case, phase):
        self.case, self.phase = case, phase
        self.kimg = case.values["kimg_for_schedules"]
        self.blur_kimg = case.values["cur_nimg_for_blur"] / 1000
        loss, patch = case.config["loss"], case.config["patch"]
        self.blur = BlurFade(loss["blur_init_sigma"], loss["blur_fade_kimg"])
        self.sampler = PatchSampler(
            min_scale=patch["min_scale_trg"],
            max_scale=patch["max_scale"],
            beta=dict(
                start=patch["beta_val_start"],
                end=patch["beta_val_end"],
                over_kimg=patch["anneal_kimg"],
            ),
            group_size=patch["mbstd_group_size"],
        )
        self.generator = golden_generator().train()
        self.discriminator = golden_discriminator().train()

    def check(self, **results):
        self.case.check(f"out_{self.phase}_", **results)

    def patches(self, kind=""):
        """Patches of consecutive groups of four samples."""
        prefix = f"rng_{self.phase}_{kind}patch"
        drawn = self.sampler.from_draws(
            self.case[f"{prefix}_beta"], self.case[f"{prefix}_offset_u"], self.kimg
        )
        patch = Patch(*(x.float().repeat_interleave(4, dim=0) for x in (drawn.scales, drawn.offsets)))
        self.check(**{f"{kind}patch_scales": patch.scales, f"{kind}patch_offsets": patch.offsets})
        return patch

    def fakes(self, track_w=False):
        """Generated patches (before the blur) and their patch parameters."""
        case, label, patch = self.case, self.case["in_c"], self.patches()
        camera = self.generator.pose(case.camera(), case["in_z"], label)
        self.check(posterior=camera.params)
        case.check_columns(f"out_{self.phase}_posterior", camera.params)
        noise = self.generator.density_noise(self.kimg)
        assert noise == pytest.approx(case.values["schedule_values"]["nerf_noise_std"])
        sampling = Sampling(
            kimg=self.kimg,
            noise_mode="const",
            draws=case.ray_draws(f"rng_{self.phase}_", noise),
            depth_choice=case[f"rng_{self.phase}_depth_head"],
        )
        out = self.generator(
            case["in_z"], label, camera=camera, patch=patch, sampling=sampling, return_output=True
        )
        self.check(gen_img_and_depth=out.images)
        if track_w:
            self.generator.mapping.track(out.ws[:, 0].mean(dim=0))
        return out.images, patch

    def judge(self, images, label, patch, **kwargs):
        return self.discriminator(self.blur(images, self.blur_kimg), label, patch, **kwargs)

    def reals(self):
        """Real patches that require gradients, before the blur, and their patch parameters."""
        patch = self.patches("real_")
        images = torch.cat([self.case["in_real_img"], self.case["in_real_depth"]], dim=1)
        return extract_patches(images, patch, 16).requires_grad_(True), patch

    def distillation(self, features, patch):
        """Distillation per sample, checked, with its schedule applied."""
        loss = KnowledgeDistillationLoss()
        scales = patch.scales[:, 0]
        distance = loss.distance(features, self.case["in_real_embs"], scales)
        weighted = loss.weight(self.kimg) * distance
        torch.testing.assert_close(
            loss(features, self.case["in_real_embs"], scales, self.kimg), weighted.mean()
        )
        self.check(
            kd_patch_weights=scales / scales.mean(),
            **{"report_Loss.kd.D_dist": distance, "report_Loss.kd.D_loss": weighted},
        )
        return weighted

    def gradient_penalty(self, logits, images):
        gamma = self.case.values["r1_gamma"]
        penalty = R1Regularizer(gamma)(logits, images, gamma)
        self.check(**{"report_Loss.D.r1_penalty": penalty / (gamma / 2), "report_Loss.D.reg": penalty})
        return penalty

    def check_gradients(self, module, network):
        """Every norm, the norm of the whole, and the full gradients that are stored."""
        gradients = official_gradients(module, network)
        names = self.case.names(f"out_{self.phase}_grad_names")
        assert set(names) == set(gradients)
        absent = torch.tensor(float("nan"))
        norms = torch.stack([absent if (g := gradients[n]) is None else g.norm() for n in names])
        self.check(grad_norms=norms, grad_total_norm=norms.nan_to_num().norm())
        stored = [key for key in self.case.arrays.files if f"_{self.phase}_grad." in key]
        self.case.check("", **{key: gradients[key.partition("_grad.")[2]] for key in stored})


def camera_batch(step, name):
    """Prior cameras of a regulariser, and what the camera generator makes of them."""
    case, generator = step.case, step.generator
    prior = generator.prior.from_uniform(case.prior_draws(f"rng_Gmain_{name}_prior_u_"))
    z, label = case[f"rng_Gmain_{name}_z"], case[f"rng_Gmain_{name}_c"]
    step.check(**{f"{name}_prior": prior.params})
    return prior, generator.pose(prior, z, label), generator.prior.mean()


def test_generator_step(golden):
    step = Step(golden("case_j_losses"), "Gmain")
    fakes, patch = step.fakes()
    logits = step.judge(fakes, step.case["in_c"], patch)
    adversarial = ADVERSARIAL.generator(logits)

    prior, posterior, mean = camera_batch(step, "emd")
    emd = CameraEMDRegularizer()(prior, posterior, mean, step.kimg)
    costs = dict(zip(CAMERA_FIELDS, squared_emd(posterior.params, prior.params), strict=True))
    costs["fov"] = costs.pop("fov_deg")
    del costs["roll"]
    mean_pose = CameraMeanRegularizer()(*camera_batch(step, "mean"), step.kimg)

    step.check(
        gen_logits=logits,
        **{"report_Loss.G.loss": adversarial},
        **{f"report_Dist_emd_reg.{name}": cost for name, cost in costs.items()},
        **{
            "report_Loss.camera_dist.emd_loss": emd,
            "report_Loss.camera_dist.force_mean": mean_pose,
        },
    )
    (adversarial.mean() + emd + mean_pose).backward()
    step.check_gradients(step.generator, "G")


@pytest.mark.parametrize("phase", ["Dmain", "Dall"])
def test_discriminator_step(golden, phase):
    step = Step(golden("case_j_losses"), phase)
    with torch.no_grad():
        fakes, patch = step.fakes(track_w=True)
    step.check(w_avg_after=step.generator.mapping.w_avg)
    fake_logits = step.judge(fakes, step.case["in_c"], patch)
    reals, patch = step.reals()
    logits, features = step.judge(reals, step.case["in_real_c"], patch, return_features=True)
    adversarial = ADVERSARIAL.discriminator(fake_logits, logits)
    loss = adversarial + step.distillation(features, patch)
    if phase == "Dall":
        step.check(real_patch=reals)
        loss = loss + step.gradient_penalty(logits, reals)
    step.check(
        gen_logits=fake_logits,
        real_logits=logits,
        real_feats=features,
        **{"report_Loss.D.loss": adversarial},
    )
    loss.mean().backward()
    step.check_gradients(step.discriminator, "D")


def test_lazy_gradient_penalty_step(golden):
    step = Step(golden("case_j_losses"), "Dreg")
    reals, patch = step.reals()
    logits = step.judge(reals, step.case["in_real_c"], patch)
    step.check(real_logits=logits)
    penalty = step.gradient_penalty(logits, reals)
    (step.case.values["gains"]["Dreg"] * penalty.mean()).backward()
    step.check_gradients(step.discriminator, "D")


@pytest.mark.parametrize("sigma", [0.0, 0.5, 2.5, 10.0])
def test_blur(golden, sigma):
    case = golden("case_j_losses")
    images = case["in_blur_img"]
    blurred = gaussian_blur(images, sigma, int(3 * sigma))
    seen = BlurFade(init_sigma=sigma)(images, kimg=0)
    case.check(**{f"blur_sigma{sigma}": blurred, f"discriminator_input_sigma{sigma}": seen})
