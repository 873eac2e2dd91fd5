"""PatchGAN, a critic whose scores each see 70 px, with spectral normalisation; EdgeConnect's.

P. Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LEAK = 0.2


class PatchCritic(nn.Sequential):
    """(B, inputs, H, W) → the maps of all five layers, for feature matching; the last are scores, (B, 1, h, w)."""

    def __init__(self, inputs: int, width: int, bias: bool):
        channels = [inputs, *(width * w for w in (1, 2, 4, 8))]
        strides = (2, 2, 2, 1)
        layers = [
            nn.Sequential(patch_conv(*pair, stride, bias), nn.LeakyReLU(LEAK, inplace=True))
            for pair, stride in zip(pairwise(channels), strides, strict=True)
        ]
        super().__init__(*layers, nn.Sequential(patch_conv(channels[-1], 1, 1, bias)))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for layer in self:
            x = layer(x)
            maps.append(x)
        return maps

    def compare(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of real and fake pictures, from one pass."""
        return self(torch.cat([real, fake]))[-1].chunk(2)


def patch_conv(inputs: int, outputs: int, stride: int, bias: bool) -> nn.Module:
    """4 x 4, normalised."""
    return spectral_norm(nn.Conv2d(inputs, outputs, 4, stride, padding=1, bias=bias))
