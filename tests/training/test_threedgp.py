"""The training step, sampling, and what the model refuses."""

import pytest
import torch
from mmagic.registry import MODELS
from mmagic.structures import DataSample
from mmengine.optim import AmpOptimWrapper, ApexOptimWrapper
from mmengine.registry import init_default_scope

from projects.threedgp.training.packing import to_bgr_bytes
from tests.fixed_draws import build_fixed_model, global_batch, local_batch, sgd
from tests.tiny import tiny_model_config


@pytest.fixture(autouse=True)
def mmagic_scope():
    init_default_scope("mmagic")


def build(**changes):
    return MODELS.build(tiny_model_config(**changes)).train()


def without_key(key):
    batch = local_batch()
    for sample in batch["data_samples"]:
        delattr(sample, key)
    return batch


def with_features_of(width):
    batch = local_batch()
    for sample in batch["data_samples"]:
        sample.teacher_feature = torch.zeros(width)
    return batch


def step(model, batch=None):
    return model.train_step(batch or local_batch(), sgd(model))


# What each ablation changes in the config, and the log entry that must be gone with it.
ABLATIONS = {
    "no depth": (dict(generator=dict(depth_adaptor=None)), "schedule/depth_identity_prob"),
    "no camera learning": (dict(generator=dict(camera_generator=None)), "loss_g_camera_emd"),
    "no distillation": (dict(distillation=None), "loss_d_kd"),
    "no R1": (dict(r1=None), "loss_d_r1"),
    "no blur": (dict(blur_fade=None), "schedule/blur_sigma"),
    "no patches": (
        dict(generator=dict(patch_size=None), patch_sampler=None),
        "schedule/patch_beta",
    ),
    "no EMA": (dict(ema_config=None), "nothing"),
    "no classes": (dict(num_classes=None), "nothing"),
}


def test_a_step_logs_all_losses_and_schedules_and_counts_images():
    model = build()
    logs = step(model)
    assert model.images_seen == 8
    for key in (
        *("loss_g_adv", "loss_g_camera_emd", "loss_g_camera_mean"),
        *("loss_d_adv", "loss_d_kd", "loss_d_r1", "logits/fake", "logits/real"),
        *("grad_norm/generator", "grad_norm/discriminator"),
        *("schedule/blur_sigma", "schedule/patch_beta", "schedule/density_noise"),
        *("schedule/distillation_weight", "schedule/depth_identity_prob"),
    ):
        assert logs[key].isfinite(), key
    assert logs["grad_nonfinite/generator"] == 0


@pytest.mark.parametrize("name", ABLATIONS)
def test_parts_can_be_left_out_by_config(name):
    changes, gone = ABLATIONS[name]
    model = build(**changes)
    before = [p.clone() for p in model.generator.field.mlp.parameters()]
    logs = step(model)
    assert gone not in logs
    assert all(value.isfinite().all() for value in logs.values())
    assert any((a != b).any() for a, b in zip(before, model.generator.field.mlp.parameters(), strict=True))


def test_augmentation_changes_all_that_is_judged_and_follows_the_logits():
    config = dict(type="AdaptiveAugmentation", start=0.5, interval=1, adapt_kimg=1.0)
    model = build(augmentation=config, generator=dict(patch_size=None), patch_sampler=None)
    changed, judged = [], []
    model.augmentation.register_forward_hook(lambda _module, _inputs, out: changed.append(out[0]))
    model.discriminator.register_forward_hook(lambda _module, inputs, _out: judged.append(inputs[0]))
    logs = step(model)
    assert all(torch.equal(a, b) for a, b in zip(changed, judged, strict=True))
    assert len(judged) == 4, "fakes twice, reals, and reals once more for R1"
    assert logs["loss_d_r1"].isfinite() and logs["loss_d_r1"] > 0
    moved = 0.008 if logs["logits/real_sign"] > 0.6 else -0.008
    assert model.augmentation.probability.item() == pytest.approx(0.5 + moved)
    assert logs["schedule/augmentation"].item() == pytest.approx(0.5 + moved)


