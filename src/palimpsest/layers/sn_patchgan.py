"""SN-PatchGAN, the critic of DeepFill v2, section 3.3; CRFill and GM-SRM use it too.

J. Yu et al., "Free-Form Image Inpainting with Gated Convolution", ICCV 2019.
"""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from palimpsest.config.numbers import Channels, Factor, Weight
from palimpsest.config.yaml import Settings
from palimpsest.layers.tensorflow_conventions import glorot, same_conv


class CriticConfig(Settings):
    """SN-PatchGAN and how fast it learns."""

    width: Channels  # channels of the first layer
    layers: Annotated[int, Field(ge=1, le=6)]  # each halves the size
    leak: Weight  # slope of the activation below 0
    padding: Literal["zeros", "tensorflow"]  # see layers/tensorflow_conventions.py
    sees: Literal["hole", "ones"]  # the plane beside the picture
    rate: Factor  # learning rate, times the generator's


class Critic(nn.Sequential):
    """Picture and a plane, (B, 4, H, W) → scores (B, C, h, w), each of a patch and a feature."""

    def __init__(self, config: CriticConfig):
        self.sees = config.sees
        channels = [4, *(config.width * w for w in (1, 2, 4, 4, 4, 4)[: config.layers])]
        layers = []
        for inputs, outputs in pairwise(channels):
            conv = same_conv(inputs, outputs, kernel=5, stride=2, padding=config.padding)
            glorot(conv)
            layers += [spectral_norm(conv), nn.LeakyReLU(config.leak)]
        super().__init__(*layers)

    def forward(self, picture: Tensor, hole: Tensor) -> Tensor:
        return super().forward(torch.cat([picture, hole if self.sees == "hole" else torch.ones_like(hole)], 1))

    def compare(self, real: Tensor, fake: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of real and fake pictures, from one pass."""
        return self(torch.cat([real, fake]), torch.cat([hole, hole])).chunk(2)
