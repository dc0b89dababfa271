"""projects/threedgp/layers/mapping.py"""

import pytest
import torch

from projects.threedgp.layers import CodeMapping, StyleMapping, one_hot_label


@pytest.fixture
def mapping():
    net = StyleMapping(z_dim=8, num_classes=3, w_dim=6)
    torch.nn.init.normal_(net.w_avg)
    return net


def test_indices_and_one_hot_rows_are_the_same_label(mapping):
    z, label = torch.randn(4, 8), torch.tensor([0, 2, 1, 2])
    rows = torch.nn.functional.one_hot(label, 3).float()
    torch.testing.assert_close(mapping(z, label), mapping(z, rows))


def test_scale_of_the_latent_does_not_matter(mapping):
    z, label = torch.randn(4, 8), torch.zeros(4).long()
    torch.testing.assert_close(mapping(z, label), mapping(10 * z, label), atol=1e-5, rtol=1e-5)


def test_network_without_classes_ignores_labels():
    mapping, z = StyleMapping(z_dim=8, num_classes=None, w_dim=6), torch.randn(4, 8)
    torch.testing.assert_close(mapping(z), mapping(z, torch.tensor([7, 7, 7, 7])))


@pytest.mark.parametrize(
    "label, message",
    [
        (None, "label: got None, wanted 4 labels of 3 classes"),
        (torch.tensor([0, 1, 2, 3]), r"label: got \[3\], wanted integers in \[0, 3\)"),
        (torch.tensor([0, 1, -1, 2]), r"label: got \[-1\]"),
        (torch.tensor([0, 1]), "label: got 2 labels, wanted 4"),
        (torch.zeros(4, 5), r"label: got shape \(4, 5\), wanted \(4, 3\)"),
    ],
)
def test_wrong_labels_are_named(label, message):
    with pytest.raises(ValueError, match=message):
        one_hot_label(label, 3, 4)


def test_running_mean_follows_only_on_request(mapping):
    z, label = torch.randn(4, 8), torch.zeros(4).long()
    before = mapping.w_avg.clone()
    w = mapping(z, label)
    assert torch.equal(mapping.w_avg, before)
    mapping.track(w.mean(dim=0))
    torch.testing.assert_close(mapping.w_avg, w.mean(dim=0) + 0.998 * (before - w.mean(dim=0)))


def test_running_mean_follows_the_mean_of_all_processes(mapping, monkeypatch):
    def join_one_with_three_times_as_much(tensor, op="sum"):
        tensor.mul_({"sum": 4.0, "mean": 2.0}[op])

    monkeypatch.setattr("projects.threedgp.layers.mapping.all_reduce", join_one_with_three_times_as_much)
    before, mean = mapping.w_avg.clone(), torch.randn(6)
    mapping.track(mean)
    torch.testing.assert_close(mapping.w_avg, 2 * mean + 0.998 * (before - 2 * mean))


def test_truncation_interpolates_to_the_center(mapping):
    ws, center = torch.randn(2, 5, 6), torch.randn(2, 6)
    torch.testing.assert_close(mapping.truncate(ws, 1.0), ws)
    torch.testing.assert_close(mapping.truncate(ws, 0.0), mapping.w_avg.expand(2, 5, 6))
    torch.testing.assert_close(
        mapping.truncate(ws, 0.3, center=center), center[:, None] + 0.3 * (ws - center[:, None])
    )


def test_cutoff_spares_the_later_layers(mapping):
    ws = torch.randn(2, 5, 6)
    cut = mapping.truncate(ws, 0.0, cutoff=2)
    torch.testing.assert_close(cut[:, :2], mapping.w_avg.expand(2, 2, 6))
    torch.testing.assert_close(cut[:, 2:], ws[:, 2:])


def test_code_has_the_width_asked_for():
    assert CodeMapping(12, 5)(torch.randn(3, 12)).shape == (3, 5)


def test_defaults_are_those_of_imagenet():
    mapping = StyleMapping()
    assert mapping.embed.weight.shape == (512, 1000)
    assert [tuple(layer.weight.shape) for layer in mapping.layers] == [(512, 1024), (512, 512)]


def test_poses_are_told_behind_the_label():
    """Together they are one label of both widths."""
    net = StyleMapping(z_dim=8, num_classes=3, w_dim=6, pose_dim=2, pose_scale=0.5)
    plain = StyleMapping(z_dim=8, num_classes=5, w_dim=6)
    plain.load_state_dict(net.state_dict())
    z, label, pose = torch.randn(4, 8), torch.tensor([0, 2, 1, 2]), torch.randn(4, 2)
    rows = torch.cat([torch.nn.functional.one_hot(label, 3).float(), 0.5 * pose], dim=1)
    torch.testing.assert_close(net(z, label, pose), plain(z, rows))
    with pytest.raises(ValueError, match=r"pose: got None, wanted \(4, 2\)"):
        net(z, label)
    with pytest.raises(ValueError, match=r"pose: got \(4, 3\), wanted \(4, 2\)"):
        net(z, label, torch.randn(4, 3))
