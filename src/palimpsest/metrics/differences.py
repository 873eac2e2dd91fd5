"""How much two runs differ, with a 95 % interval over photographs and seeds.

A symmetric bootstrap-t interval (Hall 1988): the difference and its standard error are computed again for drawn
photographs and seeds, and their ratio says how many standard errors the interval is wide. Pictures of one photograph
are drawn together. Three seeds are too few to be drawn with replacement, so what they add is drawn from a normal
distribution of the variance that they have, which is itself drawn anew. docs/claims.md says how often it is right.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

RESAMPLES, BLOCK, SEED = 2000, 250, 1
LEVEL = 0.95
FEWEST = 4  # photographs; of fewer, more than 5 % of the draws are of one photograph alone
# Three seeds often show too little of their variance. Chosen on made-up results (docs/claims.md):
CAUTION = 3  # times the variance that was seen is what the draws have
BORROWED = 2  # times the variance of three seeds is that of another run's single one, where photographs vary too
KEPT = 0.7  # of the variance that was seen stays at least, however much of it photographs explain
ROUNDING, NOTHING = 1e-12, 1e-9  # what is left of 0: of a sum, and of a variance

Trained = tuple[bool, bool]  # whether each of two runs is
BOTH = (True, True)

FEW = f"fewer than {FEWEST} photographs"
ALIKE = "too few photographs differ"
ONE_SEED = "one number for the whole set and one seed"
UNDEFINED = "no picture has a value of both"


@dataclass(frozen=True)
class Difference:
    """Of the means of two runs, the second less the first."""

    mean: float
    low: float | None  # of the 95 % interval; none where there is none
    high: float | None
    pictures: int
    photographs: int
    seeds: tuple[int, int]
    why: str = ""  # there is no interval

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves out 0, else 0."""
        return self.beyond(0)

    def beyond(self, bound: float) -> int:
        """1 or -1 where the whole interval is above or below a bound, else 0."""
        return 0 if self.low is None else int(self.low > bound) - int(self.high < bound)

    @property
    def reversed(self) -> "Difference":
        """The first less the second."""
        low, high = (None, None) if self.low is None else (-self.high, -self.low)
        return Difference(-self.mean, low, high, self.pictures, self.photographs, self.seeds[::-1], self.why)


def of_pictures(
    first: np.ndarray, second: np.ndarray, photographs: np.ndarray, trained: Trained = BOTH, typical: float = 0.0
) -> Difference:
    """Of values (seeds, N) on the same N pictures; `photographs` (N,) says which picture is cut from which.

    A picture on which some value is not finite is left out. `trained` says which of the two would come out otherwise if
    it were made with another seed, `typical` what variance other runs' means have over seeds.
    """
    finite = np.isfinite(first).all(0) & np.isfinite(second).all(0)
    seeds = len(first), len(second)
    if not finite.any():
        return Difference(np.nan, None, None, 0, 0, seeds, UNDEFINED)
    _, group, sizes = np.unique(photographs[finite], return_inverse=True, return_counts=True)
    totals = [_totals(values[:, finite], group) for values in (first, second)]
    mean = float(second[:, finite].mean() - first[:, finite].mean())
    apart = totals[1].mean(0) - totals[0].mean(0) - mean * sizes
    apart[np.abs(apart) < ROUNDING * sum(np.abs(run).max(0) for run in totals)] = 0
    counted = len(group), len(sizes), seeds
    if len(sizes) < FEWEST:
        return Difference(mean, None, None, *counted, FEW)
    half = _half(_photographs(apart, sizes), _seeds(totals, sizes, trained, typical))
    if np.isinf(half):
        return Difference(mean, None, None, *counted, ALIKE)
    return Difference(mean, mean - half, mean + half, *counted)


def of_sets(
    first: np.ndarray,
    second: np.ndarray,
    pictures: int,
    photographs: int,
    trained: Trained = BOTH,
    typical: float = 0.0,
) -> Difference:
    """Of values (seeds,), one for the whole set of pictures each; `trained` and `typical` as above."""
    mean, counted = float(second.mean() - first.mean()), (pictures, photographs, (len(first), len(second)))
    if not np.isfinite(mean):
        return Difference(np.nan, None, None, *counted, UNDEFINED)
    if len(first) == len(second) == 1:
        return Difference(mean, None, None, *counted, ONE_SEED)
    half = _half(_Part.none(), _seeds([first[:, None], second[:, None]], np.ones(1), trained, typical))
    return Difference(mean, mean - half, mean + half, *counted)


