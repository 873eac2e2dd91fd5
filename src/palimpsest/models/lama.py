"""LaMa: R. Suvorov et al., "Resolution-robust Large Mask Inpainting with Fourier Convolutions", WACV 2022.

Code: https://github.com/advimman/lama.

Section 2.1: fast Fourier convolutions, `layers/fourier.py`, see the whole picture from the first residual block on. No
run trains it: it fills holes with the authors' weights, in the settings of their "Big LaMa".

    x, m          picture, hole
    x ⊙ (1 - m)   picture without what is missing, black there
    x̂             output

Departures
- There is no training here: no high receptive field perceptual loss, no critic, no generator of training holes.
- Sides are padded to multiples of 8 px by repeating the border; the authors' script mirrors it.
- Results are rounded to 8 bits; the authors' script truncates them.
"""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import pad

from palimpsest.config.numbers import Channels, Few
from palimpsest.config.yaml import Settings
from palimpsest.layers.fourier import FourierResidualBlock, mirrored_conv
from palimpsest.layers.normed_residual import normed_unit

LEVELS = 3  # each halves the size and doubles the channels
SMALLEST = 2 * 2**LEVELS  # px, of a side


class Config(Settings):
    width: Channels  # channels of the first layer
    blocks: Few  # residual
    global_share: Annotated[float, Field(gt=0, lt=1)]  # of the blocks' channels, those that see the whole picture


class Generator(nn.Module):
    """x (B, 3, H, W) in [0, 1] and m (B, 1, H, W) → x̂ (B, 3, H, W) in [0, 1]; sides are multiples of 8 px."""

    def __init__(self, config: Config):
        super().__init__()
        widths = [config.width << level for level in range(LEVELS + 1)]
        before, deepest = widths[-2:]
        far = int(deepest * config.global_share)
        near = deepest - far
        self.first = unit(mirrored_conv(4, config.width, 7))
        self.down = nn.Sequential(*(unit(mirrored_conv(*pair, stride=2)) for pair in pairwise(widths[:-1])))
        self.to_local, self.to_global = (unit(mirrored_conv(before, part, stride=2)) for part in (near, far))
        self.blocks = nn.ModuleList(FourierResidualBlock(near, far) for _ in range(config.blocks))
        self.up = nn.Sequential(
            *(unit(nn.ConvTranspose2d(*pair, 3, 2, 1, output_padding=1)) for pair in pairwise(reversed(widths)))
        )
        self.out = nn.Conv2d(config.width, 3, 7, padding=3, padding_mode="reflect")

    def forward(self, x: Tensor, hole: Tensor) -> Tensor:
        x = self.down(self.first(torch.cat([x * (1 - hole), hole], 1)))
        near, far = self.to_local(x), self.to_global(x)
        for block in self.blocks:
            near, far = block(near, far)
        return self.out(self.up(torch.cat([near, far], 1))).sigmoid()


def unit(conv: nn.Module) -> nn.Sequential:
    """A convolution, batch normalisation, ReLU."""
    return nn.Sequential(*normed_unit(conv, nn.BatchNorm2d, leak=0.0))


class Model:
    size_divisor = 2**LEVELS

    def __init__(self, config: Config, size: int):
        self.networks = nn.ModuleDict({"generator": Generator(config)})

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        """A side of 8 px is padded to 16 px: the smallest map of such a picture would have no border to mirror."""
        height, width = image.shape[-2:]
        margin = (0, max(SMALLEST - width, 0), 0, max(SMALLEST - height, 0))
        image, hole = (pad(each, margin, mode="replicate") for each in (image, hole))
        return self.networks["generator"](image, hole)[..., :height, :width]
