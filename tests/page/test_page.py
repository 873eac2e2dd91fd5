import csv
import json
import re
import shutil

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.page.document import typeset
from palimpsest.page.page import read_report, render, show_figures
from palimpsest.papers.paper import ORDER
from palimpsest.tables.latex import tex
from palimpsest.tables.model import LEGEND
from palimpsest.workspace import Workspace
from reported import RUNS, SAMPLES


def test_the_page_needs_nothing_from_elsewhere(project):
    page = (project / "reports" / "index.html").read_text()
    used = set(re.findall(r'(?:src|href)="([^"#]+)"', page))
    assert used and all((project / "reports" / name).is_file() for name in used)
    assert (
        "@import" not in page
        and "url(" not in page
        and not re.search(r"""["'`]https?:(?!//www.w3.org/2000/svg)""", page)
    )


def test_the_page_shows_every_table_figure_and_credit(project):
    page = (project / "reports" / "index.html").read_text()
    for path in (project / "reports" / "tables").glob("*.html"):
        assert path.read_text() in page
        assert f'id="{path.stem}"' in page
    figures = {path.stem for path in (project / "reports" / "figures").glob("*.png")}
    samples = {f"photographs-scenes-{split}" for split in ("train", "val", "test")}
    assert len(figures) >= 3 and set(re.findall(r'src="thumbnails/([^"]+).webp"', page)) == figures | samples
    assert all(f'id="{name}"' in page for name in figures)
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in re.findall(r"<img [^>]*>", page))
    later = [image for image in re.findall(r"<img [^>]*>", page) if "gallery/first/" not in image]
    assert all('loading="lazy"' in image for image in later)
    assert "SpaceX &amp; others &lt;credit&gt;" in page
    assert "Smoke run." in page


def test_the_ledger_has_every_claim_and_each_table_its_verdicts(project):
    page = (project / "reports" / "index.html").read_text()
    ledger = page[page.index('id="claims"') : page.index('id="deepfill-v1"')]
    with (project / "reports" / "tables" / "claims.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == ledger.count('<th scope="row">') - len(ORDER)  # the counts have a row for each paper
    for verdict in {row["verdict"] for row in rows}:
        found = sum(row["verdict"] == verdict for row in rows)
        assert ledger.count(f'<tr class="{verdict.replace(" ", "-")}">') == found
    head = '<a href="#claims-deepfill-v1-1">9 orders of its methods</a>: 9 <span class="verdict undecided">undecided'
    assert page.index('id="deepfill-v1"') < page.index(head) < page.index('<div class="table" id="deepfill-v1-1">')
    assert "fewer than 4 photographs" in ledger and "bundled-photos (a stand-in)" in ledger
    assert re.search(r"They are \d+ distinct comparisons", ledger) and re.search(r"<td>\d+ \(\d+\)</td>", ledger)
    assert "0 of 978 claims have an interval here." in ledger and "This is a smoke run" in ledger


def test_the_page_says_what_became_of_every_photograph(project):
    page = (project / "reports" / "index.html").read_text()
    found = json.loads((Workspace(project).slot("scenes").report / "report.json").read_text())["splits"]
    counts = [found[split]["pictures"] for split in ("train", "val", "test")]
    cells = "".join(f"<td>{count}</td>" for count in counts)
    assert counts[2] == 24 and f'<th scope="row">pictures</th>{cells}' in page


def test_pictures_come_first_then_claims_then_tables_and_the_matrix_of_runs_last(project):
    page = (project / "reports" / "index.html").read_text()
    order = [
        "original.webp",
        "input.webp",
        "right.webp",
        "left.webp",
        'id="claims"',
        'id="deepfill-v1-1"',
        'id="gallery"',
        'id="matrix"',
    ]
    places = [page.index(each) for each in order]
    assert places == sorted(places) and page.count("<table") > page[: places[4]].count("<table") == 0


def test_the_page_begins_with_the_two_best_methods_on_the_median_picture_of_the_better(project):
    first = json.loads((project / "reports" / "gallery" / "index.json").read_text())["first"]
    assert (first["left"], first["right"]) == ("patchmatch", "deepfill-v1-baseline")  # the lowest LPIPS of RUNS
    assert (first["slot"], first["holes"], first["place"]) == ("scenes", "rectangle", SAMPLES[1])


def test_methods_bear_their_names_and_ours_is_this_project(project):
    runs = json.loads((project / "reports" / "gallery" / "index.json").read_text())["runs"]
    names = ["PatchMatch", "DeepFill v1, baseline", "DeepFill v1", "Constant fill (reference)"]
    assert [runs[run]["label"] for run in RUNS] == names
    page = (project / "reports" / "index.html").read_text()
    heads = re.findall(r'<th scope="row">(?:<a [^>]*>)?(.*?)<', page)
    assert "DeepFill v1" in heads and not {*RUNS, "Our method"} & {*heads}
    assert not any(head.startswith("Our") for head in heads)


def test_every_link_leads_to_an_anchor(project):
    page = (project / "reports" / "index.html").read_text()
    anchors = re.findall(r' id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r'href="#([^"/]+)"', page)) <= set(anchors)


def test_the_commit_is_told_once_and_in_its_own_file(reported):
    reports = Workspace(reported).reports.folder
    commit = (reports / "commit.txt").read_text().strip()
    assert f'<dd id="commit">{commit}</dd>' in (reports / "index.html").read_text()
    assert f"commit {commit}" in (reports / "report.tex").read_text()
    assert not any("commit" in path.read_text() for path in (reports / "gallery" / "provenance").iterdir())


def test_equal_inputs_give_equal_pages(project):
    report = show_figures(read_report(project))
    for name in ("index.html", "report.tex"):
        assert render(report, name) == (project / "reports" / name).read_text()


def test_a_missing_part_is_named(project):
    (project / "reports" / "figures" / "figures.json").unlink()
    with pytest.raises(InputError, match=r"figures\.json: asked for JSON, found none"):
        read_report(project)


def test_the_latex_report_holds_every_table_figure_and_word(project):
    reports = project / "reports"
    text = (reports / "report.tex").read_text()
    inputs = re.findall(r"\\input\{(.*?)\}", text)
    assert set(inputs) == {f"tables/{path.name}" for path in (reports / "tables").glob("*.tex")}
    pictures = set(re.findall(r"\\shown\{figures/(.*?)\}", text))
    assert pictures == {path.name for path in (reports / "figures").glob("*.pdf")}
    assert all(f"\\emph{{{tex(word)}}}, " in text for word in LEGEND)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="LaTeX is not installed")
def test_the_pdf_is_made_and_equal_inputs_give_equal_bytes(project, tmp_path):
    made = project / "reports" / "pdf"
    assert [path.name for path in made.iterdir()] == ["report.pdf"]
    assert typeset(project / "reports" / "report.tex", tmp_path / "again") == f"{tmp_path}/again/report.pdf is made"
    assert (tmp_path / "again" / "report.pdf").read_bytes() == (made / "report.pdf").read_bytes()
