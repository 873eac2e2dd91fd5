"""Random patches: each patch of the hole gives way to a known patch drawn at random.

No paper's method but the floor that a method's choice of reference patches must rise above: CRFill, table 3.
Departures: none known.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from palimpsest.config import Settings
from palimpsest.layers.contextual_attention import relative_to_own
from palimpsest.layers.patches import known_patches, piece


class Config(Settings):
    seed: Annotated[int, Field(ge=0, lt=2**63)]  # of the draw, the same for every picture


class Model:
    multiple = 8

    def __init__(self, config: Config, size: int):
        self.networks = nn.ModuleDict()
        self.config = config

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return piece(image, hole, self.references(image, hole))

    def references(self, image: Tensor, hole: Tensor) -> Tensor:
        """A known patch for each patch; where none is known, the first."""
        known = known_patches(hole)
        height, width = known.shape[2:]
        draw = torch.rand(height * width, generator=torch.Generator().manual_seed(self.config.seed)).to(image.device)
        order = known.flatten(1).sort(dim=1, descending=True, stable=True).indices  # known patches first
        place = (draw * known.flatten(1).sum(1, keepdim=True)).long()
        return relative_to_own(order.gather(1, place), height, width)
