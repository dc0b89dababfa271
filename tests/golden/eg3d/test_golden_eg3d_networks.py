"""Cases b, c, d (mapping, planes, look-up), f (generator), g (super-resolution) and i (discriminator)."""

from projects.threedgp.layers import resize
from projects.threedgp.models import GeneratorInput, Sampling
from projects.threedgp.rendering import PoseLabel, render_rays, sample_planes
from projects.threedgp.rendering.triplane import plane_coordinates
from tests.golden.eg3d.helpers import (
    golden_dual_discriminator,
    golden_eg3d,
    noise_by_rule,
    ray_draws,
)
from tests.golden.test_golden_networks import outputs_of

RELEASE, FIXED = ("xy", "xz", "zx"), ("xy", "xz", "zy")


def every(step, *rest):
    """An index that keeps every so many entries of each dimension but the first."""
    return (slice(None), *(slice(None, None, s) for s in (step, *rest)))


def test_mapping(golden):
    case = golden("eg3d/case_b_mapping")
    generator = golden_eg3d()
    z, pose = case["in_z"].double(), case["in_c"].double()
    cut = Sampling(truncation_psi=0.5, truncation_cutoff=3)
    last = case.values["num_ws"] - 1
    case.check(
        ws=generator.style(z, conditioning=pose)[:, [0, last]],
        ws_psi07=generator.style(z, sampling=Sampling(truncation_psi=0.7), conditioning=pose)[:, [0, last]],
        ws_psi05_cutoff3=generator.style(z, sampling=cut, conditioning=pose)[:, [0, 2, 3, last]],
    )
    scale, generator.mapping.pose_scale = generator.mapping.pose_scale, 0.0
    case.check(ws_zero_condition=generator.style(z, conditioning=pose)[:, [0, last]])
    generator.mapping.pose_scale = scale
    generator.mapping.track(generator.style(z, conditioning=pose)[:, 0].mean(dim=0))
    case.check(w_avg_after_update=generator.mapping.w_avg)


def test_planes(golden):
    case = golden("eg3d/case_c_planes")
    decoder, ws = golden_eg3d().field.decoder, case["in_ws"].double()
    with outputs_of(decoder, [f"blocks.{i}" for i in range(4)]) as seen:
        planes = decoder(ws, "const")
    (x4, img4), (x8, img8), (x16, _), (_, img32) = (seen[f"blocks.{i}"] for i in range(4))
    with noise_by_rule():
        random = decoder(ws, "random")
    sub = every(5, 11, 11)
    case.check(
        x_b4=x4,
        x_b8=x8,
        x_b16_sub=x16[every(1, 3, 3)],
        img_b4=img4,
        img_b8_sub=img8[every(4)],
        img_b32_sub=img32[every(5, 5, 5)],
        planes_sub=planes[sub],
        planes_nonoise_sub=decoder(ws, "none")[sub],
        planes_random_noise_sub=random[sub],
    )


def test_look_up_and_mlp(golden):
    case = golden("eg3d/case_d_sample")
    planes, points = case["in_planes"].double().flatten(1, 2), case["in_points"].double()
    scale = case.values["box_warp"] / 2
    for prefix, axes, third in (("", RELEASE, slice(None)), ("fixed_", FIXED, slice(2, None))):
        field = golden_eg3d().field
        field.axes = axes
        rgb, sigma = field.radiance(planes)(points)
        features = sample_planes(planes, points, scale, axes, align_corners=False)
        results = dict(
            coordinates=plane_coordinates(points, scale, axes),
            plane_features=features[:, third, ::3],
            rgb=rgb[:, ::2],
            sigma=sigma,
        )
        case.check(**{prefix + name: result for name, result in results.items()})


def test_generator(golden, monkeypatch):
    case = golden("eg3d/case_f_generator")
    rendered = []

    def render(*arguments):
        rendered.append(render_rays(*arguments))
        return rendered[-1]

    monkeypatch.setattr("projects.threedgp.models.volume_renderer.render_rays", render)
    generator = golden_eg3d()
    inputs = GeneratorInput(case["in_z"].double(), camera=PoseLabel(case["in_c"].double()))
    sampling = Sampling(noise_mode="const", draws=ray_draws(case, "rng_"))
    with outputs_of(generator, ["renderer", "upsampler", "field.decoder"]) as seen:
        out = generator.generate(inputs, sampling)
    n, side = len(inputs.z), case.values["neural_rendering_resolution"]
    features = seen["renderer"][0].mT.reshape(n, -1, side, side)
    case.check(
        planes_sub=seen["field.decoder"][every(7, 23, 23)],
        feature_image_sub=features[every(4, 2, 2)],
        image_raw=out.raw,
        image_depth=out.depth,
        weight_sum=rendered[0].weights.sum(dim=-1),
        image_sub=out.rgb[every(1, 5, 5)],
    )
    psi = Sampling(noise_mode="const", draws=ray_draws(case, "rng_psi_"), **case.values["psi"])
    out = generator.generate(inputs, psi)
    case.check(
        psi_image_raw=out.raw,
        psi_image_depth=out.depth,
        psi_image_sub=out.rgb[every(1, 5, 5)],
        image_corner=out.rgb[..., :6, :6],
    )
    scene = generator.scene(generator.style(inputs.z, conditioning=inputs.camera.params), sampling)
    rgb, sigma = scene.query(case["in_points"].double())
    case.check(sample_rgb=rgb, sample_sigma=sigma)