def test_every_trainable_parameter_of_both_networks_gets_a_gradient():
    """Distributed training hangs on parameters that a step leaves out."""
    model = build()
    seen = set()

    def note(name):
        return lambda _: seen.add(name)

    names = [n for n, p in model.named_parameters() if p.requires_grad and "ema" not in n]
    for name, parameter in model.named_parameters():
        if name in names:
            parameter.register_hook(note(name))
    step(model)
    assert set(names) == seen


def test_r1_comes_at_its_interval():
    model = build(r1=dict(type="R1Regularizer", interval=2))
    assert ["loss_d_r1" in step(model) for _ in range(4)] == [True, False, True, False]


def test_the_running_mean_of_w_moves_once_a_step():
    model = build()
    assert model.generator.mapping.w_avg.norm() == 0
    step(model)
    assert 0 < model.generator.mapping.w_avg.norm() < 0.1


def test_reals_reach_the_discriminator_as_rgb():
    model = build()
    red_in_bgr = torch.zeros(3, 32, 32, dtype=torch.uint8)
    red_in_bgr[2] = 255
    batch = local_batch()
    for sample in batch["data_samples"]:
        sample.gt_img = red_in_bgr
    real = model.real_batch(model.data_preprocessor(batch, True)["data_samples"])
    assert (real.images[:, 0] == 1).all() and (real.images[:, 1:3] == -1).all()


def test_fakes_leave_as_bgr_bytes():
    red = torch.tensor([1.2, -1.0, -3.0])[:, None, None].expand(3, 4, 4)
    assert to_bgr_bytes(red)[:, 0, 0].tolist() == [0, 0, 255]


def test_samples_carry_image_depth_camera_and_label():
    model = build()
    samples = model.eval()(dict(num_batches=3))
    assert len(samples) == 3
    assert samples[0].fake_img.shape == (3, 32, 32) and samples[0].depth.shape == (1, 32, 32)
    assert samples[0].camera.shape == (8,) and samples[0].gt_label.label.shape == (1,)
    assert samples[0].depth.min() >= 0.75 and samples[0].depth.max() <= 1.2501


def test_labels_of_the_data_samples_are_used():
    model = build()
    given = []
    for label in (4, 2):
        sample = DataSample()
        sample.set_gt_label(torch.tensor([float(label)]))
        given.append(sample)
    data = model.data_preprocessor(dict(inputs=dict(num_batches=2), data_samples=given))
    labels = [int(s.gt_label.label) for s in model.eval()(**data)]
    assert labels == [4, 2]


def test_fakes_follow_the_label_distribution():
    model = build()
    model.label_distribution.copy_(torch.tensor([0.0, 0.5, 0.0, 0.5, 0.0]))
    counts = model.draws.labels(1000).bincount(minlength=5)
    assert counts[[0, 2, 4]].sum() == 0 and counts[[1, 3]].min() > 400


def test_deterministic_sampling_repeats_and_random_sampling_does_not():
    model = build().eval()
    noise = torch.randn(2, 32)
    fixed = dict(camera="mean", deterministic=True)

    def images(**kwargs):
        label = DataSample()
        label.set_gt_label(torch.tensor([1, 1]))
        samples = model(dict(noise=noise, sample_kwargs=kwargs), label)
        return torch.stack([s.depth for s in samples])

    torch.testing.assert_close(images(**fixed), images(**fixed))
    assert (images(camera="mean") - images(camera="mean")).abs().max() > 0


def test_the_sampler_has_the_trained_generator_and_its_average():
    model, alone = build(), build(ema_config=None)
    assert model.sampler.orig is model.generator and model.sampler.ema is model.generator_ema.module
    assert alone.sampler.orig is alone.generator and alone.sampler.ema is None


def test_the_average_is_as_old_as_the_training():
    """Past the ramp-up, it has a half-life of 0.3125 kimg per image of the batch."""
    model = build()
    model.images_seen.fill_(1_000_000)
    model.generator_ema.steps.fill_(1)  # at step 0 the toolkit copies
    average, trained = (g.field.mlp.out.weight for g in (model.generator_ema.module, model.generator))
    before = average.clone()
    step(model)
    assert not torch.equal(trained, before)
    torch.testing.assert_close(average, before.lerp(trained, 1 - 0.5 ** (8 / 2500)), rtol=0, atol=1e-7)


