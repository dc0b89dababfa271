"""What no component takes is found in a config; what the toolkit's own configs say is accepted."""

from pathlib import Path

import mmagic
import pytest
from mmengine.config import Config

from projects.threedgp.engine.config_check import check_config, check_names, slips
from projects.threedgp.engine.run_config import read_config
from projects.threedgp.errors import UserError

TOOLKIT = Path(mmagic.__file__).parent / ".mim" / "configs"
FAMILIES = (
    *("cyclegan", "dcgan", "eg3d", "ggan", "guided_diffusion", "lsgan", "pggan", "pix2pix", "sagan"),
    *("singan", "sngan_proj", "styleganv1", "styleganv2", "styleganv3", "wgan-gp"),
)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_configs_of_the_toolkit_are_accepted(family):
    paths = sorted((TOOLKIT / family).glob("*.py"))
    assert paths
    for path in paths:
        check_config(read_config(path))


def test_the_biggans_of_the_toolkit_that_do_not_build_are_refused():
    path = TOOLKIT / "biggan" / "biggan-deep_cvt-hugging-face_rgb_imagenet1k-256x256.py"
    with pytest.raises(UserError, match="BigGANDeepGenerator takes no 'init_cfg'"):
        check_config(read_config(path))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            dict(type="BigGAN", ema_config=dict(type="ExponentialMovingAverage", start_iterr=3)),
            "model.ema_config: ExponentialMovingAverage takes no 'start_iterr'",
        ),
        # Only the owner of an average takes this key.
        (dict(type="DataPreprocessor", start_iter=3), "model: DataPreprocessor takes no 'start_iter'"),
    ],
)
def test_a_key_that_nobody_takes_is_refused(model, message):
    with pytest.raises(UserError, match=message):
        check_config(Config(dict(model=model)))


@pytest.mark.parametrize(
    ("name", "section"),
    [
        *(("modle", "model"), ("models", "model"), ("Model", "model"), ("train_cgf", "train_cfg")),
        *(("train_data_loader", "train_dataloader"), ("optim_wraper", "optim_wrapper")),
        *(("visualiser", "visualizer"), ("custom_hook", "custom_hooks"), ("loadfrom", "load_from")),
    ],
)
def test_a_slip_in_the_name_of_a_section_is_found(name, section):
    with pytest.raises(ValueError, match=f"{name}: no section .* did you mean '{section}'"):
        check_names(Config({name: dict(a=1)}))


def test_variables_have_any_other_name():
    """Those of the toolkit's configs are in the families above."""
    plain = dict(batch_size=4, mode="fast", lr=1e-3, num_gpus=8, data_root="data", _modle=dict(a=1))
    check_names(Config(plain | dict(widths=[1, 2], train_pipeline=[], norm_cfg=dict(type="BN"))))


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [
        ("model", "model", 0),
        ("modle", "model", 1),
        ("mdel", "model", 1),
        ("mxdxl", "model", 2),
        ("", "ab", 2),
    ],
)
def test_slips_are_letters_left_out_put_in_replaced_or_swapped(a, b, count):
    assert slips(a, b) == slips(b, a) == count


def test_a_number_out_of_range_is_named_by_its_place():
    hook = dict(type="SampleGridHook", interval=5, batch_size=0)
    with pytest.raises(
        UserError, match=r"custom_hooks\.0\.batch_size: got 0, wanted a whole number of at least 1"
    ):
        check_config(Config(dict(custom_hooks=[hook])))


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("train_dataloader", dict(num_workers=0.5), r"num_workers: got 0\.5, wanted a whole number"),
        ("val_dataloader", dict(batch_size=0), "batch_size: got 0, wanted a whole number of at least 1"),
        ("log_processor", dict(by_epoch=None), "by_epoch: got None, wanted True or False"),
        ("log_processor", dict(by_epoch=-1), "by_epoch: got -1, wanted True or False"),
    ],
)
def test_sections_without_a_type_are_looked_at_too(section, values, message):
    with pytest.raises(UserError, match=rf"{section}\.{message}"):
        check_config(Config({section: values}))


def test_a_plural_is_a_slip_in_our_model_and_a_name_in_those_of_the_toolkit():
    wrapper = dict(generators=dict(optimizer=dict(type="Adam")))
    check_names(Config(dict(model=dict(type="CycleGAN"), optim_wrapper=wrapper)))
    with pytest.raises(ValueError, match=r"optim_wrapper\.generators: .* did you mean 'generator'"):
        check_names(Config(dict(model=dict(type="ThreeDGP"), optim_wrapper=wrapper)))
