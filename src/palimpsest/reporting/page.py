"""The report: tables, figures and credits as one HTML file that needs no network, and as LaTeX."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from palimpsest.config import InputError
from palimpsest.papers import spec
from palimpsest.reporting.formats import legend, tex
from palimpsest.reporting.tables import SMOKE
from palimpsest.storage import read_json

HTML = {"autoescape": True}
LATEX = {
    "block_start_string": "<%",
    "block_end_string": "%>",
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}


@dataclass(frozen=True)
class Report:
    """Everything that the report shows, read from what the stages before it wrote."""

    summary: dict[str, Any]  # profile, data, code, tables
    figures: list[dict[str, Any]]
    credits: dict[str, str]  # slot → NOTICE
    papers: dict[str, spec.Paper]
    folder: Path  # reports

    @property
    def smoke(self) -> str:
        return SMOKE if self.summary["profile"] == "tiny" else ""

    @property
    def legend(self) -> dict[str, str]:
        """{word or mark: what it means in any table}."""
        return legend()

    def tables_of(self, paper: str) -> list[str]:
        return [key for key in self.summary["tables"] if key.startswith(f"{paper}-")]

    def figures_of(self, paper: str) -> list[dict[str, Any]]:
        return [figure for figure in self.figures if figure["name"].startswith(f"{paper}-")]

    def table(self, key: str, ending: str) -> str:
        return _text(self.folder / "tables" / f"{key}.{ending}")

    def picture(self, name: str) -> str:
        """A figure as a data URI."""
        data = (self.folder / "figures" / f"{name}.png").read_bytes()
        return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def read_report(root: Path) -> Report:
    """What lies in reports/tables, reports/figures and data/credits; InputError for what is absent."""
    folder = root / "reports"
    metrics, values = spec.read_metrics(), spec.read_values()
    summary = read_json(folder / "tables" / "summary.json", dict)
    return Report(
        summary=summary,
        figures=read_json(folder / "figures" / "figures.json", list),
        credits={slot: _text(root / "data" / "credits" / slot) for slot in summary["data"]},
        papers={name: spec.read_paper(name, metrics, values) for name in spec.names()},
        folder=folder,
    )


def render(report: Report, template: str) -> str:
    """The report as `index.html` or `report.tex`."""
    options = HTML if template.endswith(".html") else LATEX
    environment = Environment(
        loader=PackageLoader("palimpsest.reporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters["tex"] = tex
    return environment.get_template(template).render(report=report)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: asked for by the report, found nothing to read; `dvc repro` makes it") from error
