"""Basic blocks of T-MAD's networks: R. Xu et al., IEEE TIP 2021, section IV and table I.

There is no normalisation except spectral normalisation where a network asks for it. A LeakyReLU of slope 0.2 follows
every convolution except an output's.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

from palimpsest.layers.carafe import Carafe

LEAK = 0.2

Norm = Callable[[nn.Conv2d], nn.Module]


def spectral(conv: nn.Conv2d) -> nn.Module:
    """Spectral normalisation of a convolution that starts orthogonal, so that no direction fades.

    A 3 x 3 convolution starts as an orthogonal map of channels through one kernel of norm 1, whose sum makes up for
    what the activation takes away: with normalisation alone the signal of a deep network would fade from the start.
    """
    nn.init.orthogonal_(conv.weight)
    if conv.kernel_size == (3, 3):
        mixed = nn.init.orthogonal_(torch.empty(conv.weight.shape[:2]))
        with torch.no_grad():
            conv.weight.copy_(mixed[:, :, None, None] * kernel_of(nn.init.calculate_gain("leaky_relu", LEAK)))
    return spectral_norm(conv)


def kernel_of(total: float) -> Tensor:
    """3 x 3 of norm 1 that sums to `total`, with equal values around the middle."""
    around = (total - math.sqrt((9 - total**2) / 8)) / 9  # b of (total - 8 b)² + 8 b² = 1
    kernel = torch.full((3, 3), around)
    kernel[1, 1] = total - 8 * around
    return kernel


def plain(conv: nn.Conv2d) -> nn.Module:
    return conv


def activation(x: Tensor) -> Tensor:
    return leaky_relu(x, LEAK, inplace=True)  # the convolution's output is not needed again


class InputConv(nn.Module):
    """1 x 1: (B, inputs, H, W) → (B, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int, norm: Norm):
        super().__init__()
        self.conv = norm(nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return activation(self.conv(x))


class OutConv(nn.Module):
    """1 x 1 without activation: (B, inputs, H, W) → (B, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int, norm: Norm):
        super().__init__()
        self.conv = norm(nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class DownBlock(nn.Module):
    """3 x 3, 3 x 3, nearest neighbour at half the size: (B, C, H, W) → (B, 2 C, H / 2, W / 2).

    The nearest neighbour is every second pixel, so the second convolution computes only those.
    """

    def __init__(self, channels: int, norm: Norm):
        super().__init__()
        self.first = norm(nn.Conv2d(channels, channels, 3, padding=1))
        self.second = norm(nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return activation(self.second(activation(self.first(x))))


class ResidualBlock(nn.Module):
    """x + 3 x 3(3 x 3(x)) with mirrored borders, as in EdgeConnect; the first convolution is dilated. Same shape.

    `inside` computes only what lies at least 1 + dilation px inside the border, where nothing is mirrored.
    """

    def __init__(self, channels: int, dilation: int, norm: Norm):
        super().__init__()
        self.frames = (nn.ReflectionPad2d(dilation), nn.ReflectionPad2d(1))
        self.first = norm(nn.Conv2d(channels, channels, 3, dilation=dilation))
        self.second = norm(nn.Conv2d(channels, channels, 3))
        self.margin = 1 + dilation

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.frames
        return x + self.second(second(activation(self.first(first(x)))))

    def inside(self, x: Tensor) -> Tensor:
        m = self.margin
        return x[..., m:-m, m:-m] + self.second(activation(self.first(x)))


class UpBlock(nn.Module):
    """CARAFE to twice the size, 3 x 3, 3 x 3; without `upsamples` only the convolutions.

    (B, inputs, H, W) and, for a skip connection, (B, beside, 2 H, 2 W) → (B, outputs, 2 H, 2 W).
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, beside: int = 0, upsamples: bool = True):
        super().__init__()
        self.upsample = Carafe(inputs) if upsamples else nn.Identity()
        self.first = norm(nn.Conv2d(inputs + beside, outputs, 3, padding=1))
        self.second = norm(nn.Conv2d(outputs, outputs, 3, padding=1))

    def forward(self, x: Tensor, *beside: Tensor) -> Tensor:
        x = torch.cat([self.upsample(x), *beside], 1)
        return activation(self.second(activation(self.first(x))))
