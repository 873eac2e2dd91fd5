"""The report: tables, figures, gallery and credits as one HTML page that needs no network, and as LaTeX."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import UndefinedError
from PIL import Image, UnidentifiedImageError

from palimpsest.claims.verdict import VERDICTS
from palimpsest.config.yaml import InputError
from palimpsest.data import report as data_report
from palimpsest.page.commit import commit
from palimpsest.page.gallery import save_thumbnail
from palimpsest.papers.paper import Paper, read_papers
from palimpsest.rendering import template
from palimpsest.storage import read_json
from palimpsest.tables import parity
from palimpsest.tables.context import SMOKE
from palimpsest.tables.latex import tex
from palimpsest.tables.model import legend
from palimpsest.workspace import Workspace

SHOWN = 960  # px, the width of a figure on the page; its file is as large as it was drawn


@dataclass(frozen=True)
class Report:
    """Everything that the report shows, as earlier stages wrote it."""

    commit: str  # of the code
    summary: dict[str, Any]  # profile, data, tables, matrix
    claims: dict[str, Any]  # the ledger
    on_record: dict[str, Any]  # every record, and the one that is shown beside ours
    figures: list[dict[str, Any]]  # what figures.json says of each
    gallery: dict[str, Any]  # slots, sets of pictures, runs, metrics
    credits: dict[str, str]  # slot → NOTICE
    data: dict[str, dict[str, Any]]  # slot → what became of its photographs
    papers: dict[str, Paper]
    workspace: Workspace
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)  # figure → width and height on the page, px

    @property
    def smoke(self) -> str:
        return SMOKE if self.summary["profile"] == "tiny" else ""

    @property
    def legend(self) -> dict[str, str]:
        """{word or mark: what it means in any table}."""
        return legend()

    def tables_of(self, paper: str) -> list[str]:
        return [key for key in self.summary["tables"] if key.startswith(f"{paper}-")]

    @property
    def released(self) -> str:
        """The table of released networks; "" where none was measured on its paper's data."""
        return next((key for key in self.summary["tables"] if key == parity.KEY), "")

    @property
    def verdicts(self) -> tuple[str, ...]:
        return VERDICTS

    def count(self, paper: str, verdict: str) -> str:
        """How many of a paper's claims have a verdict."""
        return self.claims["verdicts"][paper].get(verdict, "0")

    def figures_of(self, paper: str) -> list[dict[str, Any]]:
        """The figures of a paper, or of another part of the report, but for that of its claims."""
        about = self.claims_of(paper)
        return [figure for figure in self.figures if figure["name"].startswith(f"{paper}-") and figure not in about]

    def claims_of(self, paper: str) -> list[dict[str, Any]]:
        """The figures of a paper's claims."""
        return self._of_kind(paper, "claims")

    def curves_of(self, paper: str) -> list[dict[str, Any]]:
        """The figures of a paper's training curves."""
        return self._of_kind(paper, "curves")

    def _of_kind(self, paper: str, kind: str) -> list[dict[str, Any]]:
        figures = self.papers[paper].figures if paper in self.papers else {}
        kinds = {f"{paper}-{name}": figure.kind for name, figure in figures.items()}
        return [figure for figure in self.figures if kinds.get(figure["name"]) == kind]

    def method(self, run: str) -> str:
        """What the method of a run is called."""
        return self.gallery["runs"][run]["label"]

    @property
    def matrix_heads(self) -> dict[str, list[str]]:
        """{paper: numbers of its tables in the matrix of methods}."""
        keys = {
            paper: [key for key in self.summary["matrix"]["tables"] if key in self.tables_of(paper)]
            for paper in self.papers
        }
        return {paper: [key.removeprefix(f"{paper}-") for key in tables] for paper, tables in keys.items()}

    def title(self, paper: str, key: str) -> str:
        """A table as the contents name it."""
        number = key.removeprefix(f"{paper}-")
        if number in (tables := self.papers[paper].tables):
            return tables[number].heading(number)
        table, _, what = number.partition("-")
        every, _, measured_on = what.partition("every-metric")
        return f"Table {table}, {every or 'every metric'}{measured_on.replace('-', ': ', 1).replace('-', ' ')}"

    def words(self, table: str) -> str:
        """The methods of a table, by which the contents find it."""
        methods = [method for method in self.summary["matrix"]["methods"] if table in method["cells"]]
        return " ".join(f"{method['label']} {method['run']}" for method in methods)

    @property
    def studies(self) -> list[tuple[str, str]]:
        """(paper, table) of each user study."""
        return [(key, number) for key, paper in self.papers.items() for number in paper.studies]

    def archives(self, slot: str) -> list[dict[str, Any]]:
        """The archives that a slot's photographs come from, if any."""
        return self.data[slot]["origin"].get("archives", [])

    def counts(self, slot: str) -> list[list[str]]:
        """What became of a slot's photographs, as the rows of a table, its head first."""
        return data_report.table(self.data[slot])

    def table(self, key: str, ending: str) -> str:
        return _text(self.workspace.reports.tables / f"{key}.{ending}")


