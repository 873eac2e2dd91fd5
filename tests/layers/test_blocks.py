"""T-MAD's blocks against the operations that the paper names."""

import pytest
import torch
from torch.nn.functional import conv2d, interpolate, leaky_relu, pad

from palimpsest.layers.blocks import DownBlock, ResidualBlock, UpBlock, activation, kernel_of, plain, spectral


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_a_down_block_is_two_convolutions_and_the_nearest_neighbour():
    block, x = DownBlock(3, plain), drawn(2, 3, 8, 12)
    first, second = ((layer.weight, layer.bias) for layer in (block.first, block.second))
    hidden = leaky_relu(conv2d(x, *first, padding=1), 0.2)
    whole = leaky_relu(conv2d(hidden, *second, padding=1), 0.2)
    torch.testing.assert_close(block(x), interpolate(whole, scale_factor=0.5))
    assert block(x).shape == (2, 6, 4, 6)


@pytest.mark.parametrize("dilation", [1, 2])
def test_a_residual_block_mirrors_borders_and_ends_linear(dilation):
    block, x = ResidualBlock(4, dilation, plain), drawn(1, 4, 9, 9)
    first, second = ((layer.weight, layer.bias) for layer in (block.first, block.second))
    hidden = leaky_relu(conv2d(pad(x, [dilation] * 4, mode="reflect"), *first, dilation=dilation), 0.2)
    torch.testing.assert_close(block(x), x + conv2d(pad(hidden, [1] * 4, mode="reflect"), *second))


@pytest.mark.parametrize("dilation", [1, 2])
def test_the_inside_of_a_residual_block_is_that_of_the_whole(dilation):
    block, x = ResidualBlock(4, dilation, plain), drawn(1, 4, 12, 12)
    margin = 1 + dilation
    torch.testing.assert_close(block.inside(x), block(x)[..., margin:-margin, margin:-margin])


def test_an_up_block_takes_a_skip_connection_beside_what_it_enlarged():
    block = UpBlock(8, 4, plain, beside=5)
    x, beside = drawn(2, 8, 3, 3), drawn(2, 5, 6, 6)
    joined = torch.cat([block.upsample(x), beside], 1)
    hidden = leaky_relu(conv2d(joined, block.first.weight, block.first.bias, padding=1), 0.2)
    wanted = leaky_relu(conv2d(hidden, block.second.weight, block.second.bias, padding=1), 0.2)
    torch.testing.assert_close(block(x, beside), wanted)


@pytest.mark.parametrize("kernel", [1, 3, 4])
def test_a_spectral_convolution_begins_orthogonal_and_stays_normalised(kernel):
    torch.manual_seed(0)
    conv = spectral(torch.nn.Conv2d(8, 8, kernel)).eval()
    torch.testing.assert_close(torch.linalg.svdvals(conv.weight.flatten(1)), torch.ones(8), atol=1e-4, rtol=0)
    with torch.no_grad():
        conv.parametrizations.weight.original.add_(drawn(8, 8, kernel, kernel))
        for _ in range(50):
            conv.train()(drawn(1, 8, 5, 5))
    assert torch.linalg.svdvals(conv.eval().weight.flatten(1))[0].item() == pytest.approx(1, abs=1e-3)


def test_a_constant_keeps_its_size_through_a_deep_spectral_network():
    """The sum of the kernel makes up for LeakyReLU: of twenty layers the signal's mean square keeps its order."""
    torch.manual_seed(0)
    layers = [spectral(torch.nn.Conv2d(32, 32, 3, padding=1, padding_mode="circular")).eval() for _ in range(20)]
    x = drawn(64, 32, 1, 1).expand(-1, -1, 6, 6)
    for layer in layers:
        layer.bias.data.zero_()
        x = activation(layer(x))
    assert 0.25 < x.square().mean().item() < 4


@pytest.mark.parametrize("total", [1.0, 1.387, 3.0])
def test_the_kernel_has_norm_1_and_its_sum(total):
    kernel = kernel_of(total)
    assert kernel.norm().item() == pytest.approx(1) and kernel.sum().item() == pytest.approx(total)
