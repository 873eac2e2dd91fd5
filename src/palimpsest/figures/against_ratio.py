"""Figures of metrics against how much of the picture is missing."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from palimpsest.figures.grids import paint
from palimpsest.figures.studio import Drawn, Studio
from palimpsest.papers.figures import AgainstRatio, GrowingFigure, RatiosFigure
from palimpsest.papers.metrics import REGIONS, read_metrics
from palimpsest.results.measured import Measured


def growing(studio: Studio, layout: GrowingFigure) -> Drawn:
    """Each metric against the hole ratio, and one picture with every hole."""
    runs, absent = _measured(studio, layout)
    if not runs:
        return None, absent
    samples = [studio.samples(layout.slot, hole, 1) for hole in layout.holes]
    width, above, below = 1.4 * len(samples) + 0.4, 2.4, 1.4 * (len(runs) + 1) + 0.1
    figure = Figure(figsize=(width, above + below), layout="constrained")
    charts, pictures = figure.subfigures(2, 1, height_ratios=[above, below])
    for axes, metric in zip(np.atleast_1d(charts.subplots(1, len(layout.metrics))), layout.metrics, strict=True):
        _draw(axes, studio.measured, metric, layout.holes, runs)
    charts.axes[0].legend(fontsize=8)
    shown = [("", [s.inputs[0], *(s.kept[run]["result"][0] for run in runs.values())]) for s in samples]
    paint(pictures, width, below, shown, ["input", *runs])
    return figure, absent


def ratios(studio: Studio, layout: RatiosFigure) -> Drawn:
    """Each metric against the hole ratio."""
    runs, absent = _measured(studio, layout)
    if not runs:
        return None, absent
    figure = Figure(figsize=(3.6 * len(layout.metrics), 3.1), layout="constrained")
    for axes, metric in zip(np.atleast_1d(figure.subplots(1, len(layout.metrics))), layout.metrics, strict=True):
        lines = _draw(axes, studio.measured, metric, layout.holes, runs)
    figure.axes[0].set_ylabel(studio.measured.pictures(layout.slot).dataset, fontsize=8)
    figure.legend(lines.values(), lines.keys(), loc="outside upper left", ncols=min(4, len(lines)), fontsize=8)
    return figure, absent


def _measured(studio: Studio, layout: AgainstRatio) -> tuple[dict[str, str], list[str]]:
    """{head: run} of the columns that were measured with holes of every kind; why the others are left out."""
    kept = set.intersection(*(set(studio.measured.kept(layout.slot, hole)) for hole in layout.holes))
    absent = studio.left_out([(column.head, column.run) for column in layout.columns if column.run not in kept])
    return {column.head: column.run for column in layout.columns if column.run in kept}, absent


def _draw(axes: Axes, measured: Measured, metric: str, holes: list[str], runs: dict[str, str]) -> dict[str, Line2D]:
    """A metric's means and intervals against the hole ratio, {head: line}."""
    lines = {}
    for number, (head, run) in enumerate(runs.items()):
        found = [measured.aggregate(run, hole, metric) for hole in holes]
        ratios = [100 * measured.results[run].hole_ratios[hole] for hole in holes]
        style = {"marker": "o", "markersize": 3, "color": f"C{number % 10}", "label": head}
        lines[head] = axes.plot(ratios, [value.mean for value in found], **style)[0]
        bounds = ([value.low for value in found], [value.high for value in found])
        axes.fill_between(ratios, *bounds, alpha=0.15, color=style["color"])
    explained = read_metrics()[metric]
    axes.set(title=f"{explained.head}, {REGIONS[explained.of]}", xlabel="missing (%)")
    return lines
