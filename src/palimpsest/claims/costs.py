"""The verdict on a claim about speed, memory or size."""

from palimpsest.claims.claim import CostClaim
from palimpsest.claims.evidence import Evidence
from palimpsest.claims.verdict import Entry, Ours, Verdict
from palimpsest.results.benchmark import Architecture
from palimpsest.tables.context import DEVICES

OVERLAP = "the passes of the two overlap in time"


def judge_cost(claim: CostClaim, evidence: Evidence) -> Entry:
    """By what the benchmark counted and timed; ours is how many per cent less the run costs."""
    spoken, ours, verdict = claim.spoken, None, "not run"
    costs = [_cost(claim, run, evidence) for run in (spoken.run, spoken.against)]
    why = next((cost for cost in costs if isinstance(cost, str)), "")
    if not why:
        (first, fastest), (second, other_fastest) = costs
        saved = 100 * (1 - first / second)
        ours = Ours(saved, None, None)
        verdict, why = _verdict(spoken.kind, (first, fastest), (second, other_fastest))
    shared = {"run": spoken.run, "against": spoken.against, "published": claim.published, "ours": ours}
    return Entry(claim, verdict, why, **shared, unit="%", digits=0, data="", stand_in=False)


Cost = tuple[float, float]  # median and least of several passes; twice the same where it is counted


def _verdict(kind: str, run: Cost, against: Cost) -> tuple[Verdict, str]:
    """Two medians are told apart where the slower's fastest pass is slower than the other's median."""
    less, more = sorted((run, against))
    if less[0] == more[0]:
        return ("confirmed", "exactly as much") if kind == "no more" else ("contradicted", "exactly as much")
    if more[1] <= less[0]:
        return "undecided", OVERLAP
    return ("confirmed" if run == less else "contradicted"), ""


def _cost(claim: CostClaim, run: str, evidence: Evidence) -> Cost | str:
    """What a run costs, or why it is not known."""
    spoken, measured = claim.spoken, evidence.measured
    found = measured.architecture(run)
    if found is None:
        return f"run {run}: {'not timed' if run in measured.runs else measured.why_absent(run)}"
    if spoken.quantity == "parameters":
        return found.parameters, found.parameters
    if spoken.quantity == "multiply_adds":
        count = found.multiply_adds.get(str(spoken.size))
        return (count, count) if count else f"run {run}: {spoken.size} px was not counted"
    return _measured(claim, run, found)


def _measured(claim: CostClaim, run: str, found: Architecture) -> Cost | str:
    spoken = claim.spoken
    if spoken.device not in found.measured:
        return f"no {DEVICES[spoken.device]} was measured"
    values = found.measured[spoken.device].get(str(spoken.size), "not measured")
    if isinstance(values, str):
        return f"run {run} at {spoken.size} px: {values}"
    value = values[spoken.quantity]
    return value, values["fastest"] if spoken.quantity == "seconds" else value
