"""MAT: W. Li et al., "MAT: Mask-Aware Transformer for Large Hole Image Inpainting", CVPR 2022.

Code: https://github.com/fenglinglwb/MAT.

Sections 3.2 (convolutional head), 3.3 (transformer body, `layers/masked_transformer.py`) and 3.4 (style manipulation).
No run trains it: it fills holes with the authors' weights, which are for pictures of 512 px or of 256 px.

    x, valid      picture in [-1, 1], where it is known: 1 - hole
    z, w          latent code, and the mapping network's output for it
    style         what modulates convolutions: w beside a summary of the picture's features

The first stage is the transformer, whose picture takes the hole's place before a U-Net, the second stage. In the middle
of either, half of the values, at random, are replaced by a map that w makes.

Departures
- There is no training here: no critics, no perceptual loss, no R1 penalty.
- z, the values that are replaced, and the noise where none is stored are the same for each picture (`seed`). The
  authors' script draws them one after the other from numpy's and torch's own state, so its results depend on the order
  of the pictures.
- Noise is the stored one for pictures of the training pictures' size, as in the script at 512 px. The script draws new
  noise for the network of 256 px.
- Sides are padded to multiples of the training pictures' by repeating the border; the script does not pad, and the
  authors advise to count what is padded as missing.
- The output is the second stage's picture; the script puts the known pixels back into it, as is done elsewhere here.
- w is not moved towards its mean, which is the script's default: the stored mean is not read.
- A state dict is read; the authors' own files are pickles that run code which lies in them.
"""

import math
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from palimpsest.config.numbers import Channels, Factor, Few, Seed
from palimpsest.config.yaml import InputError, Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.masked_transformer import MaskedConv, TransformerGroup, enlarge_conv
from palimpsest.layers.resampling import double, halve_conv
from palimpsest.layers.style_synthesis import Dense, ScaledConv, Width, activate, conv, modulated_conv
from palimpsest.models.stylegan2 import Mapping

SIDES = (64, 32, 16, 32, 64)  # px, of a training picture's maps in each group of the transformer
RESIZE = (None, halve_conv, halve_conv, enlarge_conv, enlarge_conv)
MIDDLE = SIDES[2]  # px, of the maps whose values are replaced, in the second stage too

Groups = Annotated[list[Few], Field(min_length=len(SIDES), max_length=len(SIDES))]


class Config(Settings):
    transformer: Channels  # channels of the first stage
    heads: Few  # of its attention
    blocks: Groups
    windows: Groups  # px
    width: Width  # of the second stage
    latent: Channels  # channels of z and w
    mapping_layers: Few
    mapping_rate: Factor  # what the mapping network's stored weights are multiplied by
    seed: Seed  # of z and all other random numbers


