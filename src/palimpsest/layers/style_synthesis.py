"""StyleGAN2's synthesis network: T. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020.

Sections 2 (weight demodulation) and 4.1 (skip generator). `models/stylegan2.py` trains it; GM-SRM recalls features from
it level by level, and Lahiri et al.'s method draws pictures with it.

    w             a code from the mapping network
    s             styles: scales of a convolution's input channels, an affine map of w
    B             noise, one map for each picture and convolution
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, leaky_relu, linear

from palimpsest.config.numbers import Channels
from palimpsest.config.yaml import Settings
from palimpsest.layers.resampling import double, double_conv

SMALLEST = 4  # px, of the constant from which a picture grows

Noise = Callable[[Tensor], Tensor]  # features (B, C, H, W) → B, (B, 1, H, W) or what broadcasts to it


class Width(Settings):
    """Channels at each resolution: `base` divided by its side in px, but at most `most`."""

    base: Channels
    most: Channels

    def at(self, side: int) -> int:
        return min(self.base // side, self.most)


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2 that keeps the variance."""
    return leaky_relu(x, 0.2) * math.sqrt(2)


class Dense(nn.Module):
    """Fully connected, weights scaled at run time by √(1 / inputs): (B, inputs) → (B, outputs)."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.gain, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight * self.gain, self.bias * self.rate)


def random_noise(x: Tensor) -> Tensor:
    return torch.randn(len(x), 1, *x.shape[2:], device=x.device)


def fixed_noise(seed: int) -> Noise:
    """Noise that is the same for every picture, and for every pass that asks for maps of the same sizes in order."""
    generator = torch.Generator().manual_seed(seed)
    return lambda x: torch.randn(1, 1, *x.shape[2:], generator=generator).to(x.device)


def modulated_conv(x: Tensor, weight: Tensor, styles: Tensor, convolve: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Section 2.2: convolution with weights scaled by `styles` (B, I) and then normalised for each output channel."""
    norms = (styles.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()
    return convolve(x * styles[:, :, None, None], weight) * norms[:, :, None, None]


def conv(x: Tensor, weight: Tensor) -> Tensor:
    return conv2d(x, weight, padding=weight.shape[-1] // 2)


class ScaledConv(nn.Module):
    """Convolution with weights scaled at run time by √(1 / fan-in); `convolve` may also change the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int, convolve=conv):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain, self.convolve = 1 / math.sqrt(inputs * kernel**2), convolve

    def forward(self, x: Tensor) -> Tensor:
        return activate(self.convolve(x, self.weight * self.gain) + self.bias[:, None, None])


class StyledConv(nn.Module):
    """Modulated 3 x 3 convolution, noise, activation; `doubles` the size if asked."""

    def __init__(self, inputs: int, outputs: int, latent: int, doubles: bool):
        super().__init__()
        self.styles = Dense(latent, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.convolve = double_conv if doubles else conv

    def forward(self, x: Tensor, w: Tensor, noise: Noise) -> Tensor:
        x = modulated_conv(x, self.weight, self.styles(w), self.convolve)
        return activate(x + noise(x) * self.noise_strength + self.bias[:, None, None])


class ToPicture(nn.Module):
    """Modulated 1 x 1 convolution without demodulation: (B, inputs, H, W) → (B, 3, H, W)."""

    def __init__(self, inputs: int, latent: int):
        super().__init__()
        self.styles = Dense(latent, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        styles = self.styles(w) / math.sqrt(x.shape[1])
        return conv(x * styles[:, :, None, None], self.weight) + self.bias[:, None, None]


class Level(nn.Module):
    """One resolution: one convolution at 4 px, two at any other, the first of which doubles the size.

    Features of the level below, (B, inputs, H / 2, W / 2), and w of each convolution → (B, channels, H, W).
    """

    def __init__(self, inputs: int, channels: int, latent: int, doubles: bool):
        super().__init__()
        grow = [StyledConv(inputs, channels, latent, doubles=True)] if doubles else []
        self.convs = nn.ModuleList([*grow, StyledConv(channels, channels, latent, doubles=False)])
        self.to_picture = ToPicture(channels, latent)
        self.channels = channels

    def forward(self, x: Tensor, ws: Sequence[Tensor], noise: Noise) -> Tensor:
        for layer, w in zip(self.convs, ws, strict=True):
            x = layer(x, w, noise)
        return x


class Synthesis(nn.Module):
    """w of each layer (B, layers + 1, latent) → picture (B, 3, H, W) about [-1, 1], by levels of 4, 8, 16 … px.

    It can also be used level by level, as a memory of features: `start`, then each of `levels` on the output of the
    level before.
    """

    def __init__(self, width: Width, latent: int, size: int):
        super().__init__()
        sides = [SMALLEST << k for k in range((size // SMALLEST).bit_length())]
        channels = [width.at(side) for side in sides]
        self.constant = nn.Parameter(torch.randn(channels[0], SMALLEST, SMALLEST))
        below = [channels[0], *channels[:-1]]
        self.levels = nn.ModuleList(
            Level(*pair, latent, doubles=bool(k)) for k, pair in enumerate(zip(below, channels, strict=True))
        )
        self.latent = latent
        self.layers = sum(len(level.convs) for level in self.levels)

    def start(self, batch: int, height: int = SMALLEST, width: int = SMALLEST) -> Tensor:
        """Input of the first level, (B, C, height, width): the constant, resized unless 4 x 4 px are asked for."""
        x = self.constant.expand(batch, -1, -1, -1)
        same = (height, width) == (SMALLEST, SMALLEST)
        return x if same else interpolate(x, (height, width), mode="bilinear")

    def forward(self, ws: Tensor, noise: Noise, height: int = SMALLEST, width: int = SMALLEST) -> Tensor:
        """The picture grows from `height` x `width` px."""
        x, picture, place = self.start(len(ws), height, width), None, 0
        for level in self.levels:
            count = len(level.convs)
            x = level(x, ws[:, place : place + count].unbind(1), noise)
            place += count
            colours = level.to_picture(x, ws[:, place])
            picture = colours if picture is None else double(picture) + colours
        return picture
