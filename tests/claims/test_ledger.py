import time
from dataclasses import replace

import numpy as np
import pytest

from claims.claimed import claim
from palimpsest.claims.claim import Pair
from palimpsest.claims.ledger import counted, counts, distinct, read_ledger, repeated, tallied
from palimpsest.claims.verdict import VERDICTS, Entry
from palimpsest.papers.paper import read_papers
from reported import RUNS

ENTRY = Entry(claim(), "undecided", "", "a", "b", None, None, "", 0, "", False)


@pytest.fixture
def ledger(timed):
    return read_ledger(timed.measured, read_papers())


def test_every_claim_has_one_verdict_and_a_name_of_its_own(ledger):
    ids = [entry.claim.id for entry in ledger.entries]
    assert len(ids) == len(set(ids)) > 900
    assert {entry.verdict for entry in ledger.entries} <= {*VERDICTS}
    for entry in ledger.entries:
        assert entry.why or entry.verdict in ("confirmed", "contradicted"), entry.claim.id
        assert (entry.ours is None) == (entry.verdict == "not run") or entry.verdict == "not comparable"


def test_two_photographs_decide_nothing_about_pictures(ledger):
    """As in the default profile."""
    of_pictures = [entry for entry in ledger.entries if entry.data]
    assert of_pictures and {entry.verdict for entry in of_pictures} <= {"undecided", "not comparable"}


def test_counts_are_of_a_paper_or_of_one_of_its_tables(ledger):
    assert counts(ledger.of("deepfill-v1", "1")) == {"undecided": 9}
    assert counts(ledger.of("crfill", "")) == {"confirmed": 3, "not run": 8}
    parts = [ledger.of("deepfill-v1", table) for table in ("1", "")]
    assert sum(map(len, parts)) == len(ledger.of("deepfill-v1")) == sum(counts(ledger.of("deepfill-v1")).values())


def test_claims_that_the_same_numbers_test_are_one_comparison(ledger):
    """GM-SRM's tables are of three datasets, for which one slot stands in."""
    entries = ledger.of("gm-srm", "I")
    assert counts(entries) == {"not comparable": 72, "not run": 355}
    assert distinct(entries) == {"not comparable": 24, "not run": 120}
    assert counted(entries) == "72 not comparable (24 distinct), 355 not run (120 distinct)"
    assert tallied(ledger.of("deepfill-v1", "1")) == {"undecided": "9"}
    assert repeated(ledger.of("deepfill-v1", "1")).startswith("They are 9 distinct comparisons: ")


def test_a_claim_and_its_reverse_are_one_comparison_and_other_holes_or_pictures_another():
    one = claim()
    (pair,) = one.pairs
    assert one.compared == claim(pairs=[Pair(pair.against, pair.run)], better=-1).compared
    reverse = claim(pairs=[Pair(pair.against, pair.run)])
    verdicts = [replace(ENTRY, claim=one, verdict="confirmed"), replace(ENTRY, claim=reverse, verdict="contradicted")]
    assert repeated(verdicts).startswith("They are 1 distinct comparisons: ")
    assert repeated(verdicts).endswith(" 1 comparison got two verdicts, as published orders contradict each other.")
    assert "two verdicts" not in repeated(verdicts[:1] * 2)
    for changes in ({"slot": "unseen"}, {"holes": {"square": 1}}, {"metric": "l1"}):
        assert one.compared != claim(**changes).compared


def test_a_table_has_the_rank_agreement_of_what_compares(ledger):
    """Published: PatchMatch, baseline, full model from worst to best; ours rise in that order, of errors too."""
    assert ledger.agreements.keys() == {"deepfill-v1-1"}
    found = ledger.agreements["deepfill-v1-1"]
    assert (found.columns, found.tau) == (3, pytest.approx(np.mean([1, -1, -1])))
    assert found.low is None  # two photographs


def test_the_ledger_of_one_paper_is_its_part_of_the_whole(ledger, timed):
    alone = read_ledger(timed.measured, {"crfill": read_papers()["crfill"]})
    assert alone.entries == ledger.of("crfill")


def test_a_thousand_claims_take_seconds(timed):
    for run in ("gm-srm", "pconv", "deepfill-v2", "edge-connect", "lisk", "lbam", "e2i", "ctsdg", "medfe", "lahiri"):
        timed.add(run, kinds=[each.hole for key in ["I", "II"] for each in read_papers()["gm-srm"].tables[key].data])
    measured = timed.measured
    assert len(measured.results) == len(RUNS) + 10
    start = time.process_time()
    found = read_ledger(measured, read_papers())
    assert sum(entry.ours is not None for entry in found.entries) > 500
    assert time.process_time() - start < 20
