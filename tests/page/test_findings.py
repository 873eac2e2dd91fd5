"""docs/findings.md says what a record holds of every method and claim, and no number of it is typed."""

import re
from pathlib import Path

import pytest

from on_record import edit
from palimpsest.claims.ledger import read_ledger
from palimpsest.config.yaml import InputError
from palimpsest.page import curves, findings
from palimpsest.page.blocks import fill
from palimpsest.papers.paper import read_papers
from palimpsest.results.records import read_record
from reported import value

ROOT = Path(__file__).parents[2]
NAMES = r"DeepFill v[12]|E2I"  # what has digits and is no number
BLOCK = re.compile(r"<!-- (\w+) -->\n.*<!-- end of \1 -->\n", re.DOTALL)


def cells(lines):
    """Of the rows of a table in Markdown, without its heads."""
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]


def test_what_is_written_by_hand_holds_no_number():
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    by_hand = re.sub(NAMES, "", BLOCK.sub("", page))
    assert len(BLOCK.findall(page)) == len(findings.blocks(None)) and not re.search(r"\d", by_hand)


def test_methods_stand_beside_the_constant_fill_the_best_first(folder):
    lines = findings.blocks(read_record(folder))["methods"].splitlines()
    rows = cells(lines)
    runs = ["constant-fill", "deepfill-v1", "deepfill-v1-baseline", "patchmatch"]
    expected = [f"{value(run, 'psnr_hole'):.2f}" for run in runs]
    assert [row[1] for row in rows] == expected and lines[0] == "### Rectangle holes"
    reference = value("constant-fill", "psnr_hole")
    above = [f"{value(run, 'psnr_hole') - reference:+.2f}" for run in runs[1:]]
    assert rows[0][2] == "–" and [row[2] for row in rows[1:]] == above
    assert [row[5] for row in rows] == ["–", "60.0", "–", "–"]  # minutes, where they are known


def test_a_record_without_the_reference_has_no_gain(folder):
    for end in ("json", "npz"):
        (folder / "runs" / f"constant-fill.{end}").unlink()
    lines = findings.blocks(read_record(folder))["methods"].splitlines()
    rows = cells(lines)
    assert len(rows) == 3 and {row[2] for row in rows} == {"–"}


def test_every_claim_is_counted_once(folder):
    record = read_record(folder)
    lines = [line.strip("| ").split(" | ") for line in findings.blocks(record)["claims"].splitlines()]
    spoken = [row for row in lines if len(row) == 5 and row[0].endswith(".")]
    orders = [int(cell) for row in lines if len(row) == 6 for cell in row[1:] if cell.isdigit()]
    entries = read_ledger(record.measured, read_papers()).entries
    assert spoken and orders and len(spoken) + sum(orders) == len(entries)


def test_the_commands_name_each_part(folder):
    again = findings.blocks(read_record(folder))["again"]
    commit = read_record(folder).commits[0]
    assert again.startswith("Data and networks under their owners' terms have to be accepted first.\n\n```\n")
    assert f"git checkout {commit}\ndvc exp run -S profile=tiny evaluate@" in again
    edit(folder / "runs" / "patchmatch.json", "made", "commit", to="f" * 40)
    parts = findings.blocks(read_record(folder))["again"]
    assert (
        parts.count("git checkout") == 2 and f"{'f' * 40}\ndvc exp run -S profile=tiny evaluate@patchmatch\n" in parts
    )


def test_the_cost_says_what_it_leaves_out(folder):
    (folder / "stages.csv").write_text("stage,seconds\nbenchmark,9000\nsplit@scenes,9000\nevaluate@deepfill-v1,1800\n")
    said = findings.blocks(read_record(folder))["cost"]
    assert said.startswith("1.0 core-hours. Counted are training and measuring; not ") and "| evaluate | 1.00 |" in said


def test_a_page_without_a_block_is_refused():
    with pytest.raises(InputError, match=r"a\.md: asked for `<!-- b -->` and `<!-- end of b -->`, found no such pair"):
        fill("a.md", "<!-- c -->\n<!-- end of c -->\n", {"b": "text"})


def test_curves_say_what_is_below_and_what_still_rises(folder, tmp_path):
    assert findings.blocks(read_record(folder))["curves"] == "No curves are on record."
    rows = [
        ("deepfill-v1", 1, -1.0, -0.5, 0.5, 1.0),
        ("deepfill-v1", 2, -1.0, 0.0, 1.0, 1.1),
        ("gl", 1, -2, -1, -1, -1),
    ]
    points = [f"{run},{seed},{10 * (i + 1)},{gain}" for run, seed, *gains in rows for i, gain in enumerate(gains)]
    (folder / "curves.csv").write_text("\n".join(["run,seed,iteration,db", *points]))
    record = read_record(folder)
    assert record.curves["gl", 1] == [(10, -2), (20, -1), (30, -1), (40, -1)]
    said = findings.blocks(record)["curves"]
    assert "end: gl.\n" in said and said.endswith("of the training: DeepFill v1.")
    for name in ("a.svg", "b.svg"):
        curves.draw(record, tmp_path / name)
    assert (tmp_path / "a.svg").read_text() == (tmp_path / "b.svg").read_text()
    assert "DeepFill v1" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found no columns; accepted: run, seed, iteration, db"),
        ("run,seed\n", "found columns run, seed; accepted: run, seed, iteration, db"),
        ("run,seed,iteration,db\na,1,2\n", "found 3 values; accepted: 4, one for each column"),
        ("run,seed,iteration,db\na,1,2,nan\n", "asked for curves, found none that can be read"),
        ("run,seed,iteration,db\na,b,2,1\n", "asked for curves, found none that can be read"),
    ],
)
def test_damaged_curves_are_one_line(folder, text, said):
    (folder / "curves.csv").write_text(text)
    with pytest.raises(InputError, match=rf"^\S*curves\.csv\S*( line 2)?:? ?{said}.*$"):
        read_record(folder)
