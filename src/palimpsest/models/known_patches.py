"""Known patches: each patch of the hole gives way to the nearest known patch, or to one drawn at random.

No paper's method but the floor that a method's choice of reference patches must rise above: CRFill, table 3.
Departures: none known.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from palimpsest.config.yaml import Settings
from palimpsest.layers.contextual_attention import relative_to_own
from palimpsest.layers.patches import known_patches, piece


class Config(Settings):
    choice: Literal["nearest", "random"]
    seed: Annotated[int, Field(ge=0, lt=2**63)]  # of the draw, the same for every picture


class Model:
    size_divisor = 8

    def __init__(self, config: Config, size: int):
        self.networks = nn.ModuleDict()
        self.config = config

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return piece(image, hole, self.references(image, hole))

    def references(self, image: Tensor, hole: Tensor) -> Tensor:
        """A known patch for each patch; where none is known, the first."""
        known = known_patches(hole)
        choose = nearest if self.config.choice == "nearest" else self.drawn
        return relative_to_own(choose(known), *known.shape[2:])

    def drawn(self, known: Tensor) -> Tensor:
        """Indices (B, N) of known patches, each as likely."""
        known = known.flatten(1)
        draw = torch.rand(known.shape[1], generator=torch.Generator().manual_seed(self.config.seed)).to(known.device)
        known_first = known.sort(dim=1, descending=True, stable=True).indices
        return known_first.gather(1, (draw * known.sum(1, keepdim=True)).long())


def nearest(known: Tensor) -> Tensor:
    """Indices (B, N) of the known patches closest to each patch, the first of several."""
    down, across = (torch.arange(side, dtype=torch.float32, device=known.device) for side in known.shape[2:])
    places = torch.cartesian_prod(down, across)
    return torch.cdist(places, places).masked_fill(~known.flatten(2), torch.inf).argmin(2)
