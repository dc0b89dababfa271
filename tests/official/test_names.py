"""projects/threedgp/official/names.py: one to one with the tensors of the full-size networks."""

import json

import pytest
import torch

from projects.threedgp.models.discriminators.discriminator import ThreeDGPDiscriminator
from projects.threedgp.models.generator import ThreeDGPGenerator
from projects.threedgp.official.names import (
    export_official,
    is_derived,
    load_official,
    official_to_ours,
    ours_to_official,
)
from tests.golden.helpers import GOLDEN
from tests.tiny import tiny_discriminator, tiny_generator

TENSORS = GOLDEN / "official_imagenet256_tensors.json"
NETWORKS = pytest.mark.parametrize(
    "network, full_size", [("G", ThreeDGPGenerator), ("D", ThreeDGPDiscriminator)]
)
TINY = pytest.mark.parametrize("build", [tiny_generator, tiny_discriminator])


@pytest.fixture
def official():
    return json.loads(TENSORS.read_text())


@pytest.mark.golden
@NETWORKS
def test_full_size_networks_have_the_official_tensors(official, network, full_size):
    with torch.device("meta"):
        exported = export_official(full_size())
    got = {name: (list(t.shape), str(t.dtype)) for name, t in exported.items()}
    assert got == {
        name: (tensor["shape"], "torch." + tensor["dtype"]) for name, tensor in official[network].items()
    }


@pytest.mark.golden
@NETWORKS
def test_official_state_fits_the_full_size_networks(official, network, full_size):
    with torch.device("meta"):
        module = full_size()
        state = {name: torch.empty(t["shape"]) for name, t in official[network].items()}
    load_official(module, state)


@pytest.mark.golden
@NETWORKS
def test_names_go_there_and_back(official, network, full_size):
    for name in official[network]:
        ours = official_to_ours(name, network)
        assert (ours is None) == is_derived(name)
        assert ours is None or ours_to_official(ours, network) == name


@pytest.mark.parametrize(
    "theirs, network, ours",
    [
        ("mapping.fc1.weight", "G", "mapping.layers.1.weight"),
        ("synthesis.tri_plane_decoder.b4.const", "G", "field.decoder.blocks.0.const"),
        (
            "synthesis.tri_plane_decoder.b16.torgb.affine.bias",
            "G",
            "field.decoder.blocks.2.to_image.affine.bias",
        ),
        ("b256.fromrgb.weight", "D", "from_image.weight"),
        ("b128.fromrgb.weight", "D", "unused_from_image.0.weight"),
        ("b64.conv1.affine.weight", "D", "blocks.2.affine.weight"),
        ("b4.feat_out.1.bias", "D", "epilogue.feature_head.1.bias"),
        ("b8.conv0.resample_filter", "D", None),
    ],
)
def test_examples(theirs, network, ours):
    assert official_to_ours(theirs, network) == ours


@TINY
def test_export_then_load_copies_a_network(build):
    source, target = build(), build()
    load_official(target, export_official(source))
    for (name, a), b in zip(source.state_dict().items(), target.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@TINY
def test_a_refusal_lists_everything_and_changes_nothing(build):
    module = build()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    state = {name: t + 1 for name, t in export_official(build()).items() if not is_derived(name)}
    missing, misshapen, *_ = state
    del state[missing]
    state[misshapen] = torch.zeros(1, 2, 3)
    state["b7.strange"] = torch.zeros(1)
    state["b4.conv1.resample_filter"] = torch.zeros(4, 4)
    with pytest.raises(ValueError) as error:
        load_official(module, state)
    for name in (missing, misshapen, "b7.strange", "b4.conv1.resample_filter"):
        assert name in str(error.value)
    assert all(torch.equal(before[name], t) for name, t in module.state_dict().items())


def test_network_has_to_be_known():
    with pytest.raises(ValueError, match="network: got 'E'"):
        official_to_ours("b4.fc.weight", "E")
