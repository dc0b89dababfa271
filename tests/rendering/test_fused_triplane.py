"""The Triton kernel for tri-planes, on a CPU in Triton's interpreter, against torch in double precision."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from projects.threedgp.rendering.triplane import plane_coordinates, sample_planes

pytest.importorskip("triton", reason="the wheel of torch for this platform brings no Triton")

from projects.threedgp.rendering import fused_triplane as fused


def by_torch(planes, points, weights, activation, align_corners):
    hidden, hidden_bias, out, out_bias = weights
    features = sample_planes(planes, points, align_corners=align_corners).mean(dim=1)
    raw = features @ hidden.T + hidden_bias
    activated = F.softplus(raw) if activation == "softplus" else F.leaky_relu(raw, 0.2) * 2**0.5
    return activated @ out.T + out_bias


def inputs(n, m, f, h, o, side, seed=0):
    """Planes, points inside and outside of them, and weights."""
    rng = torch.Generator().manual_seed(seed)
    shapes = [(n, 3 * f, side, side), (h, f), (h,), (o, h), (o,)]
    planes, *weights = (torch.randn(shape, generator=rng) for shape in shapes)
    return planes, torch.rand(n, m, 3, generator=rng) * 1.4 - 0.7, weights


ROOT = Path(__file__).resolve().parents[2]

CASES = [
    # 3DGP's widths and more points than a program takes, odd ones, and EG3D's rule for the border.
    (dict(n=1, m=70, f=32, h=64, o=4, side=16), "leaky_relu", True, torch.channels_last),
    (dict(n=2, m=7, f=3, h=5, o=3, side=9), "softplus", False, torch.contiguous_format),
]


@pytest.mark.parametrize(("sizes", "activation", "align_corners", "memory_format"), CASES)
def test_values_and_all_gradients_are_those_of_torch(sizes, activation, align_corners, memory_format):
    planes, points, weights = inputs(**sizes)
    planes = planes.contiguous(memory_format=memory_format)
    leaves = [x.requires_grad_() for x in (planes, points, *weights)]
    places = plane_coordinates(points, 0.5)
    got = fused.fused_field(planes, places, fused.MLPWeights(*weights), activation, align_corners)
    exact = [x.detach().double().requires_grad_() for x in leaves]
    wanted = by_torch(exact[0], exact[1], exact[2:], activation, align_corners)
    torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=1e-5)
    gradient = torch.randn(got.shape, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad(got, leaves, gradient)
    for mine, theirs in zip(found, torch.autograd.grad(wanted, exact, gradient.double()), strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def test_planes_in_half_precision_are_read_as_they_are():
    planes, points, weights = inputs(1, 5, 3, 5, 3, 8)
    half = planes.bfloat16()
    got = fused.fused_field(half, plane_coordinates(points, 0.5), fused.MLPWeights(*weights))
    torch.testing.assert_close(got, by_torch(half.float(), points, weights, "leaky_relu", True))


def test_there_is_no_second_derivative():
    planes, points, weights = inputs(1, 4, 3, 5, 3, 8)
    planes.requires_grad_()
    out = fused.fused_field(planes, plane_coordinates(points, 0.5), fused.MLPWeights(*weights))
    (gradient,) = torch.autograd.grad(out.square().sum(), planes, create_graph=True)
    with pytest.raises(RuntimeError, match="twice"):
        gradient.sum().backward()


def test_other_activations_are_refused():
    planes, points, weights = inputs(1, 4, 3, 5, 3, 8)
    with pytest.raises(ValueError, match="activation: got 'relu'"):
        fused.fused_field(planes, plane_coordinates(points, 0.5), fused.MLPWeights(*weights), "relu")


COMPILE = """
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from projects.threedgp.rendering import fused_triplane as fused

P = "*fp32"
constants = dict(SIDE=512, SOFTPLUS=False, ALIGN_CORNERS=True, SIZES=(32, 64, 4), PADDED=(32, 64, 16))
constants |= dict(BLOCK=fused.BLOCK, PRECISION=fused.PRECISION)
types = dict(planes=P, coordinates=P, weights=(P,) * 4, m="i32", strides=("i32",) * 4, results=P)
types |= dict(gradients=P, by_planes=P, by_coordinates=P, by_weights=(P,) * 4)
for kernel in (fused._forward, fused._backward):
    signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
    known = {(i,): constants[name] for i, name in enumerate(kernel.arg_names) if name in constants}
    source = ASTSource(fn=kernel, signature=signature, constexprs=known)
    compiled = compile(source, target=GPUTarget("cuda", 90, 32), options=dict(num_warps=fused.WARPS))
    # What the smallest GPUs of today give a program.
    print(len(compiled.asm["cubin"]) > 0 and compiled.metadata.shared <= 99 * 1024)
"""


@pytest.mark.slow
def test_kernels_compile_for_a_gpu():
    """Triton brings NVIDIA's assembler: no GPU is needed to see that it takes them."""
    environment = os.environ | {"TRITON_INTERPRET": "0"}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["True", "True"], done.stderr[-2000:]
