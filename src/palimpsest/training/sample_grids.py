"""Sample grids: what a model makes of the same inputs as training goes on, and how good that is."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import torch

from palimpsest.data.shards import Shard, spread
from palimpsest.holes.kinds import Holes, fixed_hole
from palimpsest.inpainting import inpaint, to_pixels, to_tensors
from palimpsest.layers.compositing import mean_colour
from palimpsest.training.logged import LOGGED

BATCH = 32


class SampleGrid(Protocol):
    """Asks the model for pictures; the loop puts its networks into evaluation mode first."""

    shown: dict[str, np.ndarray]  # arrays that are kept beside the results

    def results(self, model, device: torch.device) -> np.ndarray:
        """The grid's pictures, uint8 (K, H, W, 3)."""

    def distances(self, model, device: torch.device) -> dict[str, float]:
        """How far the model's pictures are from real ones, for the log; {} if that is not measured."""


@dataclass(frozen=True)
class FilledSamples:
    """Validation pictures with their fixed holes filled: a few for the grid, more for the hole PSNR."""

    pictures: np.ndarray  # uint8 (K, H, W, 3)
    holes: np.ndarray  # bool (K, H, W)
    validated: np.ndarray  # uint8 (N, H, W, 3)
    validated_holes: np.ndarray  # bool (N, H, W)

    @classmethod
    def of(cls, shard: Shard, holes: Holes, kind: str, count: int, validated: int) -> Self:
        """`count` pictures on the grid and `validated` others, either spread evenly over the split."""
        return cls(*_chosen(shard, holes, kind, count), *_chosen(shard, holes, kind, validated))

    @property
    def shown(self) -> dict[str, np.ndarray]:
        return {"pictures": self.pictures, "holes": self.holes}

    def results(self, model, device: torch.device) -> np.ndarray:
        return inpaint(model, self.pictures, self.holes, device)[0]

    def distances(self, model, device: torch.device) -> dict[str, float]:
        """Mean hole PSNR of the validated pictures less that of their constant fill, in dB."""
        batches = [slice(start, start + BATCH) for start in range(0, len(self.validated), BATCH)]
        filled = [inpaint(model, self.validated[part], self.validated_holes[part], device)[0] for part in batches]
        return {LOGGED: self._hole_psnr(np.concatenate(filled)) - self._constant}

    @cached_property
    def _constant(self) -> float:
        image, hole = to_tensors(self.validated, self.validated_holes)
        return self._hole_psnr(to_pixels(mean_colour(image, 1 - hole).expand_as(image)))

    def _hole_psnr(self, filled: np.ndarray) -> float:
        """As metrics.pixel.psnr_hole, which is no dependency of a training; a perfect hole counts as one off by 1."""
        squared = np.square((filled.astype(float) - self.validated) / 255)
        errors = [picture[hole].mean() for picture, hole in zip(squared, self.validated_holes, strict=True)]
        return float(np.mean(-10 * np.log10(np.maximum(errors, 255**-2))))


def _chosen(shard: Shard, holes: Holes, kind: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (K, H, W, 3), spread evenly over the split, and their fixed holes (K, H, W)."""
    chosen = spread(len(shard), count)
    pictures = np.stack([shard[i] for i in chosen])
    return pictures, np.stack([fixed_hole(holes, kind, shard.ids[i], pictures.shape[1]) for i in chosen])
