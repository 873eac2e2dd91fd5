"""reports/index.html and reports/report.tex: tables, figures and credits on one page."""

from pathlib import Path

from palimpsest.config import stage
from palimpsest.reporting.page import read_report, render
from palimpsest.storage import write_text


def main() -> None:
    report = read_report(Path())
    for name in ("index.html", "report.tex"):
        write_text(Path("reports") / name, render(report, name))


if __name__ == "__main__":
    stage(main)
