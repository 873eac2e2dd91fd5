import pytest
import torch
from torch.nn.functional import fold, pad, unfold

from palimpsest.layers.pasting import Canvas


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
