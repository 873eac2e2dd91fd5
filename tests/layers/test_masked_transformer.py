import math

import pytest
import torch
from torch.nn.functional import conv2d, leaky_relu, linear, pad

from palimpsest.layers.masked_transformer import (
    MaskedConv,
    TransformerBlock,
    TransformerGroup,
    WindowAttention,
    cut,
    enlarge_conv,
    join,
    separation,
)
from palimpsest.layers.resampling import double_conv, halve_conv


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def holed(*shape):
    """A mask with a hole larger than any window here, and single pixels missing."""
    valid = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) > 0.2).float()
    valid[..., 2:13, 3:14] = 0
    return valid


def made(kind, *arguments):
    torch.manual_seed(0)
    return kind(*arguments).requires_grad_(False)


def test_an_enlarging_convolution_is_a_convolution_of_the_spread_and_filtered_map():
    x, weight = drawn(2, 3, 5, 6), drawn(4, 3, 3, 3, seed=1)
    spread = torch.zeros(2, 3, 10, 12)
    spread[..., ::2, ::2] = x
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    fir = torch.outer(line, line).expand(3, 1, -1, -1)
    wanted = conv2d(conv2d(pad(spread, (3, 2, 3, 2)), fir, groups=3), weight)
    torch.testing.assert_close(enlarge_conv(x, weight), wanted)
    assert (double_conv(x, weight) - wanted).abs().max() > 1
    torch.testing.assert_close(double_conv(x, weight.flip(2, 3)), wanted)


@pytest.mark.parametrize("halves", [False, True])
def test_a_masked_convolution_counts_what_is_valid(halves):
    layer = made(MaskedConv, 3, 4, halve_conv) if halves else made(MaskedConv, 3, 4)
    x, valid, stride = drawn(2, 3, 16, 16), holed(2, 1, 16, 16), 2 if halves else 1
    plain, everything = layer(x, None)
    found, updated = layer(x, valid)
    assert everything is None and found.shape == (2, 4, 16 // stride, 16 // stride)
    around, empty = pad(valid, (1, 1, 1, 1)), 0
    for b in range(2):
        for i in range(found.shape[2]):
            for j in range(found.shape[3]):
                held = around[b, 0, i * stride : i * stride + 3, j * stride : j * stride + 3].sum().item()
                torch.testing.assert_close(found[b, :, i, j], plain[b, :, i, j] * (9 / held if held else 0))
                assert updated[b, 0, i, j] == (held > 0)
                empty += held == 0
    assert empty > 10


def test_windows_are_cut_in_rows_and_joined_again():
    x = drawn(2, 8, 12, 3)
    windows = cut(x, 4, 0)
    assert windows.shape == (2, 6, 16, 3)
    assert torch.equal(windows[1, 4], x[1, 4:8, 4:8].reshape(16, 3))
    assert torch.equal(cut(x, 4, 2)[1, 0], x[1, 2:6, 2:6].reshape(16, 3))
    assert torch.equal(cut(x, 4, 2)[0, 5, -1], x[0, 1, 1])
    for shift in (0, 1, 2):
        assert torch.equal(join(cut(x, 4, shift), 8, 12, shift), x)


@pytest.mark.parametrize(("height", "width", "window", "shift"), [(8, 8, 4, 2), (12, 8, 4, 2), (32, 32, 16, 8)])
def test_places_meet_if_they_lie_within_a_window_of_the_picture(height, width, window, shift):
    """After the shift, a window may hold places of opposite borders, which are further apart than it is wide."""
    places = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), -1)[None]
    own = cut(places, window, shift)[0]
    apart = ((own[:, :, None] - own[:, None]).abs() >= window).any(-1)
    assert torch.equal(separation(height, width, window, shift), -100.0 * apart)
    assert 0 < apart.float().mean() < 1


