"""How far our order of a table's methods agrees with the published one: Kendall's τ-b, which counts pairs."""

from dataclasses import dataclass

import numpy as np

from palimpsest.metrics.differences import FEWEST, LEVEL, RESAMPLES, SEED, draws


@dataclass(frozen=True)
class Column:
    """The methods of one column of a table: published numbers, and ours of the same pictures."""

    published: np.ndarray  # (M,)
    ours: np.ndarray  # (M, N), means over seeds, all finite
    photographs: np.ndarray  # (N,)
    of_seeds: np.ndarray  # (M,), the variances that seeds add to the means over pictures

    @property
    def tau(self) -> float:
        """NaN where all published numbers, or all of ours, are alike."""
        return float(kendall(self.published, self.ours.mean(1)[None])[0])

    @property
    def drawn(self) -> np.ndarray:
        """τ of as many drawn sets of photographs and seeds."""
        _, group, sizes = np.unique(self.photographs, return_inverse=True, return_counts=True)
        totals = [np.bincount(group, values) for values in self.ours]
        sums = draws(np.stack([sizes, *totals], 1))
        again = np.sqrt(self.of_seeds) * np.random.default_rng(SEED).standard_normal((RESAMPLES, len(self.of_seeds)))
        return kendall(self.published, sums[:, 1:] / sums[:, :1] + again)


@dataclass(frozen=True)
class Agreement:
    """The mean of τ over a table's columns: 1 where every order is the published one, -1 where every one is turned."""

    tau: float
    low: float | None  # of the 95 % interval; none with fewer than FEWEST photographs
    high: float | None
    columns: int


def agreement(columns: list[Column]) -> Agreement | None:
    """Over the columns that rank their methods, if any, with a percentile interval over photographs and seeds."""
    taus = {number: tau for number, column in enumerate(columns) if not np.isnan(tau := column.tau)}
    if not taus:
        return None
    mean, kept = float(np.mean(list(taus.values()))), [columns[number] for number in taus]
    if min(len(np.unique(column.photographs)) for column in kept) < FEWEST:
        return Agreement(mean, None, None, len(kept))
    drawn = np.nanmean([column.drawn for column in kept], 0)
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Agreement(mean, float(low), float(high), len(kept))


def kendall(published: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """τ-b of published numbers (M,) with each row of ours (R, M); NaN where a side is all ties."""
    first, second = np.triu_indices(len(published), 1)
    theirs, own = np.sign(published[first] - published[second]), np.sign(ours[:, first] - ours[:, second])
    with np.errstate(invalid="ignore"):
        return own @ theirs / np.sqrt((theirs**2).sum() * (own**2).sum(1))
