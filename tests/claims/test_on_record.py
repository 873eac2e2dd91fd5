"""What the page and claims.csv say of records."""

import csv
import io
import re

import pytest

from on_record import edit
from palimpsest.claims.formats import ON_RECORD, to_csv, to_tree
from palimpsest.claims.ledger import read_ledger
from palimpsest.claims.on_record import listed
from palimpsest.papers.paper import read_papers
from palimpsest.rendering import template
from palimpsest.results.records import read_record
from palimpsest.results.reproduction import Beside
from reported import RUNS


@pytest.fixture
def seen(made, folder):
    """What the page reads of a record from which one run has moved since."""
    made.write("deepfill-v1", psnr_hole=18.0)
    record = read_record(folder)
    ledger = read_ledger(record.measured, {})
    return listed([record], {record.name: ledger}, Beside(record, made.measured))


def test_a_record_is_listed_with_what_makes_it_again(seen, folder):
    (found,) = seen["records"]
    assert (found["name"], found["profile"], found["runs"], found["seeds"]) == ("small-night", "tiny", len(RUNS), "1")
    page = str(template("page", "records.html").module.section(seen))
    (commit,) = read_record(folder).commits
    stages = " ".join(f"evaluate@{run}" for run in read_record(folder).kept)
    assert f"<pre>git checkout {commit}\ndvc exp run -S profile=tiny {stages}</pre>" in page and len(commit) == 40
    assert '<td class="words">A processor, 2 threads</td><td>2026-05-01</td>' in page


def test_published_on_record_and_now_stand_side_by_side_with_a_mark(seen):
    page = str(template("page", "records.html").module.section(seen))
    row = re.search(r'<th scope="row">DeepFill v1</th>.*', page)[0]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
    assert cells[:2] == ["18.91 on Places2", "17.65 ≠"] and cells[3] == "18.00"
    assert "On record beside" not in page and "small-night, A processor, 2 threads, 2026-05-01; profile tiny" in page


def test_another_profile_has_no_mark(made, folder):
    for run in RUNS:
        edit(folder / "runs" / f"{run}.json", "result", "profile", to="photos")
    edit(folder / "record.json", "profile", to="photos")
    made.write("deepfill-v1", psnr_hole=18.0)
    record = read_record(folder)
    found = listed([record], {record.name: read_ledger(record.measured, {})}, Beside(record, made.measured))
    assert "≠" not in str(template("page", "records.html").module.section(found))


def test_without_records_the_page_says_so():
    assert "No results are on record yet" in str(template("page", "records.html").module.section(listed([], {}, None)))


def test_the_ledger_has_the_verdict_on_record_beside_ours(made, folder):
    papers = {"deepfill-v1": read_papers()["deepfill-v1"]}
    kept = read_ledger(read_record(folder).measured, papers)
    made.write("deepfill-v1", psnr_hole=18.0)
    now = read_ledger(made.measured, papers)
    head, *rows = csv.reader(io.StringIO(to_csv(now, kept)))
    assert head[-4:] == ON_RECORD and all(len(row) == len(head) for row in rows)
    (claim,) = (row for row in csv.DictReader(io.StringIO(to_csv(now, kept))) if row["id"].endswith("text/attention"))
    assert float(claim["ours"]) == pytest.approx(float(claim["ours_on_record"]) + 18 - 17.646, abs=1e-3)
    (shown,) = [each for each in to_tree(now, kept)["papers"]["deepfill-v1"][0]["entries"] if each["ours"] == "+3.36"]
    assert shown["record"]["ours"] == "+3.00" and shown["record"]["verdict"] == "undecided"