def test_attention_is_the_textbook_form():
    layer, x, bias = made(WindowAttention, 6, 2), drawn(2, 3, 4, 6), drawn(2, 3, 1, 4, 4, seed=1)

    def mapped(dense, x):
        return linear(x, dense.weight / math.sqrt(6), dense.bias)

    found = torch.zeros(2, 3, 4, 6)
    for b in range(2):
        for n in range(3):
            directions = x[b, n] / x[b, n].norm(dim=1, keepdim=True)
            query, key, value = (
                mapped(dense, each)
                for dense, each in ((layer.query, directions), (layer.key, directions), (layer.value, x[b, n]))
            )
            for part in (slice(0, 3), slice(3, 6)):
                scores = query[:, part] @ key[:, part].T / math.sqrt(3) + bias[b, n, 0]
                found[b, n, :, part] = scores.softmax(1) @ value[:, part]
    torch.testing.assert_close(layer(x, bias), mapped(layer.out, found), atol=1e-5, rtol=1e-4)


def test_a_block_fuses_what_it_saw_with_what_there_was():
    block, x = made(TransformerBlock, 6, 2, 4, 0), drawn(2, 8, 8, 6)
    seen = join(block.attention(cut(x, 4, 0), torch.zeros(())), 8, 8, 0)
    root = math.sqrt(2)
    fused = leaky_relu(block.fuse(torch.cat([x, seen], 3)), 0.2) * root
    found, valid = block(x, None)
    assert valid is None
    torch.testing.assert_close(found, block.narrow(leaky_relu(block.widen(fused), 0.2) * root))


@pytest.mark.parametrize("shift", [0, 4])
def test_what_is_missing_has_no_say_in_windows_that_hold_something(shift):
    block, x, valid = made(TransformerBlock, 6, 2, 8, shift), drawn(1, 24, 24, 6), torch.ones(1, 24, 24, 1)
    valid[:, 5:10, 5:11] = 0
    other = torch.where(valid > 0, x, 10 * drawn(1, 24, 24, 6, seed=1))
    found, changed = block(x, valid)[0], block(other, valid)[0]
    known = valid.expand_as(x) > 0
    torch.testing.assert_close(found[known], changed[known], atol=1e-6, rtol=0)
    assert (block(x, None)[0] - block(other, None)[0])[known].abs().max() > 0.1


def test_a_window_becomes_valid_once_it_holds_something_valid():
    valid = torch.zeros(1, 8, 8, 1)
    valid[:, 1, 2] = 1
    wanted = torch.zeros(1, 8, 8, 1)
    wanted[:, :4, :4] = 1
    x = drawn(1, 8, 8, 6)
    assert torch.equal(made(TransformerBlock, 6, 2, 4, 0)(x, valid)[1], wanted)
    wanted = torch.zeros(1, 8, 8, 1)
    wanted[:, [6, 7, 0, 1], 2:6] = 1  # rows 6 to 1 share a window of the shifted map
    assert torch.equal(made(TransformerBlock, 6, 2, 4, 2)(x, valid)[1], wanted)


def test_a_group_adds_a_convolution_of_its_blocks_to_its_input():
    group, x, valid = made(TransformerGroup, 6, 2, 3, 4, 8, halve_conv), drawn(1, 6, 16, 16), holed(1, 1, 16, 16)
    assert [block.shift for block in group.blocks] == [0, 2, 0]
    halved, held = group.resized(x, valid)
    places, seen = halved.permute(0, 2, 3, 1), held.permute(0, 2, 3, 1)
    for block in group.blocks:
        places, seen = block(places, seen)
    change, updated = group.last(places.permute(0, 3, 1, 2), seen.permute(0, 3, 1, 2))
    found, mask = group(x, valid)
    torch.testing.assert_close(found, halved + change)
    assert torch.equal(mask, updated) and group(x, None)[1] is None


def test_one_window_over_the_whole_map_does_not_shift():
    assert [block.shift for block in TransformerGroup(6, 2, 4, 8, 8, None).blocks] == [0] * 4
