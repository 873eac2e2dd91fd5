import csv
import io

import pytest

from claims.claimed import claim, evidence
from palimpsest.claims.formats import COLUMNS, agreed, grouped, shown, to_csv, to_tex, to_tree
from palimpsest.claims.ledger import Ledger, read_ledger
from palimpsest.claims.ranks import Agreement
from palimpsest.claims.verdict import VERDICTS, judge
from palimpsest.papers.paper import read_papers


@pytest.fixture
def whole(timed):
    return read_ledger(timed.measured, read_papers())


@pytest.fixture
def one(fake):
    """A ledger of one claim, which is confirmed."""
    return Ledger([judge(claim(own="places2"), evidence(fake))], {})


def test_the_csv_has_a_row_for_each_claim(whole):
    rows = list(csv.DictReader(io.StringIO(to_csv(whole))))
    assert [row["id"] for row in rows] == [entry.claim.id for entry in whole.entries]
    assert {row["verdict"] for row in rows} <= {*VERDICTS}
    absent = next(row for row in rows if row["verdict"] == "not run")
    assert (absent["ours"], absent["low"], absent["pictures"], absent["data"]) == ("", "", "", "")
    cost = next(row for row in rows if row["id"] == "crfill/text/time-cpu-512")
    assert (cost["ours"], cost["unit"], cost["pictures"], cost["stand_in"]) == ("37.5", "%", "", "")


def test_a_row_holds_all_that_a_verdict_rests_on(one):
    head, row = csv.reader(io.StringIO(to_csv(one)))
    assert head == COLUMNS
    found = dict(zip(head, row, strict=True))
    assert [found[key] for key in ("published", "ours", "low", "high", "unit")] == ["0.76", *["3.001"] * 3, "dB"]
    assert [found[key] for key in ("pictures", "photographs", "seeds", "seeds_against")] == ["24", "8", "1", "1"]
    assert [found[key] for key in ("verdict", "why", "data", "stand_in")] == ["confirmed", "", "bundled-photos", "yes"]


def test_the_page_prints_numbers_with_their_sign_and_how_much_was_measured(one):
    found = shown(one.entries[0])
    assert (found["published"], found["ours"], found["interval"]) == ("+0.76", "+3.00", "[+3.00, +3.00]")
    assert found["count"] == "24 pictures of 8 photographs, 1 seed; bundled-photos (a stand-in)"


def test_seeds_are_those_of_each_run(fake):
    fake.write("deepfill-v1", seeds=(1, 2, 3))
    ledger = Ledger([judge(claim(), evidence(fake))], {})
    (row,) = csv.DictReader(io.StringIO(to_csv(ledger)))
    assert (row["run"], row["seeds"], row["seeds_against"], row["pictures"]) == ("deepfill-v1", "3", "1", "24")
    assert shown(ledger.entries[0])["count"] == "24 pictures of 8 photographs, 3 and 1 seeds; bundled-photos"


def test_latex_has_a_line_for_each_claim_and_a_head_for_each_table(whole, one):
    text = to_tex(whole)
    assert text.count(r" \\") == len(whole.entries) + 1  # the head
    assert text.count(r"\multicolumn{5}") == sum(len(tables) for tables in grouped(whole).values())
    line = "It is. PSNR. & +0.76 & +3.00 {[}+3.00, +3.00] & 24, 8, 1+1 & confirmed"
    assert line in to_tex(one)


def test_the_tree_counts_every_claim_once(whole):
    tree = to_tree(whole)
    assert list(tree["papers"]) == list(read_papers())
    counted = sum(sum(part["counts"].values()) for parts in tree["papers"].values() for part in parts)
    assert counted == tree["claims"] == len(whole.entries)
    assert tree["with_interval"] == 0 and tree["stand_ins"] == sum(bool(entry.data) for entry in whole.entries)
    assert tree["papers"]["deepfill-v1"][1]["agreement"] == "-0.33 (no interval; mean of 3 columns)"


def test_an_agreement_in_words():
    assert agreed(None) == ""
    assert agreed(Agreement(0.5, 0.25, 0.75, 1)) == "+0.50 (95 % [+0.25, +0.75]; mean of 1 column)"
