import torch
from torch.nn.functional import interpolate, pad

from building import shapes
from palimpsest.layers.contextual_attention import Options
from palimpsest.layers.gated_generator import Generator, GeneratorConfig
from palimpsest.layers.tensorflow_conventions import glorot

ATTENTION = Options(
    softmax_scale=10.0, fuse=True, masking="exclude", overlap="counted", sampling="strided", normalise_foreground=False
)


def generator(attention=ATTENTION, width=4, padding="zeros", coarse_at_half_above=1024):
    torch.manual_seed(0)
    config = GeneratorConfig(width=width, padding=padding, coarse_at_half_above=coarse_at_half_above)
    return Generator(config, attention).apply(glorot)


def holed(height=64, width=64):
    hole = torch.zeros(2, 1, height, width)
    hole[..., 20:44, 20:44] = 1
    return torch.rand(2, 3, height, width) * 2 - 1, hole


def test_shapes_of_every_layer():
    with torch.device("meta"):
        made = generator(width=24)
        coarse, _ = shapes(made.coarse, torch.empty(1, 5, 256, 256))
        conv, _ = shapes(made.refinement.conv_branch, torch.empty(1, 3, 256, 256))
        attention, _ = shapes(made.refinement.attention_branch["before"], torch.empty(1, 3, 256, 256))
        decoder, _ = shapes(made.refinement.decoder, torch.empty(1, 192, 64, 64))
    picture = [(48, 128), (48, 128), (24, 256), (12, 256), (3, 256)]
    assert coarse == [(24, 256), (48, 128), (48, 128)] + [(96, 64)] * 9 + picture
    assert conv == [(24, 256), (24, 128), (48, 128), (48, 64)] + [(96, 64)] * 6
    assert attention == [(24, 256), (24, 128), (48, 128), (96, 64), (96, 64), (96, 64)]
    assert decoder == [(96, 64), (96, 64), *picture]


def test_features_that_attention_compares_are_not_negative():
    outputs = generator()(*holed())
    assert outputs.features.shape == (2, 16, 16, 16) and outputs.features.min() == 0 < outputs.features.max()
    assert outputs.offsets.shape == (2, 2, 8, 8)


def test_without_attention_there_are_no_offsets():
    assert generator(None)(*holed()).offsets is None


def test_attention_sees_the_features_and_the_whole_hole():
    made, (x, hole), seen = generator(), holed(), []
    made.refinement.attention.register_forward_hook(lambda *call: seen.append(call[1:]))
    with torch.no_grad():
        made(x, hole)
    (((features, seen_hole), _),) = seen
    assert features.shape == (2, 16, 16, 16) and torch.equal(seen_hole, hole)


def test_tensorflows_padding_is_that_of_every_convolution_that_halves():
    """Against a port that keeps equal margins and puts a row and a column of zeros before each such kernel."""
    ours, port, (x, hole) = generator(padding="tensorflow"), generator(), holed()
    for made in (ours, port):
        for layer in made.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.data *= 3  # else half-open gates let random weights' signals fade
    with torch.no_grad():
        alike = port(x, hole)
        halving = [layer for layer in port.modules() if isinstance(layer, torch.nn.Conv2d) and layer.stride == (2, 2)]
        assert len(halving) == 6
        for layer in halving:
            layer.weight = torch.nn.Parameter(pad(layer.weight, (1, 0, 1, 0)))
        found, wanted = ours(x, hole), port(x, hole)
    assert wanted.x1.std() > 0.05
    torch.testing.assert_close(found[:3], wanted[:3], rtol=1e-4, atol=1e-4)
    assert (found.x1 - alike.x1).abs().max() > 0.05 and (found.x2 - alike.x2).abs().max() > 0.05


def test_a_large_picture_passes_the_coarse_network_at_half_its_size():
    made, seen = generator(coarse_at_half_above=64), []
    made.coarse.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    for height, width, expected in ((64, 64, (64, 64)), (72, 40, (36, 20)), (40, 136, (20, 68))):
        x, hole = torch.rand(1, 3, height, width), torch.zeros(1, 1, height, width)
        hole[..., 8:24, 8:24] = 1
        with torch.no_grad():
            outputs = made(x, hole)
        inputs, output = seen.pop()
        assert inputs.shape == (1, 5, *expected) and outputs.x1.shape == outputs.x2.shape == x.shape
        step = height // expected[0]
        assert torch.equal(inputs, torch.cat([x * (1 - hole), torch.ones_like(hole), hole], 1)[..., ::step, ::step])
        assert torch.equal(outputs.x1, interpolate(output, scale_factor=step))
