"""projects/threedgp/layers/encodings.py"""

import math

import torch

from projects.threedgp.layers import ScalarEncoder, octaves


def test_octaves_of_coordinates_sines_before_cosines():
    point = torch.tensor([0.3, -0.2])
    expected = [wave(base * x) for base in (1, 2, 4) for wave in (math.sin, math.cos) for x in point.tolist()]
    torch.testing.assert_close(octaves(point, 3), torch.tensor(expected))
    torch.testing.assert_close(octaves(point, 3, base=math.pi), octaves(math.pi * point, 3))


def test_code_is_sines_cosines_and_a_learned_row():
    encoder = ScalarEncoder(embed_dim=4, num_frequencies=10, scale=1000)
    v = 0.3147
    code = encoder(torch.tensor([[v]]))[0]
    phase = 1000 * v * math.pi * 2.0 ** torch.arange(10) / 1024
    torch.testing.assert_close(code[:10], phase.sin(), atol=2e-4, rtol=0)
    torch.testing.assert_close(code[10:20], phase.cos(), atol=2e-4, rtol=0)
    torch.testing.assert_close(code[20:], encoder.table.weight[315])


def test_codes_of_several_scalars_are_concatenated():
    encoder = ScalarEncoder(embed_dim=4)
    scalars = torch.rand(5, 3)
    parts = [encoder(scalars[:, i : i + 1]) for i in range(3)]
    torch.testing.assert_close(encoder(scalars), torch.cat(parts, dim=1))
    assert encoder(scalars).shape[1] == encoder.out_dim(3)


def test_both_ends_have_a_row():
    encoder = ScalarEncoder(embed_dim=4)
    ends = encoder(torch.tensor([[0.0], [1.0]]))[:, 20:]
    torch.testing.assert_close(ends, encoder.table.weight[[0, 1000]])


def test_the_discriminator_of_the_release_is_told_a_patch_in_828_numbers():
    assert ScalarEncoder().out_dim(3) == 3 * (2 * 10 + 256) == 828
