"""reports/figures: every figure as PNG and PDF, and their captions; reports/sample: the README's pictures."""

from pathlib import Path

from palimpsest.config import stage
from palimpsest.papers import spec
from palimpsest.reporting.figures import draw_all
from palimpsest.reporting.results import read_results
from palimpsest.storage import replacing, write_json


def main() -> None:
    figures = Path("reports/figures")
    drawings = draw_all(Path(), read_results(Path()), figures)
    write_json(figures / "figures.json", [drawing.about for drawing in drawings])
    for paper in spec.names():
        drawn = [drawing.name for drawing in drawings if drawing.name.startswith(f"{paper}-") and drawing.figure]
        for name in drawn[:1]:
            with replacing(Path("reports/sample") / f"{name}.png") as temporary:
                temporary.write_bytes((figures / f"{name}.png").read_bytes())


if __name__ == "__main__":
    stage(main)
