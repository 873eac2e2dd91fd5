"""reports/figures: every figure as PNG and PDF, and their captions; reports/curves.csv: what every training logged."""

from pathlib import Path

from palimpsest.figures.draw import draw_all
from palimpsest.resolved import Resolved
from palimpsest.results import curves
from palimpsest.results.measured import read_results
from palimpsest.storage import write_json, write_text
from palimpsest.workspace import Workspace
from stages import run


def main(_: Resolved) -> None:
    measured, reports = read_results(Path()), Workspace().reports
    write_json(reports.captions, draw_all(Path(), measured, reports.figures))
    write_text(reports.curves, curves.to_csv(Path(), measured))


if __name__ == "__main__":
    run(main)
