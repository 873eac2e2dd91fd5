"""The verdict on a claim about pictures, and what it rests on."""

from dataclasses import dataclass
from typing import Literal, get_args

from palimpsest.claims.claim import Claim, Pair, PictureClaim
from palimpsest.claims.evidence import Evidence
from palimpsest.metrics.differences import Difference

Verdict = Literal["confirmed", "contradicted", "undecided", "not comparable", "not run"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
HOLDS = "the interval holds {}"


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
    for pair in claim.pairs:
        if why := _lacks(claim, pair, evidence):
            return _entry(claim, evidence, pair, "not run", why, None)
    found = [(pair, _gained(claim, pair, evidence)) for pair in claim.pairs]
    pair, gained = min(found, key=lambda each: _speaks_for(claim, each[1]))
    sign = _sign(claim, gained)
    verdict = "undecided" if sign == 0 else "confirmed" if sign > 0 else "contradicted"
    why = "" if sign else gained.why or HOLDS.format(-claim.margin or 0)
    seeds = tuple(len(evidence.measured.results[run].seeds) for run in (pair.run, pair.against))
    ours = Ours(gained.mean, gained.low, gained.high, gained.pictures, gained.photographs, seeds)
    return _entry(claim, evidence, pair, verdict, why, ours)


def _lacks(claim: PictureClaim, pair: Pair, evidence: Evidence) -> str:
    """Why a pair cannot be compared; "" where it can."""
    whys = (
        evidence.lacks(run, claim.slot, hole, claim.metric) for run in (pair.run, pair.against) for hole in claim.holes
    )
    return next(filter(None, whys), "")


def _entry(
    claim: PictureClaim, evidence: Evidence, shown: Pair, verdict: Verdict, why: str, ours: Ours | None
) -> Entry:
    """With the pair that is shown; not comparable, whatever was measured, where the paper measured something else."""
    metric = evidence.metrics[claim.metric]
    pictures = evidence.measured.pictures(claim.slot)
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


def _speaks_for(claim: PictureClaim, gained: Difference) -> tuple[int, float]:
    return _sign(claim, gained), gained.mean


def _gained(claim: PictureClaim, pair: Pair, evidence: Evidence) -> Difference:
    found = evidence.difference(claim.slot, claim.metric, claim.holes, pair.run, pair.against)
    return found if claim.better > 0 else found.reversed


def _sign(claim: PictureClaim, gained: Difference) -> int:
    """1 where the interval speaks for the claim, -1 where it speaks against it, else 0."""
    return gained.beyond(-claim.margin)
