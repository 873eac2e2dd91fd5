import pytest
import torch
from torch.nn.functional import conv2d, elu, relu

from palimpsest.layers.gated import GatedConv, LightGatedConv, gated_up


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


@pytest.mark.parametrize("padding", ["zeros", "tensorflow"])
@pytest.mark.parametrize("stride, dilation", [(1, 1), (2, 1), (1, 4)])
@pytest.mark.parametrize("gate, weights", [("single-channel", 5 * 9 + 1), ("pixelwise", 8 * 6)])
def test_a_light_gate_is_a_cheaper_convolution(gate, weights, stride, dilation, padding):
    torch.manual_seed(0)
    layer = LightGatedConv(5, 8, gate, stride=stride, dilation=dilation, padding=padding)
    inputs = torch.randn(2, 5, 12, 10)
    assert sum(value.numel() for value in layer.gate.parameters()) == weights
    assert layer(inputs).shape == (2, 8, 12 // stride, 10 // stride)
    if gate == "pixelwise":
        pixels = inputs[..., ::stride, ::stride]
        opened = torch.einsum("oi,bihw->bohw", layer.gate.weight[..., 0, 0], pixels) + layer.gate.bias[:, None, None]
    else:
        opened = layer.gate(inputs)
    torch.testing.assert_close(layer(inputs), elu(layer.features(inputs)) * opened.sigmoid())


def test_light_gates_learn_in_the_order_of_memory_that_training_uses():
    """PyTorch 2.13's own 1 x 1 convolution of stride 2 crashes here."""
    layer = LightGatedConv(4, 8, "pixelwise", stride=2).to(memory_format=torch.channels_last)
    inputs = torch.rand(4, 4, 64, 64).contiguous(memory_format=torch.channels_last)
    gradients = torch.autograd.grad(layer(inputs).square().mean(), list(layer.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_depth_separable_gate_sees_each_channel_apart_and_mixes_them_afterwards():
    torch.manual_seed(0)
    layer, inputs = LightGatedConv(3, 4, "depth-separable", dilation=2), torch.randn(1, 3, 8, 8)
    depthwise, pointwise = layer.gate
    apart = [conv2d(inputs[:, i : i + 1], depthwise.weight[i : i + 1], padding=2, dilation=2) for i in range(3)]
    expected = pointwise(torch.cat(apart, 1) + depthwise.bias[:, None, None])
    torch.testing.assert_close(layer.gate(inputs), expected)
    assert sum(value.numel() for value in layer.gate.parameters()) == 3 * 10 + 4 * 4
