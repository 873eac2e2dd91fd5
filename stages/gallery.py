"""reports/gallery: the pictures, values and provenance that the page shows on demand."""

from pathlib import Path

from palimpsest.page.gallery import Gallery
from palimpsest.resolved import Resolved
from palimpsest.results.measured import read_results
from palimpsest.workspace import Workspace
from stages import run


def main(_: Resolved) -> None:
    Gallery(Path(), read_results(Path()), Workspace().reports).write()


if __name__ == "__main__":
    run(main)
