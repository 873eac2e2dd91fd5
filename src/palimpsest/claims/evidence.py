"""What was measured, as claims are tested by it."""

from dataclasses import dataclass, field

import numpy as np

from palimpsest.claims.differences import Difference, of_pictures, of_sets
from palimpsest.config.yaml import InputError
from palimpsest.data.shards import Shard
from palimpsest.papers.metrics import Metrics, read_metrics
from palimpsest.results.measured import Measured
from palimpsest.workspace import Workspace


@dataclass(frozen=True)
class Evidence:
    """The values of every run, and the photographs that pictures are cut from."""

    measured: Measured
    metrics: Metrics = field(default_factory=read_metrics)
    _photographs: dict[str, np.ndarray] = field(default_factory=dict)  # of each slot, once read

    def lacks(self, run: str | None, slot: str, hole: str, metric: str) -> str:
        """Why a run has no value; "" where it has."""
        measured = self.measured
        if run not in measured.results:
            return f"run {run}: {measured.why_absent(run)}"
        if measured.results[run].slot != slot:
            return f"run {run} was not measured on {slot}"
        if metric not in measured.results[run].holes.get(hole, {}):
            return f"run {run}, {hole} holes: {measured.why_missing(run, metric)}"
        return ""

    def values(self, run: str, hole: str, metric: str) -> np.ndarray:
        """(seeds, N) of single pictures; (seeds,) of a metric of the whole set."""
        if self.metrics[metric].of == "set":
            return np.array(self.measured.results[run].by_seed[hole][metric])
        return self.measured.values(run)[hole][metric]

    def photographs(self, slot: str) -> np.ndarray:
        """(N,): pictures with the same number are cut from the same photograph."""
        if slot not in self._photographs:
            stem = Workspace(self.measured.root).slot(slot).shard("test")
            names, images = Shard(stem).photos, self.measured.pictures(slot).images
            if len(names) != images:
                raise InputError(f"{stem}: found {len(names)} pictures, expected the {images} that were measured")
            self._photographs[slot] = np.unique(names, return_inverse=True)[1]
        return self._photographs[slot]

    def difference(self, slot: str, metric: str, holes: dict[str, int], run: str, against: str) -> Difference:
        """Of `run` less `against`, each the sum of its values with holes of each kind times its sign."""
        first, second = (
            sum(sign * self.values(each, hole, metric) for hole, sign in holes.items()) for each in (against, run)
        )
        if self.metrics[metric].of == "set":
            pictures = self.measured.pictures(slot)
            return of_sets(first, second, pictures.images, pictures.photos)
        return of_pictures(first, second, self.photographs(slot))
