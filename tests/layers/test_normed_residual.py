import pytest
import torch
from torch.nn.functional import conv2d, instance_norm, pad, relu

from palimpsest.layers.normed_residual import NormedResidualBlock


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_block_is_the_textbook_form(dilation, spectral):
    torch.manual_seed(0)
    block, x = NormedResidualBlock(4, dilation, spectral).eval(), torch.randn(2, 4, 9, 7)
    assert (block.first.bias is None) == (block.second.bias is None) == spectral
    framed = pad(x, [dilation] * 4, mode="reflect")
    hidden = relu(instance_norm(conv2d(framed, block.first.weight, block.first.bias, dilation=dilation)))
    ended = conv2d(pad(hidden, [1] * 4, mode="reflect"), block.second.weight, block.second.bias)
    torch.testing.assert_close(block(x), x + instance_norm(ended))


def test_convolutions_can_do_without_a_bias():
    block = NormedResidualBlock(4, 2, spectral=False, bias=False)
    assert [tuple(value.shape) for value in block.parameters()] == [(4, 4, 3, 3)] * 2
