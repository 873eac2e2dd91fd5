"""reports/index.html, reports/report.tex, reports/commit.txt and, where LaTeX is installed, reports/pdf/report.pdf."""

from pathlib import Path

from palimpsest.config.yaml import stage
from palimpsest.page.document import typeset
from palimpsest.page.page import read_report, render, show_figures
from palimpsest.storage import write_text

REPORTS = Path("reports")


def main() -> None:
    report = show_figures(read_report(Path()))
    for name in ("index.html", "report.tex"):
        write_text(REPORTS / name, render(report, name))
    write_text(REPORTS / "commit.txt", f"{report.commit}\n")
    print(typeset(REPORTS / "report.tex", REPORTS / "pdf"))


if __name__ == "__main__":
    stage(main)
