"""What votes amount to: shares with intervals, winning samples, agreement between raters."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

RESAMPLES, SEED, Z = 1000, 1, 1.959964  # Z leaves 2.5 % of a normal distribution above it
FEW = 5  # raters; fewer are too few to resample


class Vote(NamedTuple):
    """One rater's choice on one picture."""

    rater: str
    trial: str
    method: str


class ShareOfVotes(NamedTuple):
    """A method's share of the votes, in [0, 1], and its 95 % interval."""

    votes: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Tally:
    """What some votes amount to."""

    shares: dict[str, ShareOfVotes]  # of each method
    wins: dict[str, int]  # pictures on which it has strictly most votes
    ties: int  # pictures on which several methods have most votes
    pictures: int  # with a vote
    raters: int
    kappa: float  # Fleiss'; NaN where it is undefined

    @property
    def votes(self) -> int:
        return sum(share.votes for share in self.shares.values())

    @property
    def agreement(self) -> str:
        """Kappa as printed."""
        return "undefined" if math.isnan(self.kappa) else f"{self.kappa:.2f}"


def tally(votes: Sequence[Vote], methods: Sequence[str]) -> Tally:
    """The tally of one or more votes, each a choice among `methods`."""
    by_rater, by_picture = (counts(votes, methods, key) for key in ("rater", "trial"))
    total = by_rater.sum(0).tolist()
    bounds = bootstrap(by_rater) if len(by_rater) >= FEW else [wilson(n, len(votes)) for n in total]
    won = winners(by_picture)
    return Tally(
        shares={m: ShareOfVotes(n, n / len(votes), *b) for m, n, b in zip(methods, total, bounds, strict=True)},
        wins={method: won.count(place) for place, method in enumerate(methods)},
        ties=won.count(None),
        pictures=len(by_picture),
        raters=len(by_rater),
        kappa=fleiss_kappa(by_picture),
    )


def counts(votes: Sequence[Vote], methods: Sequence[str], key: str) -> np.ndarray:
    """Votes for each method (columns) by rater or trial (rows, sorted by name)."""
    found = Counter((getattr(vote, key), vote.method) for vote in votes)
    rows = sorted({row for row, _ in found})
    return np.array([[found[row, method] for method in methods] for row in rows], int)


def bootstrap(by_rater: np.ndarray) -> list[tuple[float, float]]:
    """95 % percentile intervals of each method's share over `RESAMPLES` draws of raters with replacement.

    Raters are drawn with all their votes, which resemble one another (Davison and Hinkley 1997,
    "Bootstrap Methods and their Application", 3.8). `by_rater` (R, M).
    """
    draw = np.random.default_rng([SEED, len(by_rater)])
    drawn = by_rater[draw.integers(len(by_rater), size=(RESAMPLES, len(by_rater)))].sum(1)
    low, high = np.quantile(drawn / drawn.sum(1, keepdims=True), [0.025, 0.975], axis=0, method="nearest")
    return list(zip(low.tolist(), high.tolist(), strict=True))


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % score interval of `count` in `total` independent votes (Wilson 1927).

    (p + z²/2n ± z √(p (1 − p)/n + z²/4n²)) / (1 + z²/n)
    """
    p, square = count / total, Z**2 / total
    half = Z * math.sqrt(p * (1 - p) / total + square / (4 * total))
    return max(0.0, (p + square / 2 - half) / (1 + square)), min(1.0, (p + square / 2 + half) / (1 + square))


def winners(by_picture: np.ndarray) -> list[int | None]:
    """The method with strictly most votes on each picture; none where methods tie. `by_picture` (N, M)."""
    best = by_picture == by_picture.max(1, keepdims=True)
    return [int(row.argmax()) if row.sum() == 1 else None for row in best]


def fleiss_kappa(by_picture: np.ndarray) -> float:
    """κ = (P − Pₑ) / (1 − Pₑ): agreement beyond chance, 1 where raters always agree; NaN where it is undefined.

    P is the mean over pictures of the share of agreeing pairs of raters, Pₑ = Σ p² with p a method's mean share
    (Fleiss 1971). Pictures may have unequal numbers of raters: those with one rater count for p only, and each
    picture's shares weigh equally in p (Gwet 2014, "Handbook of Inter-Rater Reliability", 4th edition, chapter 2).
    `by_picture` (N, M) votes.
    """
    raters = by_picture.sum(1)
    paired = raters > 1
    if not paired.any():
        return math.nan
    pairs = raters[paired] * (raters[paired] - 1)
    observed = float(((np.square(by_picture[paired]).sum(1) - raters[paired]) / pairs).mean())
    chance = float(np.square((by_picture / raters[:, None]).mean(0)).sum())
    return (observed - chance) / (1 - chance) if chance < 1 else math.nan
