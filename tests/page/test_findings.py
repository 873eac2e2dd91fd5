"""docs/findings.md says what a record holds of every method and claim, and no number of it is typed."""

import re
from pathlib import Path

import pytest

from on_record import edit
from palimpsest.claims.ledger import read_ledger
from palimpsest.config.yaml import InputError
from palimpsest.markdown import plain
from palimpsest.page import curves, findings
from palimpsest.page.blocks import fill
from palimpsest.papers.paper import read_papers
from palimpsest.results.records import best, read_record, read_records
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
    assert [row[2] for row in rows] == expected and {row[0] for row in rows} == {"rectangle holes"}
    reference = value("constant-fill", "psnr_hole")
    above = [f"{value(run, 'psnr_hole') - reference:+.2f}" for run in runs[1:]]
    assert rows[0][3] == "–" and [row[3] for row in rows[1:]] == above
    assert [row[7] for row in rows] == ["–", "60.0", "–", "–"]  # minutes, where they are known
    assert {row[6] for row in rows} == {"–"}  # no curve says for how many iterations


def test_a_record_without_the_reference_has_no_gain(folder):
    for end in ("json", "npz"):
        (folder / "runs" / f"constant-fill.{end}").unlink()
    lines = findings.blocks(read_record(folder))["methods"].splitlines()
    rows = cells(lines)
    assert len(rows) == 3 and {row[3] for row in rows} == {"–"}


@pytest.fixture(params=["fake", "shipped"])
def record(request, folder):
    return read_record(folder) if request.param == "fake" else best(read_records(ROOT))


def test_every_claim_is_shown_or_counted_once(record):
    said = findings.blocks(record)["claims"]
    rows = [line.strip("| ").split(" | ") for line in said.splitlines()]
    spoken = [row[5].strip("*") for row in rows if len(row) == 6 and row[1].endswith(".")]
    orders = [int(cell) for row in rows if len(row) == 7 for cell in row[2:] if cell.isdigit()]
    entries = read_ledger(record.measured, read_papers()).entries
    texts = [entry for entry in entries if not entry.claim.table]
    assert spoken == [entry.verdict for entry in texts if entry.verdict in findings.DECIDED]
    assert sum(orders) == len(entries) - len(texts) > 0
    assert all(plain(entry.claim.text.rstrip(".")) in said for entry in texts)


def test_orders_of_which_none_is_decided_are_one_line(folder):
    said = findings.blocks(read_record(folder))["claims"]
    assert "| DeepFill v1 | 3 other orders | – | – | 9 | – | – |" in said
    assert "- **DeepFill v1**: 11 undecided" in said and "Of its text not run: " in said


def test_runs_that_no_settings_define_are_not_among_the_missing(folder):
    (folder / "runs" / "patchmatch.json").unlink()
    (folder / "runs" / "patchmatch.npz").unlink()
    said = findings.blocks(read_record(folder))["missing"]
    missing, undefined = said.removesuffix(".").split(". ")
    listed = missing.removeprefix("Two cores are enough for these runs, which claims ask for: ").split(", ")
    assert {"patchmatch", "deepfill-v1-lsgan"} <= {*listed} and listed == sorted(listed)
    assert not {"deepfill-v1", "deepfill-v1-perceptual"} & {*listed}
    assert undefined == "Claims also ask for deepfill-v1-perceptual, which no settings define yet"


def test_runs_of_one_name_are_told_apart():
    names = curves.told_apart({"deepfill-v1": "DeepFill", "other": "DeepFill", "gl": "GL"})
    assert names == {"deepfill-v1": "DeepFill (deepfill-v1)", "other": "DeepFill (other)", "gl": "GL"}


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
    assert said.startswith("1.0 core-hours: evaluate 1.00. Counted are training and measuring; not ")


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
    (trained,) = [row for row in cells(findings.blocks(record)["methods"].splitlines()) if row[1] == "DeepFill v1"]
    assert trained[6] == "40"
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
