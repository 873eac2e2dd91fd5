"""Samples of a prior during its training: pictures of fixed latent codes, and their distance from real pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch

from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_pixels
from palimpsest.metrics.features import Features, too_small
from palimpsest.metrics.frechet import FRECHET, Statistics, frechet_distance

BATCH = 16  # pictures


@dataclass(frozen=True)
class PriorSamples:
    """A grid of a prior's own pictures, and the Fréchet distance between more of them and as many real ones."""

    count: int  # pictures on the grid
    compared: int  # pictures on either side of the distance
    network: str  # whose features are compared, a key of FRECHET
    features: Features
    real: Statistics

    @classmethod
    def of(
        cls, count: int, compared: int, network: str, folder: Path, crop: Callable[[int], np.ndarray], device
    ) -> Self:
        """`crop(number)` is a real picture, uint8 (H, W, 3); InputError without weights, or below 16 px."""
        features = Features(folder, device, [network])
        if why := features.missing.get(network) or too_small(network, *crop(0).shape[:2]):
            raise InputError(f"asked for {FRECHET[network]} of a prior's pictures: {why}")
        pooled = [features.pool(np.stack([crop(n) for n in part]))[network] for part in _parts(compared)]
        return cls(count, compared, network, features, Statistics.of(np.concatenate(pooled)))

    @property
    def shown(self) -> dict[str, np.ndarray]:
        return {}

    def results(self, model, device: torch.device) -> np.ndarray:
        return to_pixels(model.sample(0, self.count, device))

    def distances(self, model, device: torch.device) -> dict[str, float]:
        made = [to_pixels(model.sample(part[0], len(part), device)) for part in _parts(self.compared)]
        pooled = np.concatenate([self.features.pool(pictures)[self.network] for pictures in made])
        return {FRECHET[self.network]: frechet_distance(Statistics.of(pooled), self.real)}


def _parts(count: int) -> list[range]:
    return [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
