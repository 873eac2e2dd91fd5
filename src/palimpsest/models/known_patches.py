"""Known patches: each patch of the hole is replaced by the nearest known patch, or by one drawn at random.

A baseline of no paper, for the choice of reference patches in CRFill's table 3.
Departures: none known.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from palimpsest.config.numbers import Seed
from palimpsest.config.yaml import Settings
from palimpsest.layers.contextual_attention import relative_to_own
from palimpsest.layers.patches import known_patches, piece


class Config(Settings):
    choice: Literal["nearest", "random"]
    seed: Seed  # of the draw, the same for every picture


class Model:
    size_divisor = 8

    def __init__(self, config: Config, size: int):
        self.networks = nn.ModuleDict()
        self.config = config

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.inspect(image, hole)[0]

    def inspect(self, image: Tensor, hole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Shows the known patch chosen for each patch; if none is known, the first patch."""
        known = known_patches(hole)
        choose = nearest if self.config.choice == "nearest" else self.random
        offsets = relative_to_own(choose(known), *known.shape[2:])
        return piece(image, hole, offsets), {"offsets": offsets}

    def random(self, known: Tensor) -> Tensor:
        """Indices (B, N) of known patches, all equally likely."""
        known = known.flatten(1)
        draw = torch.rand(known.shape[1], generator=torch.Generator().manual_seed(self.config.seed)).to(known.device)
        known_first = known.sort(dim=1, descending=True, stable=True).indices
        return known_first.gather(1, (draw * known.sum(1, keepdim=True)).long())


def nearest(known: Tensor) -> Tensor:
    """Indices (B, N) of the known patches closest to each patch; of several, the first."""
    down, across = (torch.arange(side, dtype=torch.float32, device=known.device) for side in known.shape[2:])
    places = torch.cartesian_prod(down, across)
    return torch.cdist(places, places).masked_fill(~known.flatten(2), torch.inf).argmin(2)
