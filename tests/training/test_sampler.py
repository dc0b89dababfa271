"""projects/threedgp/training/sampler.py"""

import pytest
import torch

from projects.threedgp.models import Sampling
from projects.threedgp.training.sampler import Sampler
from tests.models.fields.test_implicit_field import generator as growing_generator
from tests.tiny import IMAGE_SIZE, Z_DIM, tiny_generator

Z, LABEL = torch.ones(1, Z_DIM), torch.tensor([1])


def sampler(average=True, deterministic=True):
    return Sampler(tiny_generator(), tiny_generator() if average else None, deterministic)


def test_the_average_is_the_default_if_there_is_one():
    both, alone = sampler(), sampler(average=False)
    assert both.generator_of() is both.generator_of("ema") is both.ema
    assert both.generator_of("orig") is both.orig
    assert alone.generator_of() is alone.orig


@pytest.mark.parametrize(("average", "kind"), [(True, "best"), (False, "ema"), (False, "ema/orig")])
def test_a_generator_that_is_not_there_is_named(average, kind):
    with pytest.raises(ValueError, match=rf"sample_model: got '{kind}', wanted one of \(.*'orig'"):
        sampler(average).sample(Z, LABEL, sample_model=kind)


def test_samples_are_full_images_and_leave_the_generator_in_training():
    samples = sampler()
    samples.ema.train()
    output = samples.sample(Z, LABEL)
    assert output.rgb.shape == (1, 3, IMAGE_SIZE, IMAGE_SIZE) and not output.rgb.requires_grad
    assert samples.ema.training and samples.ema.depth_adaptor.training


def test_both_kinds_see_the_same_camera():
    asked = dict(camera="mean", resolution=4)
    outputs = sampler().sample_as_asked(Z, LABEL, "ema/orig", asked)
    assert list(outputs) == ["ema", "orig"] and asked == dict(camera="mean", resolution=4)
    for output in outputs.values():
        assert output.rgb.shape == (1, 3, 4, 4)
        torch.testing.assert_close(output.camera.params, sampler().orig.prior.mean(1).params)


def test_marching_options_replace_those_of_the_generator():
    samples = sampler()
    near = samples.sample_as_asked(Z, LABEL, "orig", dict(camera="mean"))["orig"].depth
    far = samples.sample_as_asked(Z, LABEL, "orig", dict(camera="mean", marching=dict(near=2.0, far=3.0)))
    assert near.max() <= 1.26 and far["orig"].depth.min() >= 1.99


def test_an_unknown_camera_is_named():
    with pytest.raises(ValueError, match=r"sample_kwargs\.camera: got 'front', wanted 'mean' or"):
        sampler().sample_as_asked(Z, LABEL, None, dict(camera="front"))


def test_samples_have_grown_as_far_as_the_training():
    samples = Sampler(growing_generator(), None, True, level=0.0)
    latent, label = torch.ones(1, 11), torch.tensor([1])
    assert samples.sample(latent, label).rgb.shape[-1] == 8
    assert samples.sample(latent, label, sampling=Sampling(level=0.5)).rgb.shape[-1] == 16
