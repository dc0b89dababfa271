"""Cases k (patches, schedules), l (non-flatness) and m (optimiser, weight average)."""

import pytest
import torch
from torch import nn

from projects.threedgp.evaluation import depth_histograms, non_flatness_score
from projects.threedgp.models.losses.distillation import KnowledgeDistillationLoss
from projects.threedgp.models.patch_sampler import PatchSampler
from projects.threedgp.rendering import extract_patches, patch_positions
from projects.threedgp.schedules import Linear
from projects.threedgp.training.ema import ImagesSeenEMA, ema_decay
from projects.threedgp.training.gradients import sanitize_gradients
from tests.golden.helpers import golden_generator


def patch_sampler(config):
    patch = config["patch"]
    beta = dict(start=patch["beta_val_start"], end=patch["beta_val_end"], over_kimg=patch["anneal_kimg"])
    return PatchSampler(
        min_scale=patch["min_scale_trg"],
        max_scale=patch["max_scale"],
        beta=beta,
        group_size=patch["mbstd_group_size"],
    )


def test_patches(golden):
    case = golden("case_k_patches")
    patch = case.patch()
    look_up = patch_positions(patch, case.values["coords_resolution"]) * torch.tensor([1.0, -1.0])
    patches = extract_patches(case["in_img"], patch, case.values["patch_resolution"])
    case.check(patch_coords=look_up, patches=patches)


def test_patch_sampler(golden):
    case = golden("case_k_patches")
    sampler = patch_sampler(case.config)
    drawn = sampler.from_draws(case["rng_beta_draw"], case["rng_offset_u"], kimg=4000)
    assert case.values["beta_draw_parameters"] == pytest.approx([sampler.alpha, sampler.beta(4000)])
    group = case.values["group_size"]
    case.check(
        sampled_scales=drawn.scales.repeat_interleave(group, dim=0),
        sampled_offsets=drawn.offsets.repeat_interleave(group, dim=0),
    )


def test_schedules(golden):
    case = golden("case_k_patches")
    sampler, generator = patch_sampler(case.config), golden_generator()
    adaptor, emd = (
        case.config["generator"]["depth_adaptor"],
        case.config["generator"]["camera_adaptor"]["emd"],
    )
    assert adaptor["anneal_kimg"] == generator.depth_adaptor.identity_prob.over_kimg
    columns = {
        "patch_beta": sampler.beta,
        "patch_min_scale": sampler.min_scale,
        "camera_spoof_p": Linear(1.0, 0.5, 1000),  # of a camera-conditioned network, not used here
        "kd_weight": KnowledgeDistillationLoss().weight,
        "emd_multiplier": Linear(0.0, 1.0, emd["anneal_kimg"]),
        "nerf_noise_std": generator.renderer.density_noise,
        "depth_start_p": generator.depth_adaptor.identity_prob,
    }
    rows = [
        [columns[name](kimg) for name in case.values["schedule_columns"]] for kimg in case.values["kimgs"]
    ]
    case.check(schedules=torch.tensor(rows))


def test_non_flatness(golden):
    case = golden("case_l_non_flatness")
    depth, near, far = case["in_depth"][:, None], case.values["min"], case.values["max"]
    scores = non_flatness_score(depth, near, far, case.values["bins"])
    case.check(
        histograms=depth_histograms(depth, near, far, case.values["bins"]),
        entropy=scores.log(),
        score_per_map=scores,
        score=scores.mean(),
    )


@pytest.mark.parametrize("network", ["G", "D"])
def test_optimiser(golden, network):
    case = golden("case_m_optimiser")
    settings = case.values[network]
    parameter = nn.Parameter(case["in_param"])
    optimiser = torch.optim.Adam(
        [parameter], lr=settings["lr"], betas=tuple(settings["betas"]), eps=settings["eps"]
    )
    after = []
    for gradient in case["in_grads"]:
        parameter.grad = gradient.clone()
        sanitize_gradients([parameter])
        optimiser.step()
        after.append(parameter.detach().clone())
    case.check(**{f"{network}_params": torch.stack(after)})


def test_weight_average(golden):
    case = golden("case_m_optimiser")
    ema = case.values["ema"]
    decays, averages = [], []
    for images_seen in ema["nimgs"]:
        old, new = nn.Linear(40, 1, bias=False), nn.Linear(40, 1, bias=False)
        old.weight.data, new.weight.data = case["in_ema_old"][None], case["in_ema_new"][None]
        average = ImagesSeenEMA(old, ema["ema_kimg"], ema["rampup"])
        average.steps.fill_(1)  # the toolkit copies the weights at step 0
        average.step(new, images_seen, ema["batch_size"])
        averages.append(average.module.weight[0])
        decays.append(ema_decay(images_seen, ema["batch_size"], ema["ema_kimg"], ema["rampup"]))
    case.check(ema_beta=torch.tensor(decays), ema_result=torch.stack(averages))
