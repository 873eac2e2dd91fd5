from functools import partial

import torch
from torch import nn

from building import shapes
from palimpsest.layers.dilated_trunk import conv, dilated, to_full_size, trunk


def test_a_trunk_halves_twice_and_doubles_twice():
    with torch.device("meta"):
        found, _ = shapes(trunk(3, 8, conv), torch.empty(1, 3, 64, 64))
    assert found[:4] == [(8, 64), (16, 32), (16, 32), (32, 16)]
    assert found[4:12] == [(32, 16)] * 8
    assert found[12:] == [(16, 32), (16, 32), (8, 64), (4, 64)]


def test_the_dilated_layers_keep_the_size_and_reach_30_px():
    layers = nn.Sequential(*dilated(1, partial(conv, activation=nn.Identity))).double()
    x = torch.zeros(1, 1, 81, 81, dtype=torch.float64, requires_grad=True)
    output = layers(x)
    assert output.shape == x.shape
    (seen,) = torch.autograd.grad(output[0, 0, 40, 40], x)
    assert seen[0, 0].nonzero().amin() == 10 and seen[0, 0].nonzero().amax() == 70


def test_enlarging_repeats_each_pixel_before_its_convolution():
    def repeated(inputs, outputs, **_):
        return nn.Identity()

    x = torch.rand(1, 2, 3, 3)
    enlarged = nn.Sequential(*to_full_size(8, repeated))(x)
    assert torch.equal(enlarged, x.repeat_interleave(4, 2).repeat_interleave(4, 3))


def test_a_unit_may_pad_and_end_as_its_network_wants():
    found = conv(1, 1, 5, 2, padding="reflect", activation=nn.ReLU)
    assert found[0].padding_mode == "reflect" and found[0].stride == (2, 2)
    assert isinstance(found[1], nn.ReLU)
