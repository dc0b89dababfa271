"""Pictures of samples during training."""

import numpy as np
import pytest
import torch
from mmagic.registry import MODELS
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from projects.threedgp.engine.fixed_inputs import averaged_pose, draw_fixed_inputs
from projects.threedgp.engine.sample_grid_hook import SampleGridHook, strip_grid
from tests import tiny_runs


@pytest.fixture
def data(tmp_path):
    return tiny_runs.write_images(tmp_path / "data", colour=(255, 0, 0))


@pytest.fixture
def model():
    return MODELS.build(tiny_runs.model())


def train(work_dir, data, kimg=0.016, **hook):
    hook = dict(type="SampleGridHook", num_samples=4, **hook)
    backends = [dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")]
    return tiny_runs.training(
        *(work_dir, data, kimg),
        custom_hooks=[hook],
        visualizer=dict(type="Visualizer", vis_backends=backends),
    ).train()


def test_grids_are_written_during_training_and_at_its_end(tmp_path, data):
    train(tmp_path / "run", data, interval=3)
    samples = tmp_path / "run" / "samples"
    assert sorted(path.name for path in samples.iterdir()) == [
        *("kimg_000000.012.png", "kimg_000000.016.png"),
        "reals.png",
    ]
    grid = np.asarray(Image.open(samples / "kimg_000000.016.png"))
    assert grid.shape == (4 * 34 - 2, 3 * 34 - 2, 3)  # four strips of three, gaps of two
    events = EventAccumulator(str(next((tmp_path / "run").glob("*/vis_data"))))
    assert [event.step for event in events.Reload().Images("samples")] == [3, 4]


def test_interval_in_images_acts_when_it_is_passed(tmp_path, data):
    train(tmp_path / "run", data, kimg=0.024, interval_kimg=0.01)
    events = EventAccumulator(str(next((tmp_path / "run").glob("*/vis_data"))))
    assert [event.step for event in events.Reload().Images("samples")] == [3, 5, 6]


def test_reals_have_the_colours_of_the_files_beside_their_depth(tmp_path, data):
    train(tmp_path / "run", data, kimg=0.004, interval=100)
    grid = np.asarray(Image.open(tmp_path / "run" / "samples" / "reals.png"))
    assert grid.shape[0] % 34 == 32 and grid.shape[1] == 66
    assert (grid[:32, :32] == [255, 0, 0]).all()
    assert (grid[:32, 34] != grid[:32, -1]).any()


def test_pictures_have_no_effect_on_training(tmp_path, data):
    with_pictures = train(tmp_path / "a", data, interval=1)
    without = tiny_runs.training(tmp_path / "b", data, 0.016).train()
    for key, value in without.state_dict().items():
        torch.testing.assert_close(with_pictures.state_dict()[key], value, rtol=0, atol=0)


def test_same_seed_gives_the_same_inputs_and_another_seed_others(model):
    first, again, other = (draw_fixed_inputs(model, 3, seed) for seed in (0, 0, 1))
    torch.testing.assert_close(first.z, again.z, rtol=0, atol=0)
    torch.testing.assert_close(first.prior.params, again.prior.params, rtol=0, atol=0)
    assert first.label.tolist() == again.label.tolist()
    assert not torch.equal(first.z, other.z)


def test_pictures_repeat_and_do_not_depend_on_the_batch_size(model):
    inputs = draw_fixed_inputs(model, 3, 0)
    strips = [SampleGridHook(1, batch_size=n).fake_strips(model, inputs) for n in (1, 3)]
    for one, all_at_once in zip(*strips, strict=True):
        difference = np.abs(np.int32(one) - np.int32(all_at_once))
        assert difference.max() <= 1


def test_pictures_are_of_the_averaged_generator(model):
    inputs = draw_fixed_inputs(model, 2, 0)
    hook = SampleGridHook(1)
    before = strip_grid(hook.fake_strips(model, inputs))
    with torch.no_grad():
        for parameter in model.generator.parameters():
            parameter.add_(1)
    np.testing.assert_array_equal(before, strip_grid(hook.fake_strips(model, inputs)))
    expected = model.generator_ema.module.pose(inputs.prior, inputs.z, inputs.label)
    torch.testing.assert_close(averaged_pose(model, inputs).params, expected.params)


def test_a_model_without_depth_adaptor_has_two_panels():
    config = tiny_runs.model()
    config["generator"]["depth_adaptor"] = None
    model = MODELS.build(config)
    strips = SampleGridHook(1).fake_strips(model, draw_fixed_inputs(model, 1, 0))
    assert len(strips[0]) == 2


@pytest.mark.parametrize("intervals", [{}, dict(interval=1, interval_kimg=1), dict(interval=0)])
def test_exactly_one_interval_has_to_be_given(intervals):
    with pytest.raises(ValueError, match="wanted one of them, more than 0"):
        SampleGridHook(**intervals)
