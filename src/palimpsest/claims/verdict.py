"""The verdict on a claim about pictures, and what it rests on."""

from dataclasses import dataclass
from typing import Literal, get_args

from palimpsest.claims.claim import Claim, Pair, PictureClaim
from palimpsest.claims.evidence import Evidence
from palimpsest.metrics.differences import Difference

Verdict = Literal["confirmed", "contradicted", "undecided", "not comparable", "not run"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
HOLDS_0 = "the interval holds {}"


@dataclass(frozen=True)
class Ours:
    """What was measured, positive as claimed."""

    gain: float
    low: float | None  # of the 95 % interval; none where there is none
    high: float | None
    pictures: int = 0
    photographs: int = 0
    seeds: tuple[int, int] = (0, 0)  # of the run and of that against which it is tested


@dataclass(frozen=True)
class Entry:
    """A claim with its verdict."""

    claim: Claim
    verdict: Verdict
    why: str  # "" where the interval speaks for itself
    run: str
    against: str
    published: float | None  # positive as claimed
    ours: Ours | None  # none where it was not measured
    unit: str
    digits: int  # after the point
    data: str  # the pictures; "" for costs, or where nothing was measured
    stand_in: bool  # whether they are other pictures than the paper's


def judge(claim: PictureClaim, evidence: Evidence) -> Entry:
    """The verdict on a claim; of several pairs the one that speaks least for it is shown."""
    metric = evidence.metrics[claim.metric]
    pictures = evidence.measured.pictures(claim.slot)
    shown, verdict, why, ours = _weighed(claim, evidence)
    return Entry(
        claim=claim,
        verdict="not comparable" if claim.unlike else verdict,
        why=claim.unlike or why,
        run=shown.run,
        against=shown.against,
        published=shown.published,
        ours=ours,
        unit=metric.unit,
        digits=metric.digits,
        data=pictures.dataset if ours else "",
        stand_in=bool(ours and claim.own and claim.own != pictures.dataset),
    )


def _weighed(claim: PictureClaim, evidence: Evidence) -> tuple[Pair, Verdict, str, Ours | None]:
    """The pair to show, the verdict, why, and what was measured."""
    for pair in claim.pairs:
        for run in (pair.run, pair.against):
            for hole in claim.holes:
                if why := evidence.lacks(run, claim.slot, hole, claim.metric):
                    return pair, "not run", why, None
    found = [(pair, _gained(claim, pair, evidence)) for pair in claim.pairs]
    pair, gained = min(found, key=lambda each: _speaks_for(claim, each[1]))
    seeds = tuple(len(evidence.measured.results[run].seeds) for run in (pair.run, pair.against))
    ours = Ours(gained.mean, gained.low, gained.high, gained.pictures, gained.photographs, seeds)
    if sign := _sign(claim, gained):
        return pair, "confirmed" if sign > 0 else "contradicted", "", ours
    return pair, "undecided", gained.why or HOLDS_0.format(claim.margin or 0), ours


def _speaks_for(claim: PictureClaim, gained: Difference) -> tuple[int, float]:
    """How much: first the sign, then the gain, or the lack of one for a claim of no gain."""
    return _sign(claim, gained), gained.mean if claim.margin is None else -gained.mean


def _gained(claim: PictureClaim, pair: Pair, evidence: Evidence) -> Difference:
    found = evidence.difference(claim.slot, claim.metric, claim.holes, pair.run, pair.against)
    return found if claim.better > 0 else found.reversed


def _sign(claim: PictureClaim, gained: Difference) -> int:
    """1 where the interval speaks for the claim, -1 where it speaks against it, else 0."""
    if claim.margin is None or gained.low is None:
        return gained.sign
    return int(gained.high < claim.margin) - int(gained.low > claim.margin)
