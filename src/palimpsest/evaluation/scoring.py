"""Filled pictures scored by every metric: a run's own and anyone's, by the same scorer.

Metrics judge the 8-bit result; those whose name ends in `_raw` judge the raw output.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from palimpsest.evaluation.filling import Filled
from palimpsest.metrics.aggregate import Aggregate, aggregate, defined_mean
from palimpsest.metrics.features import PAIRED, SMALLEST, Features, too_small
from palimpsest.metrics.pixel import LEAST, METRICS, RAW, Pair
from palimpsest.metrics.sets import OF_NETWORK, FeatureSet, compare_sets

Values = dict[str, np.ndarray]  # metric → one number a picture


def score_pixels(filled: Filled) -> Values:
    """Every metric on pixels: {metric: float64 (B,)}."""
    each = zip(filled.results, filled.outputs, filled.pictures, filled.holes, strict=True)
    rows = [_score_one(*arrays) for arrays in each]
    return {name: np.array([row[name] for row in rows]) for name in [*METRICS, *RAW]}


def _score_one(result: np.ndarray, output: np.ndarray, picture: np.ndarray, hole: np.ndarray) -> dict[str, float]:
    composited, raw = Pair(result, picture, hole), Pair(output, picture, hole)
    values = {name: metric(composited) for name, metric in METRICS.items()}
    return values | {name: metric(raw) for name, metric in RAW.items()}


@dataclass(frozen=True)
class Scores:
    """All that was measured of one set of pictures with holes of one kind."""

    ids: list[str]
    ratios: np.ndarray  # hole ratios, (N,)
    values: Values  # metrics of single pictures
    sets: dict[str, Aggregate]  # metrics of the whole set, or of its pictures that are large enough
    missing: dict[str, str]  # metric → why it could not be measured

    def aggregates(self, of: Callable[[np.ndarray], Aggregate] = aggregate) -> dict[str, Aggregate]:
        """{metric: aggregate}: of the values of all pictures; a metric of the whole set has no interval.

        Pictures are resampled in the order of their names, so that equal values have equal intervals wherever they are
        scored.
        """
        return {name: of(values[self._by_name]) for name, values in self.values.items()} | self.sets

    @property
    def means(self) -> dict[str, float]:
        """{metric: mean}, as `aggregates` has it."""
        of_sets = {name: found.mean for name, found in self.sets.items()}
        return {name: defined_mean(values[self._by_name]) for name, values in self.values.items()} | of_sets

    @property
    def _by_name(self) -> np.ndarray:
        return np.argsort(self.ids, kind="stable")


def over_seeds(seeds: Sequence[Scores]) -> Scores:
    """The means of several seeds of one run; a picture that lacks a value in one of them has none."""
    values = {name: np.mean([each.values[name] for each in seeds], 0) for name in seeds[0].values}
    means = {name: float(np.mean([each.sets[name].mean for each in seeds])) for name in seeds[0].sets}
    sets = {name: replace(found, mean=means[name]) for name, found in seeds[0].sets.items()}
    return replace(seeds[0], values=values, sets=sets)


class Scorer:
    """Scores filled pictures batch by batch."""

    def __init__(self, features: Features):
        self.features = features
        self._ids: list[str] = []
        self._ratios: list[np.ndarray] = []
        self._values: list[Values] = []
        self._pooled: list[dict[str, np.ndarray]] = []  # network → features (B, D)

    def add(self, filled: Filled) -> Values:
        """Scores a batch and returns its values."""
        perceptual, pooled = self.features.score(filled.results, filled.outputs, filled.pictures)
        self._values.append(score_pixels(filled) | perceptual)
        self._pooled.append(pooled)
        self._ratios.append(filled.holes.mean((1, 2)))
        self._ids += filled.ids
        return self._values[-1]

    def scores(self, reference: dict[str, FeatureSet]) -> Scores:
        """Of all batches; `reference` holds the originals' features, in the same order, network by network."""
        missing = {name: why for network, why in self.features.missing.items() for name in metrics_of(network)}
        values, sets = joined(self._whole_values()), {}
        for network in self.features.lpips:
            if PAIRED[network] not in values:
                missing |= dict.fromkeys(metrics_of(network), too_small(network, 0, 0))
        for network, features in joined(self._pooled).items():
            found, absent = compare_sets(network, features, reference.get(network))
            sets |= {name: Aggregate(value, None, None, len(features)) for name, value in found.items()}
            missing |= absent
        return Scores(self._ids, np.concatenate(self._ratios), values, sets, missing)

    def _whole_values(self) -> list[Values]:
        """The values of each batch, NaN where its pictures are too small for a metric that others have."""
        names = dict.fromkeys(name for batch in self._values for name in batch)
        pairs = zip(self._values, self._ratios, strict=True)
        return [{name: batch.get(name, np.full(len(ratios), np.nan)) for name in names} for batch, ratios in pairs]


def metrics_of(network: str) -> list[str]:
    """Every metric on the features of a network."""
    paired = [PAIRED[network], f"{PAIRED[network]}_raw"] if network in PAIRED else []
    return [*paired, *OF_NETWORK.get(network, {})]


LEAST_SIDES = LEAST | {  # metric → px; that of the raw output needs as many
    name: least for network, least in SMALLEST.items() for name in metrics_of(network) if not name.endswith("_raw")
}


def joined(batches: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """{name: the arrays of all batches in one}, of the batches that have one."""
    names = dict.fromkeys(name for batch in batches for name in batch)
    return {name: np.concatenate([batch[name] for batch in batches if name in batch]) for name in names}


def table(scored: Mapping[int, Mapping[str, Scores]]) -> str:
    """per-image.csv of {seed: {hole kind: scores}}: a row for each of these and picture, a column for each metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    metrics = next(iter(next(iter(scored.values())).values())).values
    writer.writerow(["seed", "image", "hole", "hole_ratio", *metrics])
    for seed, kinds in scored.items():
        for kind, scores in kinds.items():
            columns = zip(*(values.tolist() for values in (scores.ratios, *scores.values.values())), strict=True)
            writer.writerows([seed, image, kind, *row] for image, row in zip(scores.ids, columns, strict=True))
    return text.getvalue()
