"""The tables of votes: published numbers and ours, without votes, with votes, with votes on another study."""

import csv
import io
import json
import shutil

import numpy as np
import pytest

from palimpsest.config.yaml import InputError
from palimpsest.results.measured import read_results
from palimpsest.study.tally import fleiss_kappa
from palimpsest.study.trials import read_key, read_keys
from palimpsest.study.votes import add
from palimpsest.tables.formats import FORMATS
from palimpsest.tables.tables import all_tables
from palimpsest.workspace import Workspace
from reported import column
from study.conftest import ballot, rebuild, saved
from study.conftest import held as held
from study.test_trials import change_a_pixel, change_the_settings

BEST = "votes for the best of five"
SHARE, WINS = "share of the vote (%) ↑", "winning samples ↑"
ROWS = ["DeepFill v2", "LISK", "Lahiri et al.", "MEDFE", "GM-SRM"]


@pytest.fixture
def root(held, tmp_path):
    return shutil.copytree(held, tmp_path / "project", symlinks=True)


def table(root, key):
    return next(table for table in all_tables(read_results(root)) if table.key == key)


def vote(root, study, **choices):
    """A rater each: the methods chosen on one picture after the other."""
    key = read_key(root, study)
    files = [
        saved(root, ballot(key, rater, lambda place, _, runs=runs: runs[place], trials=len(runs)), f"{rater}.json")
        for rater, runs in choices.items()
    ]
    add(root, read_keys(root), files)


def texts(cells):
    return [cell.text for cell in cells.values()]


def test_table_iii_is_in_the_papers_order_with_its_own_numbers(root):
    found = table(root, "gm-srm-III")
    assert [label for label, _ in found.rows] == ROWS
    assert [(head.group, head.text) for head in found.heads] == [
        (SHARE, "published on CelebA-HQ"),
        (SHARE, "published on Places2"),
        (SHARE, "ours on bundled-photos"),
        (WINS, "published on CelebA-HQ"),
        (WINS, "published on Places2"),
        (WINS, "ours on bundled-photos"),
    ]
    shares = column(found, SHARE, "published on Places2")
    assert texts(shares) == ["8.92", "16.60", "4.68", "11.16", "58.64"]
    for head in ("CelebA-HQ", "Places2"):
        assert sum(cell.number for cell in column(found, SHARE, f"published on {head}").values()) == 100
        assert sum(cell.number for cell in column(found, WINS, f"published on {head}").values()) == 50
    assert shares["GM-SRM"].mark == "best" and shares["LISK"].mark == "second"


def test_without_votes_the_tables_say_so(root):
    found = table(root, "gm-srm-III")
    ours = column(found, SHARE, "ours on bundled-photos")
    assert texts(ours) == ["no votes", "not yet run", "not yet run", "no votes", "no votes"]
    assert {cell.status for cell in ours.values()} == {"missing"}
    assert ours["LISK"].about == "run lisk: not in params.yaml"
    assert ours["MEDFE"].about == "nobody has voted yet on reports/study/gm-srm-III.html"
    assert dict(found.notes)["Votes"].startswith("no votes: nobody has voted yet")
    ours = column(table(root, "crfill-1-votes"), BEST, "ours on bundled-photos")
    assert texts(ours) == ["no votes", "no votes", "not yet run", "not yet run", "no votes"]
    (Workspace(root).reports.study / "gm-srm-III.key.json").unlink()
    ours = column(table(root, "gm-srm-III"), SHARE, "ours on bundled-photos")
    assert ours["MEDFE"].about == "the study is not built: reports/study/gm-srm-III.html says why"