def show_figures(report: Report) -> Report:
    """Writes each figure as the page shows it, reports/thumbnails/<name>.webp, and notes how large it is there."""
    with _of_one_kind(report.workspace):
        return _show_figures(report)


def _show_figures(report: Report) -> Report:
    reports = report.workspace.reports
    drawn = {f["name"]: reports.figures / f"{f['name']}.png" for f in report.figures if f["drawn"]}
    for slot, found in report.data.items():
        folder = report.workspace.slot(slot).report
        drawn |= {f"photographs-{slot}-{split}": folder / data_report.sheet(split) for split in found["splits"]}
    with ThreadPoolExecutor() as pool:
        sizes = pool.map(partial(_show, reports.thumbnails), drawn, drawn.values())
        return replace(report, sizes=dict(zip(drawn, sizes, strict=True)))


def _show(folder: Path, name: str, path: Path) -> tuple[int, int]:
    with Image.open(path) as drawn:
        picture = np.asarray(drawn.convert("RGB"))
    return save_thumbnail(folder / f"{name}.webp", picture, SHOWN)


def read_report(root: Path) -> Report:
    """What the stages before `report` wrote; InputError where something is absent."""
    workspace = Workspace(root)
    reports, summary = workspace.reports, read_json(workspace.reports.summary, dict)
    if lacking := [key for key in ("profile", "data", "tables", "matrix") if key not in summary]:
        raise InputError(f"{reports.summary}: has no {lacking[0]!r}; `dvc repro` makes it anew")
    slots = {slot: workspace.slot(slot) for slot in summary["data"]}
    return Report(
        commit=commit(root),
        summary=summary,
        claims=read_json(reports.claims, dict),
        on_record=read_json(reports.records, dict),
        figures=read_json(reports.captions, list),
        gallery=read_json(reports.gallery_index, dict),
        credits={slot: _text(files.credits) for slot, files in slots.items()},
        data={slot: read_json(files.account, dict) for slot, files in slots.items()},
        papers=read_papers(),
        workspace=workspace,
    )


def render(report: Report, name: str) -> str:
    """The report as `index.html` or `report.tex`."""
    with _of_one_kind(report.workspace):
        return template("page", name, tex=tex).render(report=report)


@contextmanager
def _of_one_kind(workspace: Workspace) -> Iterator[None]:
    """Turns what goes wrong with files that earlier stages did not write as they are into an InputError."""
    try:
        yield
    except (UndefinedError, LookupError, TypeError, AttributeError, ValueError, UnidentifiedImageError) as error:
        files = "summary.json, claims.json, records.json, figures.json, index.json, report.json or a picture"
        found = f"found {files} that was damaged or edited ({type(error).__name__}: {error})"
        raise InputError(f"{workspace.reports.folder}: asked for a report, {found}; `dvc repro` makes them") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: asked for by the report, found nothing to read ({error}); `dvc repro` makes it"
        ) from error