def test_raw_image_is_changed_where_nothing_is_resized(golden):
    case = golden("eg3d/case_f_generator")
    generator = golden_eg3d()
    rays = case["rng_same_size_stratified_u"].shape[1]
    generator.upsampler.size = generator.upsampler.size.__class__(round(rays**0.5), round(rays**0.5), 0)
    inputs = GeneratorInput(case["in_z"][:1].double(), camera=PoseLabel(case["in_c"][:1].double()))
    sampling = Sampling(noise_mode="const", draws=ray_draws(case, "rng_same_size_"))
    with outputs_of(generator, ["renderer"]) as seen:
        out = generator.generate(inputs, sampling)
    features = seen["renderer"][0].mT.reshape(1, -1, *out.raw.shape[-2:])
    case.check(
        same_size_first_features_sub=features[:, :3][every(1, 5, 5)],
        same_size_image_raw_sub=out.raw[every(1, 5, 5)],
        same_size_image_sub=out.rgb[every(1, 5, 5)],
    )


def test_super_resolution(golden):
    case = golden("eg3d/case_g_superres")
    upsampler, ws, size = golden_eg3d().upsampler, case["in_ws"].double(), case.config["img_resolution"]
    features = case["in_features"].double()
    with outputs_of(upsampler, ["blocks.0", "blocks.1"]) as seen:
        rgb = upsampler(features, ws, size).rgb
    (x0, rgb0), (x1, _) = seen["blocks.0"], seen["blocks.1"]
    sub = every(1, 5, 5)
    case.check(
        resized_sub=resize(features, case.config["sr_input_resolution"])[every(4, 5, 5)],
        block0_x_sub=x0[every(16, 5, 5)],
        block0_rgb_sub=rgb0[sub],
        block1_x_sub=x1[every(16, 5, 5)],
        image_sub=rgb[sub],
        image_corner=rgb[..., -7:, -7:],
    )
    upsampler.noise_mode = "const"
    case.check(image_const_noise_sub=upsampler(features, ws, size).rgb[sub])
    upsampler.noise_mode = "random"
    with noise_by_rule():
        case.check(image_random_noise_sub=upsampler(features, ws, size).rgb[sub])
    upsampler.noise_mode = "none"
    big = case["in_big_seed_features"].double().repeat_interleave(5, dim=2).repeat_interleave(5, dim=3)
    case.check(big_image_sub=upsampler(big, ws, size).rgb[sub])


def test_discriminator(golden, monkeypatch):
    case = golden("eg3d/case_i_discriminator")
    discriminator = golden_dual_discriminator()
    images, raw = case["in_real_u8"].double() / 127.5 - 1, case["in_raw"].double()
    pose, side = case["in_c"].double(), case.values["real_raw_size"]
    last = f"judge.blocks.{len(discriminator.judge.blocks) - 1}"
    names = ("judge.blocks.0", last, "judge.epilogue.condition_mapping")
    with outputs_of(discriminator, names) as seen:
        logits = discriminator(images, raw=raw, pose=pose)
    raws = {}
    for name, share in (("antialiased", 1.0), ("none", 0.0), ("half", 0.5)):
        discriminator.raw_antialias = share
        raws[name] = discriminator.raw_of(images, side)
    case.check(
        logits=logits,
        x_first_block_sub=seen["judge.blocks.0"][:2][every(4, 5, 5)],
        x_last_block=seen[last],
        mapped_condition=seen["judge.epilogue.condition_mapping"],
        raw_resized_sub=resize(raw, images.shape[-1])[every(1, 5, 5)],
        logits_first_two=discriminator(images[:2], raw=raw[:2], pose=pose[:2]),
        real_raw_antialiased=raws["antialiased"],
        real_raw_none=raws["none"][:1],
        real_raw_half=raws["half"][:1],
        logits_real=discriminator(images, raw=raws["antialiased"], pose=pose),
    )
    discriminator.pose_noise = case.values["disc_c_noise"]
    monkeypatch.setattr("torch.randn_like", lambda like: case["rng_c_noise"].to(like))
    case.check(
        logits_c_noise=discriminator(images, raw=raw, pose=pose), c_after_noise=discriminator.noisy(pose)
    )
