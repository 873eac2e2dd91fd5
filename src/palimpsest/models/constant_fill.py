"""Constant fill: the hole takes the mean colour of the picture's known pixels.

A baseline of no paper: every table has a row for it, which any method should beat.
Departures: none known.
"""

from torch import Tensor, nn

from palimpsest.config.yaml import Settings
from palimpsest.layers.compositing import mean_colour


class Config(Settings):
    """There are no settings."""


class Model:
    size_divisor = 1

    def __init__(self, config: Config, size: int):
        self.networks = nn.ModuleDict()

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return mean_colour(image, 1 - hole).expand_as(image)
