"""Cases b, c, e, f and i: mapping, fields, upsampler, generator and discriminator."""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F

from projects.threedgp.layers import octaves
from projects.threedgp.models import GeneratorInput, Sampling
from tests.golden.stylenerf.helpers import (
    AXES,
    View,
    golden_skip_discriminator,
    golden_stylenerf,
    latents,
    sampling_of,
    tangent,
)


def test_mapping(golden):
    case, generator = golden("stylenerf/case_b_mapping"), golden_stylenerf()
    z, label = case["in_z"].double(), case.label()
    label = None if label is None else label.double()
    w = generator.mapping(z, label)
    pulled = generator.mapping.truncate(w[:, None], 0.7)
    generator.mapping.track(w.mean(dim=0))
    case.check(w=w, w_psi07=pulled, w_avg_after_training_call=generator.mapping.w_avg)
    counts = generator.field.num_ws, generator.upsampler.num_ws, generator.num_ws
    assert counts == tuple(case.values[key] for key in ("fg_num_ws", "upsampler_num_ws", "num_ws"))


def test_encoding(golden):
    case, count = golden("stylenerf/case_c_nerf"), 6
    for kind, name in (("fg", "in_points"), ("bg", "in_bg_points")):
        encoded = octaves(case[name][:, :count].double(), case.config[kind]["n_freq_posenc"], math.pi)
        case.check(**{f"{'bg_' if kind == 'bg' else ''}encoding": encoded})


def test_fields(golden):
    case, field = golden("stylenerf/case_c_nerf"), golden_stylenerf().field
    ws, latent = case["in_ws"].double()[:, : field.num_ws], case["in_z_bg"].double()
    radiance = field(ws, latent=latent)
    features, sigma = radiance(case["in_points"].double()[..., AXES])
    case.check(
        rgb=features[..., :3],
        feature=features[..., 3:],
        sigma_raw=sigma,
        sigma_raw_training_mode=sigma,
    )
    features, sigma = radiance.background(case["in_bg_points"].double()[..., [*AXES, 3]])
    case.check("out_bg_", rgb=features[..., :3], feature=features[..., 3:], sigma_raw=sigma)


def test_upsampler(golden):
    case, upsampler = golden("stylenerf/case_e_upsample"), golden_stylenerf().upsampler
    features = torch.cat([case["in_rgb"], case["in_feature"]], dim=1).double()
    ws, seen = case["in_ws"].double(), {}

    def keep(name, module):
        def hook(_module, inputs, out):
            seen.setdefault(name, (inputs[0], out))

        module.register_forward_hook(hook)

    first = upsampler.blocks[0]
    for name, module in (
        ("conv0", first.conv0),
        ("conv1", first.conv1),
        ("correction", first.conv0.adapter.layers),
    ):
        keep(name, module)
    start = upsampler.start_side
    for index in range(len(upsampler.blocks)):
        image = upsampler(features, ws, 2 * upsampler.render_side << index).rgb
        step = 2 if image.shape[-1] > 32 else 1
        case.check(**{f"image_{index}": image[:, :, ::step, ::step]})
    assert start <= upsampler.render_side
    case.check(
        first_conv0=seen["conv0"][1][:1, ::2],
        first_conv1=seen["conv1"][1][:1, ::2],
        first_adapter_input=seen["correction"][0][:1, :, ::2, ::2],
        first_adapter_output=seen["correction"][1][:1, ::2],
    )


def test_upsampler_without_upsampling(golden):
    case, upsampler = golden("stylenerf/case_e_upsample"), golden_stylenerf().upsampler
    features = torch.cat([case["in_rgb"], case["in_feature"]], dim=1).double()
    image = upsampler.without_upsampling(features, case["in_ws"].double(), upsampler.image_side)
    case.check(no_upsampling_last_image=image)


def test_upsampler_in_training(golden):
    case, upsampler = golden("stylenerf/case_e_upsample"), golden_stylenerf().upsampler
    features = torch.cat([case["in_rgb"], case["in_feature"]], dim=1).double()
    image = upsampler(features, case["in_ws"].double(), upsampler.image_side, Sampling(kimg=0.0)).rgb
    magnitudes = [layer.magnitude for block in upsampler.blocks for layer in (block.conv0, block.conv1)]
    case.check(
        training_last_image_sub=image[:, :, ::3, ::3],
        magnitudes_after_training_call=torch.stack(magnitudes),
    )


def test_generator(golden):
    """At all levels of growing, in evaluation and in training."""
    case = golden("stylenerf/case_f_generator")
    for name in case.values["runs"]:
        generator, run = golden_stylenerf(), name.removesuffix("_")
        alpha = float(run.partition("alpha")[2])
        sampling = sampling_of(case, run, generator, alpha, training=run.startswith("train"))
        if alpha == -1:
            # The release takes 20 samples as long as its images have not begun to grow.
            marching = replace(generator.marching, num_coarse=20, num_fine=20)
            sampling = replace(sampling, marching=marching)
        z = latents(case["in_z"], case["in_z_bg"], generator)
        view = View(case["in_cam2world"], tangent(golden))
        out = generator.generate(GeneratorInput(z, case.label(), camera=view), sampling)
        stride = case.values["runs"][name]["image_stride"]
        case.check(f"out_{name}", image=out.rgb[:, :, ::stride, ::stride])
        assert (f"out_{name}nerf_path_loss" in case) == bool(out.terms)
        for key, value in (("nerf_path_loss", out.terms.get("nerf_path")), ("nerf_rgb", out.raw_rgb)):
            if f"out_{name}{key}" in case:
                case.check(f"out_{name}", **{key: value})


def test_discriminator(golden):
    """At all levels of growing, as released and as meant."""
    case = golden("stylenerf/case_i_discriminator")
    images, label = case["in_image_u8"].double() / 127.5 - 1, case.label()
    release, intended = golden_skip_discriminator(), golden_skip_discriminator(fade=True)
    levels = math.log2(release.image_size // release.start_size)
    for alpha, run in case.values["runs"].items():
        size, prefix = run["current_resolution"], f"out_alpha{alpha}_"
        small = F.interpolate(images, (size, size), mode="bilinear")
        level = None if alpha == "-1" else float(alpha) * levels
        case.check(
            prefix,
            logits=release(images, label, level=level),
            logits_resized_input=release(small, label, level=level),
        )
        if f"{prefix}logits_intended_fade" in case:
            case.check(prefix, logits_intended_fade=intended(images, label, level=level))


def test_blocks_of_the_discriminator(golden):
    case, discriminator = golden("stylenerf/case_i_discriminator"), golden_skip_discriminator()
    images, seen = case["in_image_u8"].double() / 127.5 - 1, []
    for block in discriminator.blocks:
        block.register_forward_hook(lambda _, inputs, out: seen.append((*inputs, out)))
    discriminator(images, case.label())
    (_, _, first), (_, image, _) = seen[0], seen[1]
    case.check(
        first_block_x_sub=first[:2, ::2, ::2, ::2],
        first_block_image_sub=image[:2, :, ::2, ::2],
        last_block_x=seen[-1][2],
    )