def test_votes_are_shares_winning_samples_intervals_and_agreement(root):
    a, b, c = "deepfill-v2", "medfe", "gm-srm"
    vote(root, "gm-srm-III", Ada=[c, c, a], Eve=[c, b, b], Zoe=[c, c, c])
    found = table(root, "gm-srm-III")
    ours = column(found, SHARE, "ours on bundled-photos")
    assert texts(ours) == ["11.11", "not yet run", "not yet run", "22.22", "66.67"]
    assert (ours["GM-SRM"].mark, ours["GM-SRM"].status) == ("best", "measured")
    assert ours["GM-SRM"].interval == "[35.42, 87.94] n = 9"  # of 6, scipy 1.17.1
    assert ours["GM-SRM"].about == "run gm-srm: 6 of 9 votes, 3 raters, 3 pictures"
    wins = column(found, WINS, "ours on bundled-photos")
    assert texts(wins) == ["0", "not yet run", "not yet run", "0", "2"]
    assert wins["GM-SRM"].about.endswith("3 pictures, 1 without a winner")
    kappa = fleiss_kappa(np.array([[0, 0, 3], [0, 1, 2], [1, 1, 1]]))
    said = dict(found.notes)
    assert said["Votes"] == (
        f"in all: 9 votes of 3 raters on 3 pictures, 1 of them without a winner; kappa {kappa:.2f}. "
        "Shown: DeepFill v2, MEDFE, GM-SRM; the paper had 50 raters and 50 pictures of each kind."
    )
    assert "With fewer than 5 raters it is Wilson's" in said["Interval of votes"] and "Fleiss" in said["Agreement"]


def test_crfills_votes_are_counted_over_all_kinds_of_holes(root):
    vote(root, "crfill-1", Ada=["crfill"] * 7 + ["medfe"] * 2, Eve=["crfill"] * 9)
    found = table(root, "crfill-1-votes")
    ours = column(found, BEST, "ours on bundled-photos")
    assert texts(ours) == ["0", "2", "not yet run", "not yet run", "16"]
    assert ours["CRFill"].interval == "[67.20, 96.90] % n = 18"
    said = [text for term, text in found.notes if term == "Votes"]
    assert said[2].startswith("bundled-photos, object holes: 6 votes of 2 raters on 3 pictures, 2 of them without")
    assert said[3].startswith("in all: 18 votes of 2 raters on 9 pictures")
    published = column(found, BEST, "published")
    assert sum(cell.number for cell in published.values() if cell.number) == 405


def test_votes_on_a_study_that_was_built_anew_do_not_count(root):
    vote(root, "crfill-1", Ada=["crfill"] * 9)
    change_a_pixel(root)
    rebuild(root)
    cells = column(table(root, "crfill-1-votes"), BEST, "ours on bundled-photos")
    assert cells["DeepFill v2"].text == "no votes"
    assert cells["DeepFill v2"].about.startswith("all votes (9) were given on other pictures or results")
    vote(root, "crfill-1", Eve=["medfe"] * 9)
    found = table(root, "crfill-1-votes")
    assert texts(column(found, BEST, "ours on bundled-photos"))[:2] == ["0", "9"]
    assert "9 more, on the study as it was built before, do not count." in [text for _, text in found.notes]


def test_votes_on_a_study_of_results_that_are_no_more_do_not_count(root):
    vote(root, "crfill-1", Ada=["crfill"] * 9)
    change_the_settings(root)
    cells = column(table(root, "crfill-1-votes"), BEST, "ours on bundled-photos")
    assert cells["DeepFill v2"].about.startswith(
        "results have been remade since the study was built; `dvc repro study`"
    )
    listed = json.loads(Workspace(root).resolved("runs").read_text())
    listed["crfill"]["settings"] = "c" * 64
    Workspace(root).resolved("runs").write_text(json.dumps(listed))
    cells = column(table(root, "crfill-1-votes"), BEST, "ours on bundled-photos")
    assert texts(cells)[:5] == ["no votes", "no votes", "not yet run", "not yet run", "not yet run"]


def test_every_format_prints_the_same_votes(root):
    vote(root, "gm-srm-III", Ada=["gm-srm"] * 3, Eve=["gm-srm", "medfe", "gm-srm"])
    found = table(root, "gm-srm-III")
    rows = list(csv.reader(io.StringIO(FORMATS["csv"](found))))
    assert rows[-1] == ["GM-SRM", "60.92", "58.64", "83.33", "39", "32", "2"]
    for text in ("83.33", "58.64", "not yet run"):
        assert all(text in rendered(found) for rendered in FORMATS.values())
    assert "[43.65, 96.99] n = 6" in FORMATS["html"](found)


def test_spoilt_votes_stop_the_tables(root):
    Workspace(root).votes("crfill-1").parent.mkdir(parents=True)
    Workspace(root).votes("crfill-1").write_text("junk\n")
    with pytest.raises(InputError, match=r"crfill-1\.csv: found columns"):
        table(root, "crfill-1")