def test_ema_and_orig_come_nested():
    samples = build().eval()(dict(num_batches=2, sample_model="ema/orig"))
    assert samples[0].ema.fake_img.shape == samples[0].orig.fake_img.shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (lambda: without_key("depth"), "depth: got none"),
        (lambda: without_key("gt_label"), "gt_label: got none"),
        (lambda: without_key("teacher_feature"), "teacher_feature: got none"),
        (lambda: with_features_of(9), "teacher_feature: got 9 numbers, wanted 12"),
    ],
)
def test_missing_data_is_named(batch, message):
    with pytest.raises(ValueError, match=message):
        step(build(), batch())


def test_images_of_another_size_are_refused():
    batch = local_batch()
    for sample in batch["data_samples"]:
        sample.gt_img = sample.gt_img[:, :16, :16]
    with pytest.raises(ValueError, match=r"gt_img: got shape \(3, 16, 16\), wanted \(3, 32, 32\)"):
        step(build(), batch)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(generator=dict(image_size=48)), "image_size: got 48, wanted a power of two"),
        (dict(generator=dict(patch_size=64)), "patch_size: got 64, wanted at most image_size = 32"),
        (dict(patch_sampler=None), "patch_size: got 16 without a patch_sampler"),
        (
            dict(discriminator=dict(type="ThreeDGPDiscriminator", feature_dim=None)),
            "discriminator.feature_dim: got None",
        ),
        (
            dict(discriminator=dict(type="ThreeDGPDiscriminator", image_size=64)),
            "discriminator.image_size: got 64, wanted 32",
        ),
    ],
)
def test_configs_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_a_batch_that_does_not_divide_into_groups_is_refused():
    batch = dict(inputs={}, data_samples=global_batch()[:6])
    with pytest.raises(ValueError, match="batch size: got 6, wanted a multiple of the patch group"):
        step(build(), batch)


def test_accumulation_in_the_optimiser_wrapper_is_refused():
    model = build()
    wrappers = sgd(model)
    wrappers["generator"]._accumulative_counts = 4
    with pytest.raises(ValueError, match=r"accumulative_counts: got 4.*micro_batch_size"):
        model.train_step(local_batch(), wrappers)


@pytest.mark.parametrize("kind", [AmpOptimWrapper, ApexOptimWrapper])
@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_mixed_precision_in_the_optimiser_wrapper_is_refused(kind, name):
    model, wrappers = build(), sgd(build())
    # Neither can be made without a GPU, or without apex.
    wrappers.optim_wrappers[name] = object.__new__(kind)
    message = rf"optim_wrapper.{name}.type: got {kind.__name__}, wanted OptimWrapper; .*low_precision_blocks"
    with pytest.raises(ValueError, match=message):
        model.train_step(local_batch(), wrappers)


def test_a_checkpoint_holds_networks_average_and_time_by_their_names_of_old():
    state = build().state_dict()
    names = {name.partition(".")[0] for name in state}
    assert names == {"generator", "discriminator", "generator_ema", "images_seen", "label_distribution"}
    trained = {name.removeprefix("generator.") for name in state if name.startswith("generator.")}
    start = "generator_ema.module."
    assert {name.removeprefix(start) for name in state if name.startswith(start)} == trained


def test_a_checkpoint_of_another_config_is_refused():
    state = build(num_classes=None).state_dict()
    with pytest.raises(ValueError, match=r"another config.*\n.*mapping.embed.bias"):
        build().load_state_dict(state, strict=False)
    field = tiny_model_config()["generator"]["field"]
    wide = build(generator=dict(field=field | dict(mlp_hidden_dim=8))).state_dict()
    with pytest.raises(ValueError, match=r"mlp\.hidden\.weight.*instead of"):
        build().load_state_dict(wide, strict=False)


def test_another_configs_checkpoint_loads_what_fits_if_asked_for():
    donor = build(num_classes=None)
    model = build(strict_load=False)
    model.load_state_dict(donor.state_dict(), strict=False)
    torch.testing.assert_close(model.generator.field.mlp.out.weight, donor.generator.field.mlp.out.weight)


def test_training_time_is_part_of_the_checkpoint():
    model = build_fixed_model()
    step(model)
    other = build_fixed_model()
    other.load_state_dict(model.state_dict())
    assert other.kimg == model.kimg == 0.008
