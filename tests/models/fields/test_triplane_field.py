"""projects/threedgp/models/fields/triplane_field.py"""

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.models import TriPlaneField
from projects.threedgp.models.fields import TriPlaneMLP

SMALL = dict(w_dim=8, resolution=8, feature_dim=4, cbase=64, cmax=8, mlp_hidden_dim=8)


@pytest.mark.parametrize("axes", [("xy", "xz", "yz"), ("xy", "xz", "zx"), ("xy", "xz", "zy")])
def test_planes_are_looked_at_along_their_axes(axes):
    """With one feature each, the position along the width: what is averaged says which axes these are."""
    field = TriPlaneField(**SMALL | dict(feature_dim=1, axes=axes))
    seen = []
    field.mlp.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    line = torch.linspace(-1, 1, 8).expand(1, 3, 8, 8)
    points = 0.5 * (2 * torch.rand(1, 9, 3) - 1)
    field.radiance(line)(points)
    firsts = [points[..., "xyz".index(plane[0])] / 0.5 for plane in axes]
    torch.testing.assert_close(seen[0][..., 0], sum(firsts) / 3, atol=1e-5, rtol=0)


@pytest.mark.parametrize("axes", [("xy", "xz"), ("xy", "xz", "xx"), ("xy", "xz", "xw")])
def test_impossible_axes_are_named(axes):
    with pytest.raises(ValueError, match=r"axes: got .*, wanted three pairs of x, y, z"):
        TriPlaneField(**SMALL, axes=axes)


def test_the_mlp_may_have_softplus_and_a_slower_learning_rate():
    """Its hidden layer is softplus without a gain; weights are stored larger, and biases with them."""
    mlp = TriPlaneMLP(4, 8, squash=True, out_channels=32, activation="softplus", lr_multiplier=0.5)
    torch.nn.init.normal_(mlp.hidden.bias)
    x = torch.randn(1, 6, 4)
    hidden = F.softplus(x @ (mlp.hidden.weight * 0.5 / 2).T + 0.5 * mlp.hidden.bias)
    out = hidden @ (mlp.out.weight * 0.5 / 8**0.5).T
    colours, sigma = mlp(x)
    torch.testing.assert_close(sigma[..., 0], out[..., 32])
    torch.testing.assert_close(colours, out[..., :32].sigmoid() * 1.002 - 0.001)


def test_the_kernel_sees_what_the_field_is_made_of():
    """Axes, the rule for the border, gains and the activation: all of what torch takes."""
    pytest.importorskip("triton", reason="the wheel of torch for this platform brings no Triton")
    options = dict(
        axes=("xy", "xz", "zx"), align_corners=False, mlp_activation="softplus", mlp_lr_multiplier=0.5
    )
    torch_field, fused = (
        TriPlaneField(**SMALL, **options, squash=True, backend=backend) for backend in ("torch", "fused")
    )
    fused.load_state_dict(torch_field.state_dict())
    ws, points = torch.randn(2, fused.num_ws, 8), 1.2 * torch.rand(2, 9, 3) - 0.6
    for mine, theirs in zip(fused(ws, "none")(points), torch_field(ws, "none")(points), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_torch_looks_points_up_unless_asked_otherwise(backend):
    assert not TriPlaneField(**SMALL, backend=backend).fused


def test_other_backends_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="backend: got 'cuda', wanted one of"):
        TriPlaneField(**SMALL, backend="cuda")
    monkeypatch.setattr("projects.threedgp.models.fields.triplane_field.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="triton is not installed"):
        TriPlaneField(**SMALL, backend="fused")
