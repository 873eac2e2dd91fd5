import torch
from torch.nn.functional import conv2d, elu, relu

from palimpsest.layers.gated import GatedConv, gated_up


def test_half_of_the_channels_gate_the_other_half():
    torch.manual_seed(0)
    layer, inputs = GatedConv(5, 4, kernel=3, dilation=2), torch.randn(2, 5, 12, 10)
    both = conv2d(inputs, layer.conv.weight, layer.conv.bias, padding=2, dilation=2)
    assert layer.conv.weight.shape == (8, 5, 3, 3)
    assert torch.equal(layer(inputs), elu(both[:, :4]) * both[:, 4:].sigmoid())


def test_a_closed_gate_lets_nothing_through_and_an_open_one_everything():
    layer = GatedConv(1, 1, activation=relu)
    with torch.no_grad():
        layer.conv.weight.zero_()
        layer.conv.weight[0, 0, 1, 1] = 1
        for bias, expected in ((-100.0, 0.0), (100.0, 1.0)):
            layer.conv.bias.copy_(torch.tensor([0.0, bias]))
            inputs = torch.rand(1, 1, 6, 6)
            assert torch.allclose(layer(inputs), expected * inputs)


def test_sizes():
    inputs = torch.zeros(1, 3, 16, 24)
    assert GatedConv(3, 7, kernel=5, stride=2)(inputs).shape == (1, 7, 8, 12)
    assert gated_up(3, 2)(inputs).shape == (1, 2, 32, 48)
