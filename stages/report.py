"""reports: index.html, report.tex, commit.txt and, where LaTeX is installed, pdf/report.pdf."""

from pathlib import Path

from palimpsest.page.document import typeset
from palimpsest.page.page import read_report, render, show_figures
from palimpsest.resolved import Resolved
from palimpsest.storage import write_text
from palimpsest.workspace import Workspace
from stages import run


def main(_: Resolved) -> None:
    folder = Workspace().reports.folder
    report = show_figures(read_report(Path()))
    for name in ("index.html", "report.tex"):
        write_text(folder / name, render(report, name))
    write_text(folder / "commit.txt", f"{report.commit}\n")
    print(typeset(folder / "report.tex", folder / "pdf"))


if __name__ == "__main__":
    run(main)
