"""Sample grids: what a model makes of the same inputs as training goes on."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch

from palimpsest.data.shards import Shard, spread
from palimpsest.holes.kinds import Holes, fixed_hole
from palimpsest.inpainting import inpaint


class SampleGrid(Protocol):
    """Asks the model for pictures; the loop puts its networks into evaluation mode first."""

    shown: dict[str, np.ndarray]  # arrays that are kept beside the results

    def results(self, model, device: torch.device) -> np.ndarray:
        """The grid's pictures, uint8 (K, H, W, 3)."""

    def distances(self, model, device: torch.device) -> dict[str, float]:
        """How far the model's pictures are from real ones, for the log; {} if that is not measured."""


@dataclass(frozen=True)
class FilledSamples:
    """Validation pictures, spread evenly over the split, with their fixed holes filled."""

    pictures: np.ndarray  # uint8 (K, H, W, 3)
    holes: np.ndarray  # bool (K, H, W)

    @classmethod
    def of(cls, shard: Shard, holes: Holes, kind: str, count: int) -> Self:
        chosen = spread(len(shard), count)
        pictures = np.stack([shard[i] for i in chosen])
        return cls(pictures, np.stack([fixed_hole(holes, kind, shard.ids[i], pictures.shape[1]) for i in chosen]))

    @property
    def shown(self) -> dict[str, np.ndarray]:
        return {"pictures": self.pictures, "holes": self.holes}

    def results(self, model, device: torch.device) -> np.ndarray:
        return inpaint(model, self.pictures, self.holes, device)[0]

    def distances(self, model, device: torch.device) -> dict[str, float]:
        return {}
