import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, instance_norm

from layers.textbook_partial_convolution import textbook_partial_conv
from palimpsest.layers.partial_convolution import Block, PartialConv, Stream


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def holed(*shape, seed=0):
    """A mask with a hole larger than any kernel here, and single pixels missing."""
    valid = (torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) > 0.3).double()
    valid[..., 3:14, 2:15] = 0
    return valid


def layer(*arguments, **switches):
    torch.manual_seed(0)
    return PartialConv(*arguments, **switches).double()


@pytest.mark.parametrize("normalisation", ["ratio", "sum", "kernel"])
@pytest.mark.parametrize(("kernel", "stride", "bias"), [(3, 1, True), (5, 2, False), (7, 2, True)])
@pytest.mark.parametrize("channels", [1, 6])
def test_box_sums_are_the_textbook_form(normalisation, kernel, stride, bias, channels):
    conv = layer(6, 4, kernel, stride, bias, normalisation)
    x, valid = drawn(2, 6, 18, 16), holed(2, channels, 18, 16)
    counting = drawn(*conv.weight.shape, seed=3) if normalisation == "kernel" else None
    if counting is not None:
        conv.counting.copy_(counting)
    features, updated = conv(Stream(x, valid))
    wanted, mask = textbook_partial_conv(x, valid.expand_as(x), conv.weight, conv.bias, stride, normalisation, counting)
    torch.testing.assert_close(features, wanted)
    assert torch.equal(updated.expand_as(mask), mask)
    assert 0 < mask.mean() < 1


def test_streams_are_the_concatenation_of_their_channels():
    conv = layer(5, 4, 3, bias=True)
    above, beside = (Stream(drawn(1, channels, 18, 16), holed(1, 1, 18, 16, seed=channels)) for channels in (3, 2))
    masks = torch.cat([above.valid.expand(-1, 3, -1, -1), beside.valid.expand(-1, 2, -1, -1)], 1)
    wanted = conv(Stream(torch.cat([above.features, beside.features], 1), masks))
    for found, expected in zip(conv(above, beside), wanted, strict=True):
        torch.testing.assert_close(found, expected)


def test_without_holes_it_is_a_convolution_away_from_the_border():
    conv, x = layer(3, 4, 5, bias=True), drawn(1, 3, 12, 12)
    features, updated = conv(Stream(x, torch.ones(1, 1, 12, 12).double()))
    wanted = conv2d(x, conv.weight, conv.bias, padding=2)
    torch.testing.assert_close(features[..., 2:-2, 2:-2], wanted[..., 2:-2, 2:-2])
    assert (updated == 1).all()


def test_a_constant_stays_constant_at_the_rim_of_holes_and_pictures():
    conv = layer(2, 1, 3)
    with torch.no_grad():
        conv.weight.fill_(1 / conv.weight.numel())
    features, updated = conv(Stream(torch.full((1, 2, 18, 16), 0.7).double(), holed(1, 1, 18, 16)))
    torch.testing.assert_close(features, 0.7 * updated)


def test_holes_shrink_by_the_reach_of_the_kernel():
    valid = torch.ones(1, 1, 15, 15)
    valid[..., 3:12, 3:12] = 0
    _, updated = PartialConv(1, 1, 5)(Stream(torch.zeros(1, 1, 15, 15), valid))
    wanted = torch.ones(1, 1, 15, 15)
    wanted[..., 5:10, 5:10] = 0
    assert torch.equal(updated, wanted)


def test_what_is_not_valid_has_no_say():
    conv, valid = layer(3, 4, 3, bias=True), holed(1, 1, 18, 16)
    x = drawn(1, 3, 18, 16).requires_grad_()
    features, _ = conv(Stream(x, valid))
    other, _ = conv(Stream(torch.where(valid > 0, x, 1e6), valid))
    assert torch.equal(features, other)
    features.sum().backward()
    assert (x.grad[(valid == 0).expand_as(x)] == 0).all() and (x.grad[(valid > 0).expand_as(x)] != 0).any()


def test_a_block_normalises_and_activates_features_and_hands_the_mask_on():
    block = Block(layer(3, 4, 3), nn.InstanceNorm2d(4), nn.ReLU())
    stream = Stream(drawn(1, 3, 18, 16), holed(1, 1, 18, 16))
    features, valid = block.conv(stream)
    found = block(stream)
    torch.testing.assert_close(found.features, instance_norm(features).relu())
    assert torch.equal(found.valid, valid)
