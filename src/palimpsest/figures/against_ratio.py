"""Figures of metrics against how much of the picture is missing."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from palimpsest.figures.grids import paint
from palimpsest.figures.studio import Drawn, Studio
from palimpsest.papers.figures import GrowingFigure, RatiosFigure
from palimpsest.papers.metrics import REGIONS, read_metrics
from palimpsest.results.measured import Measured


def growing(studio: Studio, layout: GrowingFigure) -> Drawn:
    """Each metric against the hole ratio, and one picture with every hole."""
    measured = studio.measured
    runs = [c for c in layout.columns if all(c.run in measured.kept(layout.slot, hole) for hole in layout.holes)]
    absent = studio.left_out([(column.head, column.run) for column in layout.columns if column not in runs])
    if not runs:
        return None, absent
    samples = [studio.samples(layout.slot, hole, 1) for hole in layout.holes]
    width, above, below = 1.4 * len(samples) + 0.4, 2.4, 1.4 * (len(runs) + 1) + 0.1
    figure = Figure(figsize=(width, above + below), layout="constrained")
    charts, pictures = figure.subfigures(2, 1, height_ratios=[above, below])
    for axes, metric in zip(np.atleast_1d(charts.subplots(1, len(layout.metrics))), layout.metrics, strict=True):
        _draw(axes, measured, metric, layout.holes, {column.head: column.run for column in runs})
    charts.axes[0].legend(fontsize=8)
    shown = [("", [s.inputs[0], *(s.kept[c.run]["result"][0] for c in runs)]) for s in samples]
    paint(pictures, width, below, shown, ["input", *(column.head for column in runs)])
    return figure, absent


def ratios(studio: Studio, layout: RatiosFigure) -> Drawn:
    """Each metric against the hole ratio, a row of panels for each slot that has results."""
    measured = studio.measured
    panels = {slot: _runs_on(slot, layout, measured) for slot in measured.slots}
    panels = {slot: runs for slot, runs in panels.items() if any(runs.values())}
    drawn = {run for runs in panels.values() for run in runs.values()}
    absent = studio.left_out([(row.label, row.runs[0]) for row in layout.rows if not drawn & set(row.runs)])
    if not panels:
        return None, absent
    across = len(layout.metrics)
    figure = Figure(figsize=(3.6 * across, 2.7 * len(panels) + 0.4), layout="constrained")
    lines = {}
    for row, (slot, runs) in zip(figure.subplots(len(panels), across, squeeze=False), panels.items(), strict=True):
        for axes, metric in zip(row, layout.metrics, strict=True):
            lines |= _draw(axes, measured, metric, layout.holes, runs)
        row[0].set_ylabel(measured.pictures(slot).dataset, fontsize=8)
    lines = {row.label: lines[row.label] for row in layout.rows if row.label in lines}
    figure.legend(lines.values(), lines.keys(), loc="outside upper left", ncols=min(4, len(lines)), fontsize=8)
    return figure, absent


def _runs_on(slot: str, layout: RatiosFigure, measured: Measured) -> dict[str, str | None]:
    """{method: its run that was measured on a slot with holes of every kind, or none}."""
    kept = set.intersection(*(set(measured.kept(slot, hole)) for hole in layout.holes))
    return {row.label: next((run for run in row.runs if run in kept), None) for row in layout.rows}


def _draw(
    axes: Axes, measured: Measured, metric: str, holes: list[str], runs: dict[str, str | None]
) -> dict[str, Line2D]:
    """A metric's means and intervals against the hole ratio, {head: line}; a head keeps its colour."""
    lines = {}
    for number, (head, run) in enumerate(runs.items()):
        if run is None:
            continue
        found = [measured.aggregate(run, hole, metric) for hole in holes]
        ratios = [100 * measured.results[run].hole_ratios[hole] for hole in holes]
        style = {"marker": "o", "markersize": 3, "color": f"C{number % 10}", "label": head}
        lines[head] = axes.plot(ratios, [value.mean for value in found], **style)[0]
        bounds = ([value.low for value in found], [value.high for value in found])
        axes.fill_between(ratios, *bounds, alpha=0.15, color=style["color"])
    explained = read_metrics()[metric]
    axes.set(title=f"{explained.head}, {REGIONS[explained.of]}", xlabel="missing (%)")
    return lines
