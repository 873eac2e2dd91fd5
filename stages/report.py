"""reports: index.html, report.tex, commit.txt and, where LaTeX is installed, pdf/report.pdf."""

from pathlib import Path

from palimpsest.page.document import typeset
from palimpsest.page.page import read_report, render, show_figures
from palimpsest.resolved import Resolved
from palimpsest.storage import write_text
from palimpsest.workspace import Workspace
from stages import run


def main(_: Resolved) -> None:
    reports, report = Workspace().reports, show_figures(read_report(Path()))
    for path in (reports.page, reports.document):
        write_text(path, render(report, path.name))
    write_text(reports.commit, f"{report.commit}\n")
    print(typeset(reports.document, reports.pdf))


if __name__ == "__main__":
    run(main)
