"""reports/gallery: the pictures, values and provenance that the page shows on demand."""

from pathlib import Path

from palimpsest.config.yaml import stage
from palimpsest.page.gallery import Gallery
from palimpsest.results.measured import read_results
from palimpsest.workspace import Workspace


def main() -> None:
    root = Path()
    Gallery(root, read_results(root), Workspace(root).reports.gallery).write()


if __name__ == "__main__":
    stage(main)
