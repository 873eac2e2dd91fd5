import pytest

from claims.claimed import evidence
from on_record import edit
from palimpsest.claims.claim import CostClaim
from palimpsest.claims.costs import OVERLAP, judge_cost
from palimpsest.papers.claims import Cheaper
from palimpsest.workspace import Workspace


def cost(published=None, **changes) -> CostClaim:
    """That CRFill takes fewer seconds than DeepFill v2 at 512 px."""
    about = {"text": "It is.", "place": "Table 5", "tested": "", "table": None, "kind": "less", "quantity": "seconds"}
    about |= {"device": "cpu", "size": 512, "run": "crfill", "against": "deepfill-v2", "published": None}
    common = {"id": "a", "paper": "crfill", "table": "", "place": "", "text": "", "measure": "", "tested": ""}
    return CostClaim(**common, spoken=Cheaper(**about | changes), published=published)


def judged(timed, **changes):
    return judge_cost(cost(**changes), evidence(timed))


def test_fewer_seconds_confirm_and_more_contradict(timed):
    entry = judged(timed, published=25.0)
    assert (entry.verdict, entry.why, entry.published, entry.unit) == ("confirmed", "", 25.0, "%")
    assert entry.ours.gain == pytest.approx(100 * (1 - 1.6 / 2.56)) and entry.ours.low is None
    assert judged(timed, run="deepfill-v2", against="crfill").verdict == "contradicted"
    assert judged(timed, size=128).verdict == "contradicted"  # 0.1 s against 0.01 s
    assert judged(timed, quantity="peak_mib").verdict == "confirmed"


def test_counts_that_are_equal_are_no_more_and_not_less(timed):
    same = {"quantity": "parameters", "device": None, "size": None, "against": "crfill-baseline"}
    assert (judged(timed, kind="no more", **same).verdict, judged(timed, **same).verdict) == (
        "confirmed",
        "contradicted",
    )
    adds = {"quantity": "multiply_adds", "device": None, "against": "crfill-baseline", "kind": "no more"}
    assert judged(timed, **adds).verdict == "confirmed"
    fewer = {"quantity": "parameters", "device": None, "size": None, "run": "deepfill-v1"}
    assert judged(timed, **fewer).verdict == "confirmed"  # 3.6 of 4.1 M


def test_passes_that_overlap_decide_nothing(timed):
    slower = ("found", "deepfill-v2", "measured", "cpu", "512")
    edit(Workspace(timed.root).benchmark, *slower, "fastest", to=1.5)
    entry = judged(timed)
    assert (entry.verdict, entry.why) == ("undecided", OVERLAP)


def test_what_was_not_measured_says_why(timed, fake):
    assert judged(timed, device="cuda").why == "no GPU was measured"
    assert judged(timed, size=1024).why == "run deepfill-v2 at 1024 px: does not fit"
    assert judged(timed, size=2048).why == "run crfill at 2048 px: not measured"
    assert judged(timed, run="patchmatch").why == "run patchmatch: not timed"
    assert judged(timed, run="gl").why == "run gl: not in params.yaml"
    assert all(judged(timed, run=run).verdict == "not run" for run in ("patchmatch", "gl"))


def test_without_a_benchmark_nothing_was_run(fake):
    assert judged(fake).verdict == "not run"
