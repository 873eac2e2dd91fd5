"""reports/figures: every figure as PNG and PDF, and their captions; reports/sample: the README's pictures.

reports/curves.csv: what every run logged of its training, for `dvc plots`.
"""

from pathlib import Path

from palimpsest.config.yaml import stage
from palimpsest.figures.draw import draw_all
from palimpsest.papers.paper import names
from palimpsest.results import curves
from palimpsest.results.measured import read_results
from palimpsest.storage import replacing, write_json, write_text


def main() -> None:
    figures = Path("reports/figures")
    measured = read_results(Path())
    drawings = draw_all(Path(), measured, figures)
    write_json(figures / "figures.json", drawings)
    for paper in names():
        drawn = [about["name"] for about in drawings if about["name"].startswith(f"{paper}-") and about["drawn"]]
        for name in drawn[:1]:
            with replacing(Path("reports/sample") / f"{name}.png") as temporary:
                temporary.write_bytes((figures / f"{name}.png").read_bytes())
    write_text("reports/curves.csv", curves.to_csv(Path(), measured))


if __name__ == "__main__":
    stage(main)
