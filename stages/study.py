"""reports/study: for each user study of a paper the page that raters see, and the key to what it shows."""

from pathlib import Path

from palimpsest.resolved import Resolved
from palimpsest.results.measured import read_results
from palimpsest.study.design import Config
from palimpsest.study.pages import build_all
from palimpsest.workspace import Workspace
from stages import run


def main(resolved: Resolved) -> None:
    build_all(Path(), read_results(Path()), resolved.part(Config, "study"), Workspace().reports.study)


if __name__ == "__main__":
    run(main)
