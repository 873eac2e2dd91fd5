import math

import pytest
import torch
from torch.nn.functional import conv2d, pad

from palimpsest.layers.tensorflow_conventions import aligned_indices, enlarge, same_conv, subsample, truncated_normal


def impulse_conv(kernel: int, at: int, padding: str):
    """A convolution at stride 2 whose output is the pixel under column `at` of its kernel, in every row."""
    conv = same_conv(1, 1, kernel, stride=2, padding=padding)
    with torch.no_grad():
        conv.weight.zero_()
        conv.bias.zero_()
        conv.weight[0, 0, at, at] = 1
    return conv


@pytest.mark.parametrize(
    "padding, kernel, first, middle, last",
    [
        ("tensorflow", 3, [1, 3, 5, 7], [2, 4, 6, 8], [3, 5, 7, 0]),
        ("tensorflow", 5, [0, 2, 4, 6], [2, 4, 6, 8], [4, 6, 8, 0]),
        ("zeros", 3, [0, 2, 4, 6], [1, 3, 5, 7], [2, 4, 6, 8]),
        ("zeros", 5, [0, 1, 3, 5], [1, 3, 5, 7], [3, 5, 7, 0]),
        ("reflect", 3, [2, 2, 4, 6], [1, 3, 5, 7], [2, 4, 6, 8]),
    ],
)
def test_the_pixels_that_each_column_of_a_kernel_meets(padding, kernel, first, middle, last):
    """On pixels 1 to 8; 0 is padding, of which TensorFlow has one column less before than after."""
    columns = torch.arange(1.0, 9.0).expand(1, 1, 8, 8)
    found = [impulse_conv(kernel, at, padding)(columns)[0, 0, 1].tolist() for at in (0, kernel // 2, kernel - 1)]
    assert found == [first, middle, last]


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("height, width", [(8, 8), (7, 7), (6, 9), (2, 1)])
def test_it_is_tensorflows_padding_at_every_size(kernel, height, width):
    """Total padding (ceil(n / 2) - 1) · 2 + k - n, the smaller half first; at odd sizes both are alike."""
    torch.manual_seed(0)
    conv, x = same_conv(2, 3, kernel, stride=2, padding="tensorflow"), torch.randn(2, 2, height, width)
    margins = []
    for size in (width, height):
        total = max((math.ceil(size / 2) - 1) * 2 + kernel - size, 0)
        margins += [math.floor(total / 2), math.ceil(total / 2)]
    wanted = conv2d(pad(x, margins), conv.weight, conv.bias, stride=2)
    assert wanted.shape[2:] == (math.ceil(height / 2), math.ceil(width / 2))
    torch.testing.assert_close(conv(x), wanted)


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_row_of_zeros_before_the_kernel_makes_equal_margins_of_it(kernel):
    """How a port writes it: k becomes k + 1, padded by k // 2 on both sides."""
    torch.manual_seed(0)
    conv, x = same_conv(2, 3, kernel, stride=2, padding="tensorflow"), torch.randn(1, 2, 16, 12)
    wanted = conv2d(x, pad(conv.weight, (1, 0, 1, 0)), conv.bias, stride=2, padding=kernel // 2)
    torch.testing.assert_close(conv(x), wanted)


def test_without_a_stride_tensorflow_pads_both_sides_alike():
    torch.manual_seed(0)
    ours, x = same_conv(2, 3, 3, dilation=4, padding="tensorflow"), torch.randn(1, 2, 10, 9)
    assert torch.equal(ours(x), conv2d(x, ours.weight, ours.bias, padding=4, dilation=4))


def aligned(size, count):
    return [math.floor(i * (size - 1) / (count - 1) + 0.5) for i in range(count)]


@pytest.mark.parametrize("size, rate", [(64, 2), (64, 4), (256, 4), (128, 2), (24, 2), (40, 4), (96, 4)])
def test_aligned_sampling_keeps_the_first_and_the_last_pixel(size, rate):
    found = aligned_indices(size, size // rate).tolist()
    assert found == aligned(size, size // rate)
    assert found[0] == 0 and found[-1] == size - 1


def test_how_often_aligned_sampling_differs():
    """As computed for the sizes of 256 px pictures: 16 of 32 indices, and 53 of 64."""
    for size, rate, differing in ((64, 2, 16), (256, 4, 53)):
        strided = torch.arange(0, size, rate)
        assert (aligned_indices(size, size // rate) != strided).sum() == differing


def test_one_pixel_is_the_first():
    assert aligned_indices(2, 1).tolist() == [0]


def test_rows_and_columns_are_sampled_each_for_themselves():
    x = torch.arange(8 * 12).view(1, 1, 8, 12)
    assert torch.equal(subsample(x, 2, "strided"), x[..., ::2, ::2])
    wanted = torch.tensor([[12 * y + x for x in aligned(12, 6)] for y in aligned(8, 4)])
    assert torch.equal(subsample(x, 2, "aligned")[0, 0], wanted)


@pytest.mark.parametrize("rate", [2, 3, 4])
def test_enlarging_puts_each_pixel_on_a_multiple_of_the_rate(rate):
    """Source i · n / m, its fraction between the pixel and the next; beyond the last one it is repeated."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 7)
    found = enlarge(x, rate)
    torch.testing.assert_close(found[..., ::rate, ::rate], x)
    row = [
        x[0, 0, 2, min(i // rate + 1, 6)] * (i % rate / rate) + x[0, 0, 2, i // rate] * (1 - i % rate / rate)
        for i in range(7 * rate)
    ]
    torch.testing.assert_close(found[0, 0, 2 * rate], torch.stack(row))
    assert found.shape == (2, 3, 5 * rate, 7 * rate)


def test_a_truncated_normal_distribution_has_no_value_beyond_two_deviations():
    torch.manual_seed(0)
    conv, linear = torch.nn.Conv2d(16, 64, 3), torch.nn.Linear(4, 4)
    before = linear.weight.clone()
    for module in (conv, linear):
        truncated_normal(0.05)(module)
    assert conv.weight.abs().max() <= 0.1 and not conv.bias.any()
    assert conv.weight.std().item() == pytest.approx(0.05 * 0.8796, rel=0.02)
    assert torch.equal(linear.weight, before)
