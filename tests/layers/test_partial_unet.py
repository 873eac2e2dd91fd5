import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate

from palimpsest.config.yaml import InputError
from palimpsest.layers.partial_convolution import PartialConv, Stream
from palimpsest.layers.partial_unet import Block, Decoder, Encoder, KeepsStatistics, joining, levels, size_divisor

CHANNELS = [4, 8, 16]


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def encoder(inputs=3, **switches):
    torch.manual_seed(0)
    return Encoder(inputs, CHANNELS, **{"first_bias": False, "normalisation": "ratio"} | switches)


def decoder(enlarging="nearest", inputs=3):
    torch.manual_seed(0)
    return Decoder(CHANNELS, joining(CHANNELS[0], inputs, 5, "ratio"), enlarging, "ratio")


def picture(channels=3):
    return Stream(drawn(2, channels, 32, 48), torch.ones(2, 1, 32, 48))


def test_channels_double_up_to_eight_times_the_first():
    assert levels(64, 7) == [64, 128, 256, 512, 512, 512, 512]


@pytest.mark.parametrize(("count", "size"), [(5, 48), (5, 32), (3, 20)])
def test_pictures_that_cannot_be_halved_or_end_at_one_pixel_are_refused(count, size):
    with pytest.raises(InputError, match=f"levels is {count} for pictures of {size} px; accepted: multiples of"):
        size_divisor(count, size)
    assert size_divisor(5, 64) == size_divisor(5, 96) == 32


@pytest.mark.parametrize("inputs", [2, 3])
def test_each_level_halves_the_size(inputs):
    streams = encoder(inputs)(picture(inputs))
    assert [tuple(s.features.shape[1:]) for s in streams] == [(4, 16, 24), (8, 8, 12), (16, 4, 6)]
    assert [tuple(s.valid.shape[1:]) for s in streams] == [(1, 16, 24), (1, 8, 12), (1, 4, 6)]


def test_kernels_bias_and_normalisation_are_those_of_the_paper():
    blocks = encoder(first_bias=True)
    assert [block.conv.kernel_size[0] for block in blocks] == [7, 5, 5]
    assert [block.conv.bias is not None for block in blocks] == [True, False, False]
    assert [isinstance(block.norm, nn.BatchNorm2d) for block in blocks] == [False, True, True]


def test_without_holes_a_block_is_a_convolution_away_from_the_border():
    torch.manual_seed(0)
    block = Block(PartialConv(3, 4, 5, 2), nn.Identity(), nn.ReLU())
    x = drawn(1, 3, 24, 24)
    features, valid = block(Stream(x, torch.ones(1, 1, 24, 24)))
    wanted = conv2d(x, block.conv.weight, None, 2, 2).relu()
    torch.testing.assert_close(features[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])
    assert (valid == 1).all()


def test_levels_close_the_hole_and_its_pixels_have_no_say():
    valid = torch.ones(2, 1, 32, 48)
    valid[..., 8:24, 10:30] = 0
    x = drawn(2, 3, 32, 48)
    other = torch.where(valid > 0, x, 1e6)
    networks = encoder().eval(), decoder().eval()
    results = []
    for values in (x, other):
        stream = Stream(values, valid)
        *skips, deepest = networks[0](stream)
        results.append(networks[1](deepest, [stream, *skips]))
    assert torch.equal(results[0].features, results[1].features)
    assert results[0].features.shape == (2, 5, 32, 48) and (results[0].valid == 1).all()
    missing = [(stream.valid == 0).sum().item() for stream in [*skips, deepest]]
    assert missing[0] > missing[1] >= missing[2] == 0


@pytest.mark.parametrize("enlarging", ["nearest", "bilinear"])
def test_a_decoders_block_sees_what_comes_up_at_twice_its_size_and_the_skip_beside_it(enlarging):
    network, seen = decoder(enlarging).eval(), []
    for block in network:
        block.register_forward_pre_hook(lambda _, streams: seen.append(streams))
    stream = picture()
    *skips, deepest = encoder().eval()(stream)
    network(deepest, [stream, *skips])
    assert [streams[1] for streams in seen] == [skips[1], skips[0], stream]
    torch.testing.assert_close(
        seen[0][0].features, interpolate(deepest.features, scale_factor=2, mode=enlarging), rtol=0, atol=0
    )
    assert torch.equal(seen[0][0].valid, interpolate(deepest.valid, scale_factor=2))


def test_the_last_block_may_be_another():
    last = Block(PartialConv(CHANNELS[0] + 3, 3, bias=True), nn.Identity(), nn.Identity())
    network = Decoder(CHANNELS, last, "nearest", "ratio")
    assert network[-1] is last and len(network) == len(CHANNELS)


class Network(KeepsStatistics):
    def __init__(self):
        super().__init__()
        self.encoder = encoder()


def test_batch_normalisation_can_keep_its_statistics_while_it_trains():
    network, stream = Network(), picture()
    norm = network.encoder[1].norm
    for keeps in (False, True):
        network.keep_statistics(keeps)
        network.eval()
        network.train()  # as after a sample grid
        assert network.training and norm.training != keeps
        before = norm.running_mean.clone()
        network.encoder(stream)[-1].features.sum().backward()
        assert torch.equal(norm.running_mean, before) == keeps
        assert norm.weight.grad is not None
