"""Pictures scored by every metric: a run's own and anyone's, by the same scorer.

A result is composited and rounded to 8 bits before it is scored; `_raw` metrics see it as it came.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from palimpsest.inpainting import composite
from palimpsest.metrics.aggregate import Aggregate, aggregate
from palimpsest.metrics.features import FRECHET, Features, Statistics, frechet_distance
from palimpsest.metrics.pixel import METRICS, RAW, Pair

Values = dict[str, np.ndarray]  # metric → one number a picture


def score_pixels(outputs: np.ndarray, pictures: np.ndarray, holes: np.ndarray) -> Values:
    """Every metric on pixels: {metric: float64 (B,)} from uint8 (B, H, W, 3), twice, and bool (B, H, W)."""
    rows = [_score_one(*each) for each in zip(outputs, pictures, holes, strict=True)]
    return {name: np.array([row[name] for row in rows]) for name in [*METRICS, *RAW]}


def _score_one(output: np.ndarray, picture: np.ndarray, hole: np.ndarray) -> dict[str, float]:
    result, raw = Pair(composite(output, picture, hole), picture, hole), Pair(output, picture, hole)
    values = {name: metric(result) for name, metric in METRICS.items()}
    return values | {name: metric(raw) for name, metric in RAW.items()}


@dataclass(frozen=True)
class Scores:
    """Everything that was measured on one set of pictures with holes of one kind."""

    ids: list[str]
    ratios: np.ndarray  # (N,) of each picture that is missing
    values: Values
    sets: dict[str, float]  # metrics of the whole set
    missing: dict[str, str]  # metric → why it could not be measured

    def aggregates(self) -> dict[str, Aggregate]:
        """{metric: aggregate}: of the pictures' values, and of the whole set without an interval."""
        found = {name: aggregate(values) for name, values in self.values.items()}
        return found | {name: Aggregate(value, None, None, len(self.ids)) for name, value in self.sets.items()}


class Scorer:
    """Scores pictures that are given batch by batch."""

    def __init__(self, features: Features):
        self.features = features
        self._ids: list[str] = []
        self._shares: list[np.ndarray] = []
        self._values: list[Values] = []
        self._pooled: list[dict[str, np.ndarray]] = []  # network → features (B, D)

    def add(self, ids: Sequence[str], outputs: np.ndarray, pictures: np.ndarray, holes: np.ndarray) -> None:
        """Scores a batch: uint8 (B, H, W, 3), twice, and bool (B, H, W)."""
        perceptual, pooled = self.features.score(composite(outputs, pictures, holes), outputs, pictures)
        self._values.append(score_pixels(outputs, pictures, holes) | perceptual)
        self._pooled.append(pooled)
        self._shares.append(holes.mean((1, 2)))
        self._ids += ids

    def scores(self, reference: dict[str, Statistics]) -> Scores:
        """What was measured on all batches; `reference` holds the statistics of the real pictures."""
        missing, sets = dict(self.features.missing), {}
        for network, features in joined(self._pooled).items():
            if len(features) < 2:
                missing[FRECHET[network]] = "it needs two pictures or more"
            elif network not in reference:
                missing[FRECHET[network]] = f"the real pictures have no statistics of {network}; `dvc repro` makes them"
            else:
                sets[FRECHET[network]] = frechet_distance(Statistics.of(features), reference[network])
        return Scores(self._ids, np.concatenate(self._shares), joined(self._values), sets, missing)


def joined(batches: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """{name: the arrays of all batches, one after another}."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def table(scored: Mapping[str, Scores]) -> str:
    """CSV of {hole kind: scores}: one row a picture and kind, one column a metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "hole", "hole_ratio", *next(iter(scored.values())).values])
    for kind, scores in scored.items():
        columns = zip(*(values.tolist() for values in (scores.ratios, *scores.values.values())), strict=True)
        writer.writerows([image, kind, *row] for image, row in zip(scores.ids, columns, strict=True))
    return text.getvalue()
