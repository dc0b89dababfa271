"""Cases b, c, d (mapping, volume, MLP), f (generator) and i (discriminator)."""

import math

import pytest

from projects.threedgp.layers import normalize_second_moment
from projects.threedgp.models import GeneratorInput, Sampling
from projects.threedgp.rendering import sample_grid
from tests.golden.test_golden_networks import outputs_of
from tests.golden.volumegan.helpers import Run, golden_growing_discriminator, golden_volumegan

RUNS = ["lod0", "lod0.25", "lod1", "lod1.5", "lod2", "no_noise", "psi"]


def levels(config):
    return math.log2(config["resolution"] // config["nerf_res"])


def test_mapping(golden):
    case = golden("volumegan/case_b_mapping")
    generator, z = golden_volumegan(), case["in_z"].double()
    label = case["in_label"].double() if "in_label" in case else None
    assert generator.num_ws == case.values["num_layers"]
    case.check(normalised_z=normalize_second_moment(z), w=generator.mapping(z, label))


def test_volume(golden):
    case = golden("volumegan/case_c_volume")
    field = golden_volumegan().field
    assert field.embedding.widths == case.values["stage_channels"]
    with outputs_of(field.embedding, ["stages.0.conv", "stages.1.conv"]) as seen:
        volume = field.embedding(case["in_w"].double())
    points = case["in_points"].double()
    in_box = field.in_box(points)
    case.check(
        conv0=seen["stages.0.conv"][:1, ::2],
        conv1_sub=seen["stages.1.conv"][:1, ::2, ::2, ::2, ::2],
        volume_sub=volume[:, :, ::2, ::2, ::2],
        grid_coordinates=in_box,
        small_lookup=sample_grid(case["in_small_volume"].double(), in_box).mT,
        lookup=field.embedding.look_up(volume, in_box).mT,
        encoding=field.encode(points[:, :8]),
    )


def test_mlp(golden):
    case = golden("volumegan/case_d_nerf")
    points = case["in_points"].double()
    features, sigma = golden_volumegan().field(case["in_wp"].double())(points.flatten(1, 3))
    case.check(sigma=sigma, feature=features)


@pytest.mark.parametrize("name", RUNS)
def test_generator(golden, name):
    case = golden("volumegan/case_f_generator")
    values, run = case.values["runs"][name], Run(case, name)
    options = values["options"]
    sampling = Sampling(
        truncation_psi=options.get("trunc_psi", 1.0),
        truncation_cutoff=options.get("trunc_layers"),
        noise_mode=options.get("noise_mode", "const"),
        draws=run.rays,
        level=levels(case.config) - values["lod"],
    )
    output = golden_volumegan().generate(GeneratorInput(case["in_z"].double(), camera=run.camera), sampling)
    stride = case.values["image_stride"]
    case.check(**{f"{name}_image": output.rgb[..., ::stride, ::stride]})


def test_generator_in_training(golden):
    case = golden("volumegan/case_f_generator")
    generator, run = golden_volumegan(), Run(case, "train")
    run.spread_noise(generator)
    inputs = GeneratorInput(case["in_z"].double(), camera=run.camera, mixing=run.mixing)
    output = generator.generate(inputs, Sampling(noise_mode="const", draws=run.rays))
    generator.mapping.track(output.ws[:, 0].mean(dim=0))
    stride = case.values["image_stride"]
    case.check(
        "out_train_",
        image=output.rgb[..., ::stride, ::stride],
        wp_sub=output.ws[..., :: output.ws.shape[-1] // case["out_train_wp_sub"].shape[-1]],
        w_avg_after=generator.mapping.w_avg,
    )


def test_upsampler(golden):
    case = golden("volumegan/case_f_generator")
    upsampler = golden_volumegan().upsampler
    features, ws = case["in_feature_image"].double(), case["in_cnn_wp"].double()
    names = ("blocks.0.conv0", "blocks.0.conv1", "blocks.0.to_image")
    with outputs_of(upsampler, names) as seen:
        out = upsampler(features, ws, case.config["resolution"], Sampling(noise_mode="const"))
    layer1, layer2, rgb1 = (seen[name] for name in names)
    case.check("out_cnn_", layer1=layer1[:, ::2], layer2=layer2[:, ::2], rgb1=rgb1, image=out.rgb)


def test_discriminator(golden):
    case = golden("volumegan/case_i_discriminator")
    discriminator, images = golden_growing_discriminator(), case["in_image_u8"].double() / 127.5 - 1
    label = case["in_label"].double() if "in_label" in case else None
    for lod in case.values["lods"]:
        level = discriminator.levels - lod
        case.check(**{f"lod{lod}_score": discriminator(images, label, level=level)})
    with outputs_of(discriminator, ["blocks.0", "blocks.0.skip"]) as seen:
        discriminator(images, label)
    residual = seen["blocks.0.skip"]
    sub = (slice(2), slice(None, None, 2), slice(None, None, 3), slice(None, None, 3))
    case.check(first_branch_sub=(seen["blocks.0"] - residual)[sub], first_residual_sub=residual[sub])
