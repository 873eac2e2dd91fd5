"""reports/gallery: the pictures, values and trails that the page shows on demand."""

from pathlib import Path

from palimpsest.config import stage
from palimpsest.reporting.gallery import Gallery
from palimpsest.reporting.results import commit, read_results


def main() -> None:
    root = Path()
    Gallery(root, read_results(root), commit(root), root / "reports" / "gallery").write()


if __name__ == "__main__":
    stage(main)
