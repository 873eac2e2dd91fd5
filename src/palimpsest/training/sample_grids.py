"""Sheets of sample pictures: what a method makes of the same pictures as training goes on."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from palimpsest.data.shards import Shard, spread
from palimpsest.holes.kinds import Holes, fixed_hole
from palimpsest.inpainting import inpaint


class SampleGrid(Protocol):
    """Networks are in evaluation when they are asked for a grid."""

    shown: dict[str, np.ndarray]  # what is kept beside the results

    def results(self, model, device: torch.device) -> np.ndarray:
        """uint8 (K, H, W, 3)."""

    def distances(self, model, device: torch.device) -> dict[str, float]:
        """How far its pictures are from real ones, for the log; {} where that is not measured."""


@dataclass(frozen=True)
class Filled:
    """Validation pictures, spread evenly, with fixed holes, as a method fills them."""

    pictures: np.ndarray  # uint8 (K, H, W, 3)
    holes: np.ndarray  # bool (K, H, W)

    @classmethod
    def of(cls, shard: Shard, holes: Holes, kind: str, count: int) -> "Filled":
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
