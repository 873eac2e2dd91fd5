"""One number for a set of pictures: the mean of their values, with a bootstrap interval over pictures."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

RESAMPLES, BLOCK, SEED = 1000, 100, 1


@dataclass(frozen=True)
class Aggregate:
    """A mean, and the interval that holds 95 % of the means of resampled sets of pictures."""

    mean: float
    low: float | None  # None for a metric of the whole set, which has no value for each picture
    high: float | None
    count: int  # pictures with a value
    undefined: int = 0  # pictures without one, such as a constant picture, which has no NCC
    infinite: int = 0  # pictures that `of_finite` left out, such as perfect ones, whose PSNR is infinite

    @property
    def leaves_out_0(self) -> bool:
        """Whether the interval of a difference says that it is no chance."""
        return self.low > 0 or self.high < 0

    @property
    def spread(self) -> tuple[float, float, int, int]:
        """All but the mean, of a metric of single pictures."""
        return self.low, self.high, self.count, self.undefined


def aggregate(values: np.ndarray) -> Aggregate:
    """Mean and 95 % percentile interval of (N,) values over `RESAMPLES` draws of N pictures with replacement.

    NaN marks a picture without a value; such pictures are left out and counted. A mean with an infinite value is
    infinite. The draws depend only on N, so two runs on the same pictures are resampled alike.
    """
    defined = values[~np.isnan(values)]
    undefined = len(values) - len(defined)
    if not len(defined):
        return Aggregate(math.nan, math.nan, math.nan, 0, undefined)
    finite = np.isfinite(defined)
    means = np.concatenate([counts @ np.where(finite, defined, 0) for counts in _draws(len(defined))]) / len(defined)
    if not finite.all():
        means[np.concatenate([counts @ ~finite for counts in _draws(len(defined))]) > 0] = math.inf
    low, high = np.quantile(means, [0.025, 0.975], method="nearest")
    return Aggregate(defined_mean(values), float(low), float(high), len(defined), undefined)


def defined_mean(values: np.ndarray) -> float:
    """The mean of those that are not NaN; NaN where there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


def of_finite(values: np.ndarray) -> Aggregate:
    """As `aggregate`, with infinite values left out and counted, unless there are no others."""
    infinite = np.isinf(values)
    if not np.isfinite(values).any():
        return replace(aggregate(values), infinite=int(infinite.sum()))
    return replace(aggregate(values[~infinite]), infinite=int(infinite.sum()))


def paired(before: np.ndarray, after: np.ndarray) -> Aggregate:
    """Of after − before of each picture, (N,) each; pictures without a finite difference are left out and counted."""
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        gained = after - before
    return aggregate(np.where(np.isfinite(gained), gained, np.nan))


@lru_cache(maxsize=2)
def _draws(count: int) -> list[np.ndarray]:
    """How often each of `count` pictures is drawn, (RESAMPLES, count) in blocks of rows."""
    draw = np.random.default_rng([SEED, count])
    return [np.stack([_counts(draw, count) for _ in range(BLOCK)]) for _ in range(RESAMPLES // BLOCK)]


def _counts(draw: np.random.Generator, count: int) -> np.ndarray:
    return np.bincount(draw.integers(count, size=count), minlength=count).astype(np.float32)
