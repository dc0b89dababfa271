"""projects/threedgp/engine/dependent_settings.py"""

import pytest
from mmengine.config import Config

from projects.threedgp.engine.dependent_settings import settle


def settled(discriminator: dict) -> Config:
    """A config without patches, after what follows from that."""
    model = dict(type="ThreeDGP", generator=dict(), discriminator=discriminator, patch_sampler=None)
    config = Config(dict(model=model, train_dataloader=dict(dataset=dict())))
    settle(config)
    return config


@pytest.mark.parametrize("discriminator", [dict(cbase=64), dict(type="ThreeDGPDiscriminator")])
def test_a_discriminator_is_told_no_patches_where_there_are_none(discriminator):
    config = settled(discriminator)
    assert config.model.discriminator.patch_conditioning is False
    assert config.model.generator.patch_size is None


@pytest.mark.parametrize("kind", ["GrowingDiscriminator", "SkipDiscriminator", "ThreeDGPDualDiscriminator"])
def test_one_of_whole_images_knows_of_no_patches(kind):
    assert "patch_conditioning" not in settled(dict(type=kind)).model.discriminator