@dataclass(frozen=True)
class _Part:
    """What photographs, or seeds, add to a difference's variance, and (RESAMPLES,) draws of both."""

    variance: float
    moved: np.ndarray  # by how much the difference
    drawn: np.ndarray  # the variance of the draw

    @classmethod
    def none(cls) -> "_Part":
        return cls(0.0, np.zeros(RESAMPLES), np.zeros(RESAMPLES))

    def __add__(self, other: "_Part") -> "_Part":
        return _Part(self.variance + other.variance, self.moved + other.moved, self.drawn + other.drawn)


def _half(photographs: _Part, seeds: _Part) -> float:
    """Half of the interval; infinite where too many draws have no variance."""
    both = photographs + seeds
    if both.variance == 0:
        return 0.0
    ratios = np.full(RESAMPLES, np.inf)
    some = both.drawn > NOTHING * both.variance
    ratios[some] = np.abs(both.moved[some]) / np.sqrt(both.drawn[some])
    return float(np.quantile(ratios, LEVEL, method="higher") * np.sqrt(both.variance))


def _totals(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(seeds, photographs) sums of values (seeds, N)."""
    return np.stack([np.bincount(group, row) for row in values])


def _photographs(apart: np.ndarray, sizes: np.ndarray) -> _Part:
    """Of a ratio of sums over photographs: `apart` (G,) is each one's sum less its share of the mean."""
    more = len(sizes) / (len(sizes) - 1)
    variance = more * (apart**2).sum() / sizes.sum() ** 2
    drawn = draws(np.stack([sizes, apart, apart**2, apart * sizes, sizes.astype(float) ** 2], 1))
    count, sums, squares, products, squared_sizes = drawn.T
    moved = sums / count
    return _Part(variance, moved, more * (squares - 2 * moved * products + moved**2 * squared_sizes) / count**2)


def draws(columns: np.ndarray) -> np.ndarray:
    """Sums of columns (G, K) over as many drawn photographs, (RESAMPLES, K)."""
    return np.concatenate([block.astype(np.float64) @ columns for block in _counts(len(columns))])


@lru_cache(maxsize=8)
def _counts(photographs: int) -> list[np.ndarray]:
    """How often each photograph is drawn, (RESAMPLES, G) in blocks of rows; they depend on G alone."""
    draw, even = np.random.default_rng([SEED, photographs]), np.full(photographs, 1 / photographs)
    return [draw.multinomial(photographs, even, BLOCK).astype(np.uint8) for _ in range(RESAMPLES // BLOCK)]


def _seeds(totals: list[np.ndarray], sizes: np.ndarray, trained: Trained, typical: float) -> _Part:
    """What training again adds, by each run's means over pictures.

    A run that is trained with one seed is taken to vary as the other does, and more where photographs vary, but no less
    than is typical.
    """
    several = [run for run in totals if len(run) > 1]
    alike = sum(len(run) == 1 and varies for run, varies in zip(totals, trained, strict=True))
    draw, found, lent = np.random.default_rng(SEED), _Part.none(), 0.0
    factor = BORROWED if len(sizes) > 1 else 1
    for run in several:
        shares = 1 / len(run) + alike * factor
        noise, freedom = _noise(run, sizes), len(run) - 1
        variance = float(_without(noise, (run.sum(1) / sizes.sum()).var(ddof=1)))
        moved = np.sqrt(shares * CAUTION * variance) * draw.standard_normal(RESAMPLES)
        again = (CAUTION * variance + noise) * draw.chisquare(freedom, RESAMPLES) / freedom
        found += _Part(shares * variance, moved, shares * _without(noise, again))
        lent = factor * variance
    more = alike * max(0.0, typical - lent)
    return found + _Part(more, np.sqrt(more) * draw.standard_normal(RESAMPLES), np.full(RESAMPLES, more))


def _without(noise: float, seen: np.ndarray) -> np.ndarray:
    """What training again adds to variances of seeds' means that hold the photographs' noise too."""
    return np.maximum(KEPT * seen, seen - noise)


def _noise(totals: np.ndarray, sizes: np.ndarray) -> float:
    """How much the means of seeds (S, G) vary because photographs are few: the photographs' part holds this."""
    if len(sizes) == 1:
        return 0.0
    own = totals - totals.sum(1, keepdims=True) / sizes.sum() * sizes
    between = (own - own.mean(0)) ** 2
    return len(sizes) / (len(sizes) - 1) * between.sum() / (len(totals) - 1) / sizes.sum() ** 2
