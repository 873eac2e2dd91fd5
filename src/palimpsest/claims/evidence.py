"""What was measured, as claims are tested by it."""

from dataclasses import dataclass, field
from statistics import median

import numpy as np

from palimpsest.metrics.differences import Difference, of_pictures, of_sets
from palimpsest.papers.metrics import Metrics, read_metrics
from palimpsest.papers.paper import foreseen
from palimpsest.results.measured import Measured

UNDEFINED = "no settings define such a run yet"


@dataclass(frozen=True)
class Evidence:
    """The values of every run."""

    measured: Measured
    metrics: Metrics = field(default_factory=read_metrics)
    _typical: dict[tuple[str, str], float] = field(default_factory=dict)  # of each slot and metric, once computed

    def lacks(self, run: str | None, slot: str, hole: str, metric: str) -> str:
        """Why a run has no value; "" where it has."""
        measured = self.measured
        if run not in measured.results:
            undefined = run in foreseen() and run not in measured.runs
            return f"run {run}: {UNDEFINED if undefined else measured.why_absent(run)}"
        if measured.results[run].slot != slot:
            return f"run {run} was not measured on {slot}"
        if metric not in measured.results[run].holes.get(hole, {}):
            return f"run {run}, {hole} holes: {measured.why_missing(run, metric)}"
        if self.metrics[metric].of != "set" and metric not in measured.values(run).get(hole, {}):
            return f"run {run}, {hole} holes: its values of single pictures are not kept"
        return ""

    def values(self, run: str, hole: str, metric: str) -> np.ndarray:
        """(seeds, N) of single pictures; (seeds,) of a metric of the whole set."""
        if self.metrics[metric].of == "set":
            return np.array(self.measured.results[run].by_seed[hole][metric])
        return self.measured.values(run)[hole][metric]

    def difference(self, slot: str, metric: str, holes: dict[str, int], run: str, against: str) -> Difference:
        """Of `run` less `against`, each the sum of its values with holes of each kind times its sign."""
        first, second = (
            sum(sign * self.values(each, hole, metric) for hole, sign in holes.items()) for each in (against, run)
        )
        trained, typical = (self.measured.varies(against), self.measured.varies(run)), self.typical(slot, metric)
        if self.metrics[metric].of == "set":
            pictures = self.measured.pictures(slot)
            return of_sets(first, second, pictures.images, pictures.photos, trained, typical)
        return of_pictures(first, second, self.measured.photographs(slot), trained, typical)

    def typical(self, slot: str, metric: str) -> float:
        """The variance of a metric's mean over seeds: the median over the slot's runs with several; 0 without any."""
        if (slot, metric) not in self._typical:
            runs = [run for run in self.measured.results.values() if run.slot == slot]
            known = [median(found) for run in runs if (found := run.deviations(metric))]
            self._typical[slot, metric] = median(known) ** 2 if known else 0.0
        return self._typical[slot, metric]

    def of_seeds(self, run: str, slot: str, hole: str, metric: str) -> float:
        """The variance that seeds add to a run's mean: what its own show, or what is typical; 0 if untrained."""
        if not self.measured.varies(run):
            return 0.0
        own = self.measured.results[run].deviation(hole, metric)
        return self.typical(slot, metric) if own is None else own**2 / len(self.measured.results[run].seeds)
