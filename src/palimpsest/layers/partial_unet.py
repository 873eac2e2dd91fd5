"""U-Net of partial convolutions, whose masks travel beside the features.

G. Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018, section 3.2, for pictures
of any number of channels; X. Guo et al., "Image Inpainting via Conditional Texture and Structure Dual Generation", ICCV
2021, for two that exchange their deepest levels.
"""

from itertools import pairwise
from typing import Literal

from torch import nn
from torch.nn.functional import interpolate

from palimpsest.config.yaml import InputError
from palimpsest.layers.partial_convolution import Block, Normalisation, PartialConv, Stream

LEAK = 0.2

Enlarging = Literal["nearest", "bilinear"]


def levels(width: int, count: int) -> list[int]:
    """Channels of each level, from the first: they double up to 8 times `width`."""
    return [width * min(2**level, 8) for level in range(count)]


def size_divisor(count: int, size: int) -> int:
    """px that `count` levels divide; InputError unless training pictures of `size` px leave more than one at the end.

    Batch normalisation needs several.
    """
    divisor = 2**count
    if size % divisor or size == divisor:
        found = f"levels is {count} for pictures of {size} px"
        raise InputError(f"{found}; accepted: multiples of {divisor} px, from twice that up")
    return divisor


def joining(below: int, beside: int, outputs: int, normalisation: Normalisation) -> Block:
    """A decoder's block: the streams of the level below and of the skip connection → one of `outputs` channels."""
    conv = PartialConv(below + beside, outputs, normalisation=normalisation)
    return Block(conv, nn.BatchNorm2d(outputs), nn.LeakyReLU(LEAK, inplace=True))


class KeepsStatistics(nn.Module):
    """A network whose batch normalisation can keep its statistics while it trains; scales and shifts go on learning."""

    keeps_statistics = False

    def keep_statistics(self, keeps: bool) -> None:
        self.keeps_statistics = keeps
        self.train(self.training)

    def train(self, mode: bool = True) -> "KeepsStatistics":
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(mode and not self.keeps_statistics)
        return self


class Encoder(KeepsStatistics, nn.ModuleList):
    """Blocks of stride 2: a stream of the picture's size → those of all levels, from the largest to the smallest."""

    def __init__(self, inputs: int, channels: list[int], first_bias: bool, normalisation: Normalisation):
        kernels = [7, 5, 5, *[3] * (len(channels) - 3)]
        blocks = []
        for kernel, (before, after) in zip(kernels, pairwise([inputs, *channels]), strict=True):
            first = not blocks
            conv = PartialConv(before, after, kernel, 2, first and first_bias, normalisation)
            blocks.append(Block(conv, nn.Identity() if first else nn.BatchNorm2d(after), nn.ReLU(inplace=True)))
        super().__init__(blocks)

    def forward(self, stream: Stream) -> list[Stream]:
        streams = []
        for block in self:
            stream = block(stream)
            streams.append(stream)
        return streams


class Decoder(nn.ModuleList):
    """Blocks that join a stream at twice its size with the one beside it, from the smallest level to the picture.

    `last` joins what comes up, of the first level's channels, with the picture.
    """

    def __init__(self, channels: list[int], last: Block, enlarging: Enlarging, normalisation: Normalisation):
        *skips, deepest = channels
        blocks = [
            joining(below, beside, beside, normalisation) for below, beside in pairwise([deepest, *reversed(skips)])
        ]
        super().__init__([*blocks, last])
        self.enlarging = enlarging

    def forward(self, stream: Stream, skips: list[Stream]) -> Stream:
        for block, skip in zip(self, reversed(skips), strict=True):
            features = interpolate(stream.features, scale_factor=2, mode=self.enlarging)
            stream = block(Stream(features, interpolate(stream.valid, scale_factor=2)), skip)
        return stream
