"""What no component takes is found in a config; what the toolkit's own configs say is accepted."""

from pathlib import Path

import mmagic
import pytest
from mmengine.config import Config

from projects.threedgp.engine.config_check import check_config
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
