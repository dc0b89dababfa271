"""Cases b, c, d, f (generator), h (depth adaptor) and i (discriminator)."""

from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.utils._pytree import tree_map_only

from projects.threedgp.models.discriminators.blocks import minibatch_std
from projects.threedgp.models.generator import GeneratorInput
from projects.threedgp.models.sampling import Sampling
from projects.threedgp.rendering import sample_planes
from tests.golden.helpers import golden_discriminator, golden_generator

SETS = pytest.mark.parametrize("suffix", ["", "_uncond"])


@contextmanager
def outputs_of(module, names):
    """Collect what some submodules return, by name: copies of tensors, which others may go on in place."""
    seen = {}

    def keep(name):
        return lambda module, args, out: seen.update({name: tree_map_only(torch.Tensor, torch.clone, out)})

    hooks = [module.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    yield seen
    for hook in hooks:
        hook.remove()


@SETS
def test_mapping(golden, suffix):
    case = golden(f"case_b_mapping{suffix}")
    generator = golden_generator(not suffix)
    z, label = case["in_z"], case.label()
    truncated = Sampling(truncation_psi=0.7)
    case.check(
        ws=generator.style(z, label),
        ws_psi07=generator.style(z, label, truncated),
        ws_psi07_cutoff2=generator.style(z, label, Sampling(truncation_psi=0.7, truncation_cutoff=2)),
    )
    generator.mapping.track(generator.mapping(z, label).mean(dim=0))
    case.check(w_avg_after_update=generator.mapping.w_avg)


def test_planes(golden):
    case = golden("case_c_planes")
    decoder = golden_generator().field.decoder
    subset = (slice(None), slice(None, None, 5), slice(None, None, 3), slice(None, None, 3))
    stored = decoder(case["in_ws"], "const")
    case.check(
        planes=stored,
        planes_nonoise_sub=decoder(case["in_ws"], "none")[subset],
        planes_train_sub=decoder.train()(case["in_ws"], "const")[subset],
    )


def test_look_up_and_mlp(golden):
    case = golden("case_d_sample")
    generator = golden_generator()
    points = case["in_points"]
    features = sample_planes(case["in_planes"], points, case.values["scale"])
    rgb, sigma = generator.field.radiance(case["in_planes"])(points)
    scene = generator.scene(case["in_density_ws"])
    case.check(features=features, rgb=rgb, sigma=sigma, density_from_ws=scene.query(points)[1])


@SETS
def test_generator_in_evaluation(golden, suffix):
    case = golden(f"case_f_generator{suffix}")
    generator = golden_generator(not suffix)
    for name, psi in (("eval", 1.0), ("eval_psi07", 0.7)):
        sampling = Sampling(truncation_psi=psi, noise_mode="const", draws=case.ray_draws("rng_eval_"))
        out = generator.generate(GeneratorInput(case["in_z"], case.label(), case.camera()), sampling)
        case.check(**{f"{name}_img": out.rgb})
        if name == "eval":
            case.check(eval_depth=out.depth, eval_depth_adapted=out.adapted_depth)


@pytest.mark.parametrize(
    "suffix, name, noise", [("", "train", 0.0), ("", "train_noisy", 0.4), ("_uncond", "train", 0.0)]
)
def test_generator_in_training(golden, suffix, name, noise):
    case = golden(f"case_f_generator{suffix}")
    assert noise in (0.0, case.values["train_noisy_nerf_noise_std"])
    inputs = GeneratorInput(
        case["in_train_z"],
        case.label("in_train_c"),
        case.camera("in_train_"),
        patch=case.patch("in_train_"),
    )
    generator = golden_generator(not suffix).train()
    sampling = replace(
        generator.training_sampling(0.0),
        noise_mode="const",
        draws=case.ray_draws(f"rng_{name}_", noise),
        depth_choice=case[f"rng_{name}_depth_head"],
    )
    out = generator(inputs, sampling=sampling)
    case.check(**{f"{name}_depth": out.depth, f"{name}_img_and_depth": out.images})


def test_depth_adaptor(golden):
    case = golden("case_h_depth_adaptor")
    adaptor, kimgs = golden_generator().depth_adaptor, case.values["kimgs"]
    depth = case["in_depth"]
    # The normalisation is affine and maps the learned near plane to -1: where does it lie?
    exact = deepcopy(adaptor).double()
    at_0, at_1 = exact.normalize(torch.tensor([0.0, 1.0]).double().reshape(2, 1, 1, 1)).flatten()
    near = (-1 - at_0) / (at_1 - at_0)
    case.check(
        eval=adaptor(depth),
        heads=adaptor.candidates(depth),
        normalised=adaptor.normalize(depth),
        near_plane_offset=(near - adaptor.near).expand(len(depth)),
        start_p=torch.tensor([adaptor.identity_prob(kimg) for kimg in kimgs]),
        selection_probs=torch.stack([adaptor.selection_probs(kimg) for kimg in kimgs]),
    )


@SETS
def test_discriminator(golden, suffix):
    case = golden(f"case_i_discriminator{suffix}")
    discriminator, patch = golden_discriminator(not suffix), case.patch()
    names = ("blocks.0", "blocks.1", "blocks.2", "code_mapping", "epilogue.condition_mapping")
    with outputs_of(discriminator, names) as seen:
        logits, features = discriminator(case["in_img"], case.label(), patch, return_features=True)
    label = case.label()
    case.check(
        logits=logits,
        feats=features,
        logits_first4=discriminator(case["in_img"][:4], None if label is None else label[:4], patch[:4]),
        scalar_embedding=discriminator.scalar_encoder(patch.params),
        hyper_mod_code=seen["code_mapping"],
        head_code=seen["epilogue.condition_mapping"],
        epilogue_input=seen["blocks.2"],
        mbstd_channel=minibatch_std(seen["blocks.2"], 4)[:, :, :1, :1],
    )
    for index, side in enumerate(case.values["block_resolutions"]):
        case.check(**{f"block{side}_absmean": seen[f"blocks.{index}"].abs().mean(dim=(2, 3))})
