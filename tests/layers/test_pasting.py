import pytest
import torch
from torch.nn.functional import conv_transpose2d, fold, pad, unfold

from palimpsest.layers.pasting import Canvas, paste_blocks, paste_three


def rebuilt(source, weights, rate, border, overlap="counted"):
    canvas = Canvas(source, rate, border)
    canvas.paste(weights, 0, source.shape[2] // rate)
    return canvas.picture(overlap)


@pytest.mark.parametrize("border", ["constant", "replicate"])
def test_it_is_the_sum_of_weighted_patches_over_their_count(border):
    torch.manual_seed(0)
    source, weights = torch.randn(2, 3, 16, 24), torch.rand(2, 24, 24).softmax(2)
    patches = unfold(pad(source, [2] * 4, mode=border), 8, stride=4)
    total, count = (fold(p, (20, 28), 8, stride=4) for p in (patches @ weights.mT, torch.ones_like(patches)))
    wanted = (total / count)[..., 2:-2, 2:-2]
    torch.testing.assert_close(rebuilt(source, weights, 4, border), wanted)


def test_a_repeated_border_leaves_a_constant_map_constant():
    """With zeros beyond the border, a patch from the edge brings them inside."""
    torch.manual_seed(0)
    ones, weights = torch.ones(1, 1, 16, 16), torch.rand(1, 16, 16).softmax(2)
    torch.testing.assert_close(rebuilt(ones, weights, 4, "replicate"), ones)
    assert rebuilt(ones, weights, 4, "constant").min() < 0.9


def test_a_sum_is_the_average_times_the_count():
    torch.manual_seed(0)
    source, weights = torch.randn(1, 2, 16, 12), torch.rand(1, 12, 12)
    count = rebuilt(torch.ones(1, 1, 16, 12), torch.eye(12)[None], 4, "constant", "summed")
    assert set(count.flatten().tolist()) == {1, 2, 4}
    summed, counted = (rebuilt(source, weights, 4, "constant", overlap) for overlap in ("summed", "counted"))
    torch.testing.assert_close(summed, counted * count)


@pytest.mark.parametrize("h, w", [(4, 6), (1, 3), (5, 1), (1, 1)])
def test_patches_of_three_are_pasted_as_a_transposed_convolution_does(h, w):
    """As TensorFlow's padding SAME has it: nothing before the first pixel, one row and column of zeros at the end."""
    torch.manual_seed(0)
    source, weights = torch.randn(2, 3, 2 * h, 2 * w), torch.rand(2, h * w, h * w)
    patches = unfold(pad(source, (0, 1, 0, 1)), 3, stride=2).mT.unflatten(2, (3, 3, 3))
    rows = weights.mT.unflatten(2, (h, w))
    pasted = [conv_transpose2d(row[None], kernel, stride=2) for row, kernel in zip(rows, patches, strict=True)]
    torch.testing.assert_close(paste_three(source, weights), torch.cat(pasted)[..., :-1, :-1])


def test_blocks_go_where_their_weights_say():
    source = torch.arange(2 * 8 * 12.0).view(1, 2, 8, 12)
    swapped = torch.eye(6)[[1, 0, 2, 3, 5, 4]]
    found = paste_blocks(source, swapped[None], 4)
    expected = torch.cat([source[..., 4:8], source[..., :4], source[..., 8:]], 3)
    assert torch.equal(found[..., :4, :], expected[..., :4, :])
    assert torch.equal(found[..., 4:, 4:8], source[..., 4:, 8:])
    mean = paste_blocks(source, torch.full((1, 6, 6), 1 / 6), 4)
    torch.testing.assert_close(mean[..., 4:, 8:], mean[..., :4, :4])
