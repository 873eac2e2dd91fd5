from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, leaky_relu, pad

from palimpsest.layers.normed_residual import NormedResidualBlock, normed_unit

AFFINE = partial(nn.InstanceNorm2d, affine=True)


@pytest.mark.parametrize("leak", [0.0, 0.2])
@pytest.mark.parametrize("norm", [nn.InstanceNorm2d, AFFINE, nn.Identity])
@pytest.mark.parametrize(("spectral", "bias"), [(False, True), (False, False), (True, False)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_block_is_the_textbook_form(dilation, spectral, bias, norm, leak):
    torch.manual_seed(0)
    block, x = NormedResidualBlock(4, dilation, spectral, bias, norm, leak).eval(), torch.randn(2, 4, 9, 7)
    assert (block.first.bias is None) == (block.second.bias is None) == (not bias)
    framed = pad(x, [dilation] * 4, mode="reflect")
    hidden = leaky_relu(norm(4)(conv2d(framed, block.first.weight, block.first.bias, dilation=dilation)), leak)
    ended = conv2d(pad(hidden, [1] * 4, mode="reflect"), block.second.weight, block.second.bias)
    torch.testing.assert_close(block(x), x + norm(4)(ended))


def test_a_unit_normalises_what_it_convolves_and_then_activates_it():
    torch.manual_seed(0)
    conv, x = nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8)
    unit = nn.Sequential(*normed_unit(conv, nn.InstanceNorm2d, 0.2))
    torch.testing.assert_close(unit(x), leaky_relu(nn.functional.instance_norm(conv(x)), 0.2))
