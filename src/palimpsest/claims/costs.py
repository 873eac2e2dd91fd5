"""The verdict on a claim about speed, memory or size."""

from dataclasses import dataclass

from palimpsest.claims.claim import CostClaim
from palimpsest.claims.evidence import Evidence
from palimpsest.claims.verdict import Entry, Ours, Verdict
from palimpsest.papers.claims import Cheaper
from palimpsest.results.benchmark import Architecture
from palimpsest.results.measured import Measured
from palimpsest.tables.context import DEVICES

OVERLAP = "the passes of the two overlap in time"
EQUAL = "exactly as much"


@dataclass(frozen=True, order=True)
class Cost:
    """What a run costs, in a quantity's unit."""

    usual: float  # the median of several passes
    least: float  # the same where it is counted

    @classmethod
    def counted(cls, number: float) -> "Cost":
        return cls(number, number)


def judge_cost(claim: CostClaim, evidence: Evidence) -> Entry:
    """By what the benchmark counted and timed; ours is how many per cent less the run costs."""
    spoken, measured, ours = claim.spoken, evidence.measured, None
    runs = spoken.run, spoken.against
    verdict, why = "not run", next(filter(None, (_lacks(spoken, run, measured) for run in runs)), "")
    if not why:
        cost, other = (_cost(spoken, measured.architecture(run)) for run in runs)
        ours = Ours(100 * (1 - cost.usual / other.usual), None, None)
        verdict, why = _verdict(spoken.kind, cost, other)
    shared = {"run": spoken.run, "against": spoken.against, "published": claim.published, "ours": ours}
    return Entry(claim, verdict, why, **shared, unit="%", digits=0, data="", stand_in=False)


def _verdict(kind: str, cost: Cost, other: Cost) -> tuple[Verdict, str]:
    """Two medians are told apart where the slower's fastest pass is slower than the other's median; with the reason."""
    less, more = sorted((cost, other))
    if less.usual == more.usual:
        return "confirmed" if kind == "no more" else "contradicted", EQUAL
    if more.least <= less.usual:
        return "undecided", OVERLAP
    return "confirmed" if cost == less else "contradicted", ""


def _lacks(spoken: Cheaper, run: str, measured: Measured) -> str:
    """Why the cost of a run is not known; "" where it is."""
    found, size = measured.architecture(run), str(spoken.size)
    if found is None:
        return f"run {run}: {'not timed' if run in measured.runs else measured.why_absent(run)}"
    if spoken.quantity == "parameters":
        return ""
    if spoken.quantity == "multiply_adds":
        return "" if found.multiply_adds.get(size) else f"run {run}: {size} px was not counted"
    if spoken.device not in found.measured:
        return f"no {DEVICES[spoken.device]} was measured"
    passes = found.measured[spoken.device].get(size, "not measured")
    return f"run {run} at {size} px: {passes}" if isinstance(passes, str) else ""


def _cost(spoken: Cheaper, found: Architecture) -> Cost:
    """Of a run whose cost is known."""
    if spoken.quantity == "parameters":
        return Cost.counted(found.parameters)
    if spoken.quantity == "multiply_adds":
        return Cost.counted(found.multiply_adds[str(spoken.size)])
    passes = found.measured[spoken.device][str(spoken.size)]
    return Cost(passes.seconds, passes.fastest) if spoken.quantity == "seconds" else Cost.counted(passes.peak_mib)
