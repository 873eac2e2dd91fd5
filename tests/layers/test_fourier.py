import math

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, pad

from layers.textbook_fourier import textbook_unit
from palimpsest.layers.fourier import FourierConv, FourierResidualBlock, FourierUnit, SpectralTransform, mirrored_conv


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ready(layer):
    """A layer that infers, with random statistics, scales and shifts."""
    generator = torch.Generator().manual_seed(0)
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value in (module.running_var, module.weight.data):
                value.uniform_(0.5, 1.5, generator=generator)
            for value in (module.running_mean, module.bias.data):
                value.normal_(0, 0.3, generator=generator)
    return layer.double().eval().requires_grad_(False)


def normed(norm, x):
    return (x - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + 1e-5).sqrt() * norm.weight[
        :, None, None
    ] + norm.bias[:, None, None]


@pytest.mark.parametrize(("height", "width"), [(8, 8), (6, 10), (5, 7), (4, 9)])
def test_a_fourier_unit_is_sums_of_waves(height, width):
    unit, x = ready(FourierUnit(3)), drawn(2, 3, height, width)
    wanted = textbook_unit(x, lambda parts: normed(unit.norm, conv2d(parts, unit.conv.weight)))
    torch.testing.assert_close(unit(x), wanted)


def test_a_spectrum_without_negative_parts_comes_back():
    """The spectrum of a single point in the corner is the same real number everywhere."""
    unit, x = FourierUnit(2).eval().requires_grad_(False), torch.zeros(1, 2, 6, 8)
    nn.init.dirac_(unit.conv.weight)
    x[0, 0, 0, 0], x[0, 1, 0, 0] = 3.0, -2.0
    found = unit(x) * math.sqrt(1 + 1e-5)
    torch.testing.assert_close(found[:, 0], x[:, 0])
    assert found[:, 1].abs().max() < 1e-6


def test_the_spectral_transform_adds_its_unit_to_half_the_channels():
    transform, x = ready(SpectralTransform(6)), drawn(1, 6, 8, 6)
    half = normed(transform.first[1], conv2d(x, transform.first[0].weight)).relu()
    torch.testing.assert_close(transform(x), conv2d(half + transform.unit(half), transform.last.weight))


def test_both_parts_see_both():
    conv, near, far = ready(FourierConv(2, 6)), drawn(1, 2, 8, 6), drawn(1, 6, 8, 6, seed=1)

    def mirrored(layer, x):
        return conv2d(pad(x, (1, 1, 1, 1), mode="reflect"), layer.weight)

    local, whole = conv(near, far)
    summed = mirrored(conv.local_to_local, near) + mirrored(conv.global_to_local, far)
    torch.testing.assert_close(local, normed(conv.local_norm, summed).relu())
    summed = mirrored(conv.local_to_global, near) + conv.global_to_global(far)
    torch.testing.assert_close(whole, normed(conv.global_norm, summed).relu())


def test_only_the_global_part_sees_across_the_map():
    conv, near, far = ready(FourierConv(2, 6)), drawn(1, 2, 16, 16), drawn(1, 6, 16, 16, seed=1)
    moved = far.clone()
    moved[..., 2, 2] += 1
    (local, whole), (local_moved, whole_moved) = conv(near, far), conv(near, moved)
    apart = torch.ones(16, 16, dtype=torch.bool)
    apart[1:4, 1:4] = False
    assert torch.equal(local[..., apart], local_moved[..., apart]) and not torch.equal(local, local_moved)
    assert (whole != whole_moved).any(1).double().mean() > 0.9


def test_a_residual_block_adds_two_convolutions():
    block, near, far = ready(FourierResidualBlock(2, 4)), drawn(1, 2, 8, 8), drawn(1, 4, 8, 8, seed=1)
    hidden = block.convs[1](*block.convs[0](near, far))
    for found, before, change in zip(block(near, far), (near, far), hidden, strict=True):
        torch.testing.assert_close(found, before + change)


def test_a_mirrored_convolution_keeps_a_constant():
    conv = mirrored_conv(1, 1, 7)
    nn.init.constant_(conv.weight, 1 / 49)
    torch.testing.assert_close(conv(torch.full((1, 1, 8, 8), 0.3)), torch.full((1, 1, 8, 8), 0.3))
    assert mirrored_conv(2, 3, stride=2)(torch.zeros(1, 2, 8, 6)).shape == (1, 3, 4, 3) and conv.bias is None