class StyledConv(nn.Module):
    """Modulated 3 x 3 convolution, noise if maps of the training pictures are `side` px wide, activation."""

    def __init__(self, inputs: int, outputs: int, style: int, doubles: bool, side: int | None):
        super().__init__()
        self.styles = Dense(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.convolve = enlarge_conv if doubles else conv
        self.noisy = side is not None
        if self.noisy:
            self.noise_strength = nn.Parameter(torch.zeros(()))
            self.register_buffer("noise", torch.randn(side, side))

    def forward(self, x: Tensor, style: Tensor, draw: torch.Generator) -> Tensor:
        x = modulated_conv(x, self.weight[0], self.styles(style), self.convolve)
        if self.noisy:
            size = x.shape[2:]
            stored = size == self.noise.shape
            noise = self.noise if stored else torch.randn(size, generator=draw).to(x.device)
            x = x + noise * self.noise_strength
        return activate(x + self.bias[:, None, None])


class ToPicture(nn.Module):
    """Modulated 1 x 1 convolution without demodulation, added to twice the picture so far."""

    def __init__(self, inputs: int, style: int):
        super().__init__()
        self.styles = Dense(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(1, 3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, style: Tensor, picture: Tensor | None) -> Tensor:
        styles = self.styles(style) / math.sqrt(x.shape[1])
        colours = conv(x * styles[:, :, None, None], self.weight[0]) + self.bias[:, None, None]
        return colours if picture is None else double(picture) + colours


class Level(nn.Module):
    """Features (B, inputs, H, W), `beside` (B, outputs, 2 H, 2 W) → features like `beside`, and a picture."""

    def __init__(self, inputs: int, outputs: int, style: int, side: int | None = None):
        super().__init__()
        self.grow = StyledConv(inputs, outputs, style, doubles=True, side=side)
        self.refine = StyledConv(outputs, outputs, style, doubles=False, side=side)
        self.to_picture = ToPicture(outputs, style)

    def forward(
        self, x: Tensor, beside: Tensor, style: Tensor, picture: Tensor | None, draw: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        x = self.refine(self.grow(x, style, draw) + beside, style, draw)
        return x, self.to_picture(x, style, picture)


def half_replaced(x: Tensor, square: Tensor, draw: torch.Generator) -> Tensor:
    """Section 3.4: each value of x (B, C, h, w) becomes that of `square` (B, 1, h, w) with a chance of 1/2.

    Which ones do is the same for all pictures.
    """
    kept = torch.rand(x.shape[1:], generator=draw) < 0.5
    return torch.where(kept.to(x.device), x, square)


def halved(channels: int, times: int) -> nn.Sequential:
    return nn.Sequential(*(ScaledConv(channels, channels, 3, halve_conv) for _ in range(times)))


class FirstStage(nn.Module):
    """x ⊙ valid, valid and w → picture (B, 3, H, W), linear."""

    def __init__(self, config: Config, size: int):
        super().__init__()
        channels, halvings = config.transformer, int(math.log2(size // SIDES[0]))
        self.start = MaskedConv(4, channels)
        self.head = nn.ModuleList(MaskedConv(channels, channels, halve_conv) for _ in range(halvings))
        self.body = nn.ModuleList(
            TransformerGroup(channels, config.heads, *each)
            for each in zip(config.blocks, config.windows, SIDES, RESIZE, strict=True)
        )
        self.map_w, self.to_square = Dense(config.latent, channels), Dense(channels, MIDDLE**2)
        self.summary, self.to_style = halved(channels, 4), Dense(channels, 2 * channels)
        self.levels = nn.ModuleList(Level(channels, channels, 3 * channels) for _ in range(halvings))

    def forward(self, x: Tensor, valid: Tensor, w: Tensor, draw: torch.Generator) -> Tensor:
        held, picture, skips = valid, None, []
        x = torch.cat([valid - 0.5, x], 1)
        for layer in [self.start, *self.head, *self.body[:2]]:
            x, held = layer(x, held)
            skips.append(x)
        del skips[len(self.head)]  # the first group's is of the same size
        x, _ = self.body[2](x, None)
        w = activate(self.map_w(w))
        flat = interpolate(activate(self.to_square(w))[:, None], x[0, 0].numel(), mode="linear")
        x = half_replaced(x, flat.unflatten(2, x.shape[2:]), draw)
        style = torch.cat([activate(self.to_style(self.summary(x).mean((2, 3)))), w], 1)
        for group in self.body[3:]:
            x = group(x, None)[0] + skips.pop()
        for level in self.levels:
            x, picture = level(x, skips.pop(), style, picture, draw)
        return picture


class SecondStage(nn.Module):
    """valid - 0.5, the first stage's result and x ⊙ valid (B, 7, H, W), w → picture (B, 3, H, W), linear."""

    def __init__(self, config: Config, size: int):
        super().__init__()
        sides = [size >> k for k in range(int(math.log2(size // MIDDLE)) + 1)]
        widths = [config.width.at(side) for side in sides]
        deepest, summary = widths[-1], 2 * config.width.at(4)
        firsts = [ScaledConv(7, widths[0], 1), *(ScaledConv(*pair, 3, halve_conv) for pair in pairwise(widths))]
        blocks = zip(sides, firsts, widths, strict=True)
        self.encoder = nn.ModuleDict(
            {f"{side}": nn.Sequential(first, ScaledConv(width, width, 3)) for side, first, width in blocks}
        )
        self.to_square = Dense(config.latent, MIDDLE**2)
        self.summary, self.to_style = halved(deepest, 3), Dense(deepest, summary)
        style = config.latent + summary
        self.start = ScaledConv(deepest, deepest, 3)
        self.refine = StyledConv(deepest, deepest, style, doubles=False, side=MIDDLE)
        self.to_picture = ToPicture(deepest, style)
        grown = zip(sides[-2::-1], pairwise(reversed(widths)), strict=True)
        self.levels = nn.ModuleDict({f"{side}": Level(*pair, style, side) for side, pair in grown})

    def forward(self, x: Tensor, w: Tensor, draw: torch.Generator) -> Tensor:
        skips = []
        for block in self.encoder.values():
            x = block(x)
            skips.append(x)
        square = activate(self.to_square(w)).view(-1, 1, MIDDLE, MIDDLE)
        x = half_replaced(skips.pop(), interpolate(square, x.shape[2:], mode="bilinear"), draw)
        style = torch.cat([w, activate(self.to_style(self.summary(x).mean((2, 3))))], 1)
        x = self.refine(self.start(x) + x, style, draw)
        picture = self.to_picture(x, style, None)
        for level in self.levels.values():
            x, picture = level(x, skips.pop(), style, picture, draw)
        return picture


class Generator(nn.Module):
    """x (B, 3, H, W) and holes (B, 1, H, W) → picture (B, 3, H, W) about [-1, 1], with random numbers from `draw`."""

    def __init__(self, config: Config, size: int):
        super().__init__()
        self.mapping = Mapping(config.latent, config.mapping_layers, config.mapping_rate)
        self.first, self.second = FirstStage(config, size), SecondStage(config, size)
        self.latent = config.latent

    def forward(self, x: Tensor, hole: Tensor, draw: torch.Generator) -> Tensor:
        valid = 1 - hole
        w = self.mapping(torch.randn(1, self.latent, generator=draw).to(x)).expand(len(x), -1)
        known = x * valid
        guess = paste(self.first(known, valid, w, draw), x, hole)
        return self.second(torch.cat([valid - 0.5, guess, known], 1), w, draw)


def check(config: Config, size: int) -> None:
    """InputError where sizes do not divide each other as the networks need."""
    if size < 2 * SIDES[0] or size & (size - 1):
        raise InputError(f"pictures of {size} px; accepted: a power of 2 from {2 * SIDES[0]} px up")
    if config.width.base < size:
        raise InputError(f"width.base is {config.width.base} for pictures of {size} px; accepted: {size} or more")
    if config.transformer % config.heads:
        raise InputError(f"heads is {config.heads}, of {config.transformer} channels; accepted: a divisor of them")
    if any(side % window for side, window in zip(SIDES, config.windows, strict=True)):
        raise InputError(f"windows is {config.windows}; accepted: divisors of {', '.join(map(str, SIDES))} px")


class Model:
    def __init__(self, config: Config, size: int):
        check(config, size)
        self.config, self.size_divisor = config, size
        self.networks = nn.ModuleDict({"generator": Generator(config, size)})

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        draw = torch.Generator().manual_seed(self.config.seed)
        return ((self.networks["generator"](image * 2 - 1, hole, draw) + 1) / 2).clamp(0, 1)
