"""What was run, in one look: which method stands in which table, and speed against quality."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from palimpsest.config.yaml import Settings
from palimpsest.figures.drawing import Drawing
from palimpsest.papers.metrics import Metric, read_metrics
from palimpsest.papers.paper import Paper, read_papers
from palimpsest.papers.tables import Blocks, Hyperparameters, Study, Timings
from palimpsest.results.measured import Measured
from palimpsest.study.polls import read_polls

RUN, ABSENT, UNVOTED = "run", "not yet run", "no votes"
QUALITY = "lpips_alex"
FEWEST, PANELS = 2, 3  # runs of a panel; those with most runs


@dataclass
class Method:
    """A method as the tables name it, and what stands for it."""

    label: str
    names: set[str]  # runs, and its name within a paper
    run: str = ""  # the first of them that was measured
    cells: dict[str, str] = field(default_factory=dict)  # table → whether it was run


def matrix(measured: Measured) -> dict:
    """{tables: keys, methods: [{label, run, cells: {table: run, no votes or not yet run}}]}, in the papers' order.

    `run` is the first one that stands for a method, "" where none does.
    """
    polls = read_polls(measured)
    papers = read_papers()
    tables, methods = [], []
    for key, paper in papers.items():
        for number, layout in paper.numbered.items():
            tables.append(f"{key}-{number}")
            for label, name, runs in _rows(paper, layout):
                names = {f"{key}: {name}"} if name else set()
                names |= {run for each in runs for run in (each, measured.trained(each))}
                found = any(measured.has(run) for run in runs)
                voted = not isinstance(layout, Study) or polls[f"{key}-{number}"].whole
                method = _method(methods, label, names)
                method.cells[f"{key}-{number}"] = (RUN if voted else UNVOTED) if found else ABSENT
                method.run = method.run or next((run for run in runs if measured.has(run)), "")
    shown = [{"label": each.label, "run": each.run, "cells": each.cells} for each in methods]
    return {"tables": tables, "methods": shown}


def _rows(paper: Paper, layout: Settings) -> list[tuple[str, str | None, list[str]]]:
    """What stands for each method of a table: (label, published name, runs)."""
    match layout:
        case Blocks() | Hyperparameters():
            return [(paper.label, None, [layout.columns[0].run])]
        case Timings():
            return [(row.label, row.method, [row.run]) for row in layout.rows]
    return [(row.label, row.method, row.runs) for row in layout.rows]


def _method(methods: list[Method], label: str, names: set[str]) -> Method:
    """The method that has one of these names, new or known."""
    found = next((method for method in methods if method.names & names), None)
    if found is None:
        methods.append(found := Method(label, set()))
    found.names |= names
    return found


def draw_overview(measured: Measured) -> Iterator[Drawing]:
    """Seconds a picture against quality: a panel for each data and kind of hole that enough timed runs share."""
    metric, size = read_metrics()[QUALITY], _size(measured)
    found = {scene: points for scene, points in _points(measured, size).items() if len(points) >= FEWEST}
    panels = {scene: found[scene] for scene in sorted(found, key=lambda scene: -len(found[scene]))[:PANELS]}
    title = f"Speed against quality: {metric.label} and seconds a picture of {size} px"
    caption = f"Profile {measured.profile}; {metric.head} of its runs, with 95 % intervals; lower left is better."
    if not panels:
        absent = f"it is left out: no {FEWEST} runs were both timed and measured on the same pictures and holes"
        yield Drawing("overview-speed", title, caption, None, [absent])
        return
    caption += f" Seconds at the paper's widths, one picture of {size} px at a time, on {measured.benchmark.on('cpu')}."
    caption += f" Of the data and holes that at least {FEWEST} timed runs share, those with most."
    datasets = {slot: measured.pictures(slot).dataset for slot in measured.slots}
    yield Drawing("overview-speed", title, caption, draw_panels(panels, datasets, metric))


def _size(measured: Measured) -> int:
    """The side of the pictures whose seconds are shown, px: 256, as in the papers, or the least that was timed."""
    sizes = measured.benchmark.sizes if measured.benchmark else []
    return 256 if 256 in sizes or not sizes else sizes[0]


Points = dict[str, tuple[float, float, float, float]]  # {run: (seconds, mean, low, high)}


def _points(measured: Measured, size: int) -> dict[tuple[str, str], Points]:
    """{(slot, holes): points} of every run that was timed."""
    found: dict[tuple[str, str], Points] = {}
    for run, result in measured.results.items():
        architecture = measured.architecture(run)
        seconds = architecture.seconds("cpu").get(size) if architecture else None
        for holes in result.holes if seconds else ():
            value = measured.aggregate(run, holes, QUALITY)
            if value is not None and "/" not in holes:
                found.setdefault((result.slot, holes), {})[run] = (seconds, value.mean, value.low, value.high)
    return found


def draw_panels(panels: dict[tuple[str, str], Points], datasets: dict[str, str], metric: Metric) -> Figure:
    """Points named after their runs, on logarithmic seconds; the panels in a row."""
    figure = Figure(figsize=(4 * len(panels), 3), layout="constrained")
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    runs = list(dict.fromkeys(run for points in panels.values() for run in points))
    handles = {}
    for axes, ((slot, holes), points) in zip(row, panels.items(), strict=True):
        for run, (seconds, mean, low, high) in points.items():
            number = runs.index(run)
            style = {"color": f"C{number % 10}", "marker": "os^Dv"[number // 10 % 5], "markersize": 5}
            handles[run] = axes.errorbar(seconds, mean, [[mean - low], [high - mean]], linewidth=1, ls="", **style)
        axes.set(xscale="log", title=f"{datasets[slot]}, {holes}")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(0.15)
    figure.supxlabel("seconds a picture", fontsize=9)
    figure.supylabel(metric.head, fontsize=9)
    columns = min(len(panels), len(handles))
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=columns, fontsize=8)
    return figure
