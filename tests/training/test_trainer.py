"""projects/threedgp/training/trainer.py and phases.py: what a step does, seen through train_step."""

from contextlib import contextmanager

import pytest
import torch
from mmagic.registry import MODELS
from mmengine.registry import init_default_scope
from torch.utils._python_dispatch import TorchDispatchMode

from tests.fixed_draws import build_fixed_model, global_batch, local_batch, sgd
from tests.tiny import tiny_model_config

R1 = "R1Regularizer"


class Watch(TorchDispatchMode):
    """Writes down which numbers were asked for, and which large tensors were copied to another layout."""

    def __init__(self, large):
        super().__init__()
        self.large, self.asked, self.turned = large, [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            self.asked.append(args[0])
        if func in (
            torch.ops.aten.clone.default,
            torch.ops.aten.copy_.default,
            torch.ops.aten._to_copy.default,
        ):
            source = args[1] if func is torch.ops.aten.copy_.default else args[0]
            if source.ndim == 4 and source.numel() >= self.large and source.is_floating_point():
                layouts = [x.is_contiguous(memory_format=torch.channels_last) for x in (source, out)]
                if layouts[0] != layouts[1]:
                    self.turned.append(tuple(source.shape))
        made = out[:1] if func is torch.ops.aten.convolution_backward.default else [out]
        is_large = "convolution" in func.__name__ and made[0] is not None and made[0].numel() >= self.large
        if is_large and not made[0].is_contiguous(memory_format=torch.channels_last):
            self.turned.append(tuple(made[0].shape))
        return out


def watched_step(large, **changes):
    """What a step asks for and turns, in a model whose feature maps are larger than weights and images."""
    field = dict(resolution=64, feature_dim=8, cbase=2048, cmax=16)
    config = tiny_model_config(None, generator=dict(field=field), **changes)
    config["discriminator"] |= dict(cbase=2048, cmax=32)
    model = MODELS.build(config).train()
    wrappers = sgd(model)
    with Watch(large) as watch:
        model.train_step(local_batch(), wrappers)
    return model, watch


def test_features_keep_their_layout():
    """Channels last, forth and back, from the decoder's constant to the planes and in the discriminator.

    R1 differentiates what came from images, which are not.
    """
    _, watch = watched_step(large=8 * 32 * 16 * 16, r1=None)
    assert watch.turned == []


def test_no_device_is_waited_for_within_a_step():
    """Nothing is read but the counts of images, which stay on the CPU; logs come out all at once."""
    model, watch = watched_step(1, patch_sampler=dict(type="PatchSampler", distribution="uniform"))
    counts = [model.images_seen, model.generator_ema.images_before, model.generator_ema.steps]
    others = [x for x in watch.asked if all(x.data_ptr() != count.data_ptr() for count in counts)]
    # The toolkit's average compares its own count with 0.
    assert len(watch.asked) > 3 and [x.dtype for x in others] == [torch.bool]
    moved = model.to("meta")
    assert all(count.device.type == "cpu" for count in (moved.images_seen, moved.generator_ema.steps))


@pytest.fixture(autouse=True)
def mmagic_scope():
    init_default_scope("mmagic")


def patches(**changes):
    return dict(patch_sampler=dict(type="PatchSampler", **changes))


def camera_regularizer(kind, ramp):
    return dict(camera_regularizers=[dict(type=f"Camera{kind}Regularizer", ramp=ramp)])


def blur(value):
    """A fade, a blur that does not fade for long, or none."""
    if value is None:
        return dict(blur_fade=None)
    if isinstance(value, float):
        value = dict(start=value, over_kimg=1e9)
    return dict(blur_fade=dict(type="BlurFade", init_sigma=value["start"], fade_kimg=value["over_kimg"]))


# The change of the config that sets the schedule (or a constant), and its values before and after the ramp.
SCHEDULES = {
    "density noise": (lambda value: dict(generator=dict(density_noise=value)), 0.0, 3.0),
    "patch beta": (lambda value: patches(beta=value), 1e-3, 2.0),
    "smallest patch": (lambda value: patches(distribution="uniform", min_scale=value), 0.9, 0.3),
    "distillation weight": (
        lambda value: dict(distillation=dict(type="KnowledgeDistillationLoss", weight=value)),
        1.0,
        0.25,
    ),
    "unadapted depth": (
        lambda value: dict(
            generator=dict(depth_adaptor=dict(type="DepthAdaptor", hidden_dim=16, identity_prob=value))
        ),
        0.0,
        0.5,
    ),
    "camera EMD": (lambda value: camera_regularizer("EMD", value), 0.0, 1.0),
    "camera slope": (lambda value: camera_regularizer("Slope", value), 0.0, 1.0),
    "blur": (blur, 4.0, None),
}


def learned(kimg, changes):
    """What the step at this time logs of losses, logits and gradients, under the same chance each time."""
    torch.manual_seed(0)
    model = MODELS.build(tiny_model_config(**changes)).train()
    model.images_seen.fill_(1000 * kimg)
    torch.manual_seed(1)
    logs = model.train_step(local_batch(), sgd(model))
    return {key: value.item() for key, value in logs.items() if key.startswith(("loss", "logits", "grad_"))}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_acts_as_the_constant_that_it_is_at_the_time(name):
    changes, start, end = SCHEDULES[name]
    schedule = changes(dict(start=start, end=end, over_kimg=1.0))
    assert learned(0, schedule) == pytest.approx(learned(0, changes(start)))
    later = learned(2, schedule)
    assert later == pytest.approx(learned(2, changes(end)))
    assert later != pytest.approx(learned(2, changes(start)), rel=1e-3)


def test_distillation_compares_with_the_teacher_and_weighs_by_scale():
    model = build_fixed_model()
    head = model.discriminator.epilogue.feature_head[-1]
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    scales = model.draws.patches(8).scales[:, 0]
    logs = model.train_step(local_batch(), sgd(model))
    norms = torch.stack([sample.teacher_feature.norm() for sample in global_batch()])
    assert scales.unique().numel() == 8
    torch.testing.assert_close(logs["loss_d_kd"], (norms * scales / scales.mean()).mean())


def test_the_discriminator_is_told_class_and_patch_of_all_that_it_judges():
    model = build_fixed_model()
    told = []
    model.discriminator.register_forward_pre_hook(
        lambda _module, _images, kwargs: told.append(kwargs), with_kwargs=True
    )
    model.train_step(local_batch(), sgd(model))
    fakes, real_patch = model.draws.fakes(8), model.draws.patches(8)
    real_label = torch.arange(8) % 5
    of_fakes, of_reals = (fakes.patch, fakes.label), (real_patch, real_label)
    # The generator's phase, the discriminator's, and the gradient penalty.
    for kwargs, (patch, label) in zip(told, [of_fakes, of_fakes, of_reals, of_reals], strict=True):
        assert torch.equal(kwargs["patch"].params, patch.params)
        assert torch.equal(kwargs["label"], label)


def r1_gradient(interval):
    """The logged penalty, and the gradient of its phase."""
    model = build_fixed_model(r1=dict(type=R1, gamma=100.0, interval=interval))
    real = model.real_batch(model.data_preprocessor(local_batch(), True)["data_samples"])
    result = model.phases.r1_phase(real.cut(model.draws.patches(8), 16), batch_size=8)
    result.loss.backward()
    return result.logs["loss_d_r1"], model.discriminator.from_image.weight.grad


def test_the_lazy_penalty_makes_up_for_the_steps_without_it():
    (penalty, each_step), (same, each_sixteenth) = r1_gradient(1), r1_gradient(16)
    torch.testing.assert_close(penalty, same)
    assert each_step.abs().max() > 1e-3
    torch.testing.assert_close(each_sixteenth, 16 * each_step)


@pytest.mark.parametrize("micro_batch_size", [None, 2])
def test_gamma_follows_the_whole_batch(micro_batch_size):
    def penalty(gamma):
        r1 = dict(type=R1, gamma=gamma)
        model = build_fixed_model(r1=r1, micro_batch_size=micro_batch_size)
        return model.train_step(local_batch(), sgd(model))["loss_d_r1"]

    torch.testing.assert_close(penalty("auto"), penalty(0.0002 * 32**2 / 8), rtol=1e-4, atol=0)


def test_the_mean_style_code_is_that_of_the_whole_batch():
    model = build_fixed_model(micro_batch_size=3)
    fakes = model.draws.fakes(8)
    logs = model.train_step(local_batch(), sgd(model))
    moved = build_fixed_model()  # the generator's step comes first, and moves the mapping
    moved.generator.mapping.load_state_dict(model.generator.mapping.state_dict())
    mean = moved.generator.mapping(fakes.z, fakes.label).mean(dim=0)
    torch.testing.assert_close(model.generator.mapping.w_avg, 0.002 * mean)
    assert not any("w_mean" in key for key in logs)


def logs_of_a_step(model):
    return model.train_step(local_batch(), sgd(model))


def test_micro_batches_log_what_the_whole_batch_logs():
    cut, whole = (logs_of_a_step(build_fixed_model(micro_batch_size=size)) for size in (3, None))
    assert cut.keys() == whole.keys()
    for name, value in whole.items():
        torch.testing.assert_close(
            cut[name], value, rtol=1e-4, atol=1e-6, msg=lambda m, name=name: f"{name}: {m}"
        )


def arrivals(model, network):
    """Notes in which order gradients reach a network, and whether processes would average them then."""
    notes, put_off = [], []

    @contextmanager
    def no_sync():
        put_off.append(True)
        yield
        put_off.pop()

    network.no_sync = no_sync
    next(network.parameters()).register_hook(lambda _: notes.append("kept" if put_off else "averaged"))
    logs_of_a_step(model)
    return notes


def test_processes_average_their_gradients_once_a_phase():
    model = build_fixed_model(micro_batch_size=3)
    assert arrivals(model, model.generator) == ["kept", "kept", "averaged"]


def test_the_discriminator_learns_in_its_own_phases_only():
    """From fakes and reals together, and in the gradient penalty."""
    model = build_fixed_model()
    assert arrivals(model, model.discriminator) == ["averaged", "averaged"]


def test_what_is_frozen_stays_frozen():
    model = build_fixed_model()
    frozen = model.discriminator.from_image
    frozen.requires_grad_(False)
    before = frozen.weight.clone()
    logs_of_a_step(model)
    assert torch.equal(frozen.weight, before) and not frozen.weight.requires_grad


def test_gradients_that_are_not_finite_are_counted_and_mended():
    model = build_fixed_model(r1=None)
    weight = model.generator.field.mlp.out.weight
    weight.register_hook(lambda gradient: torch.full_like(gradient, torch.nan))
    before = weight.clone()
    logs = logs_of_a_step(model)
    assert logs["grad_nonfinite/generator"] == weight.numel() and logs["grad_norm/generator"].isfinite()
    assert logs["grad_nonfinite/discriminator"] == 0
    assert torch.equal(weight, before)


def test_so_are_those_of_the_gradient_penalty_by_themselves():
    model = build_fixed_model()
    weight, times = model.discriminator.from_image.weight, []
    # The second time that gradients arrive there is the penalty's.
    weight.register_hook(lambda gradient: times.append(1) or gradient / (2 - len(times)))
    logs = logs_of_a_step(model)
    assert logs["grad_nonfinite/discriminator"] == 0
    assert logs["grad_nonfinite/r1"] == weight.numel()
