"""CARAFE in closed form and against the form that its paper spells out."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from layers.textbook_carafe import textbook_reassembly
from palimpsest.layers.carafe import Carafe, reassemble


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("channels, count", [(64, 61_860), (128, 65_956), (256, 74_148), (512, 90_532)])
def test_parameters(channels, count):
    assert sum(value.numel() for value in Carafe(channels).parameters()) == count


def test_weights_sum_to_one_over_the_neighbours():
    layer = Carafe(6)
    torch.nn.init.normal_(layer.encoder.weight)
    weights = layer.weights(drawn(2, 6, 5, 7))
    assert weights.shape == (2, 25, 4, 5, 7)
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 4, 5, 7), atol=1e-6, rtol=0)
    assert weights.std() > 0.01


def test_without_a_prediction_each_pixel_is_the_mean_of_its_neighbourhood():
    layer, features = Carafe(3), drawn(1, 3, 6, 8)
    torch.nn.init.zeros_(layer.encoder.weight)
    means = avg_pool2d(features, 5, 1, 2)  # 0 beyond the border counts
    torch.testing.assert_close(layer(features), interpolate(means, scale_factor=2), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 4, 1, 1), (2, 3, 5, 7), (1, 16, 12, 4)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_reassembly_is_the_textbooks(shape, memory_format):
    batch, _, height, width = shape
    features = drawn(*shape).contiguous(memory_format=memory_format).requires_grad_()
    logits = drawn(batch, 25, 4, height, width).requires_grad_()
    ours, theirs = (form(features, logits.softmax(1)) for form in (reassemble, textbook_reassembly))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    aim = drawn(*theirs.shape)
    gradients = [torch.autograd.grad((result * aim).sum(), (features, logits)) for result in (ours, theirs)]
    for mine, textbook in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, textbook, atol=1e-5, rtol=1e-5)


def test_one_weight_copies_one_neighbour():
    """All weight on the neighbour above and to the left: a picture moved by one pixel, and enlarged."""
    features = drawn(1, 2, 4, 5)
    weights = torch.zeros(1, 25, 4, 4, 5)
    weights[:, 1 * 5 + 1] = 1
    moved = torch.zeros_like(features)
    moved[..., 1:, 1:] = features[..., :-1, :-1]
    assert torch.equal(reassemble(features, weights), interpolate(moved, scale_factor=2))
