"""Published differences between methods against ours."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from palimpsest.claims.ledger import read_ledger
from palimpsest.claims.verdict import Entry
from palimpsest.figures.studio import Drawn, Studio
from palimpsest.papers.figures import ClaimsFigure
from palimpsest.papers.metrics import REGIONS, read_metrics
from palimpsest.papers.paper import read_papers

COLOURS = {"confirmed": "C2", "contradicted": "C3", "undecided": "0.45", "not comparable": "C0"}
ACROSS = 3  # panels in a row
MANY = 40  # points in a panel, from which on they are drawn lightly
CLEAR = 0.05  # of an axis, beyond its last point


def claims(studio: Studio, layout: ClaimsFigure) -> Drawn:
    """A panel for each of our metrics that tests orders; those without a number of both are counted."""
    ledger = read_ledger(studio.measured, {layout.paper: read_papers()[layout.paper]})
    orders = [entry for entry in ledger.entries if entry.claim.table]
    found = [entry for entry in orders if entry.ours and np.isfinite(entry.ours.gain)]
    left_out = len(orders) - len(found)
    absent = [f"{left_out} of {len(orders)} orders are left out: their runs have no value here"] if left_out else []
    if not found:
        return None, absent
    panels: dict[str, list[Entry]] = {}
    for entry in found:
        panels.setdefault(entry.claim.metric, []).append(entry)
    return draw_panels(panels), absent


def draw_panels(panels: dict[str, list[Entry]]) -> Figure:
    """{metric: its orders} as panels, three in a row."""
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(max(3.3 * across, 4.2), 2.9 * down + 0.5), layout="constrained")
    every = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (name, entries) in zip(every, panels.items(), strict=False):
        _draw(axes, entries)
        metric = read_metrics()[name]
        unit = f" ({metric.unit})" if metric.unit else ""
        axes.set_title(f"{metric.label}{unit}, {REGIONS[metric.of]}")
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    verdicts = [verdict for verdict in COLOURS if any(e.verdict == verdict for es in panels.values() for e in es)]
    handles = [Line2D([], [], color=COLOURS[verdict], marker="o", markersize=4, ls="") for verdict in verdicts]
    figure.legend(handles, verdicts, loc="outside upper left", ncols=min(len(verdicts), 2 * across), fontsize=8)
    figure.supxlabel("published difference, as claimed", fontsize=9)
    figure.supylabel("our difference", fontsize=9)
    return figure


def _draw(axes: Axes, entries: Sequence[Entry]) -> None:
    """Points with their intervals, the line of no difference, and that of the published one."""
    faint = 0.35 if len(entries) > MANY else 0.8
    published = np.array([entry.published for entry in entries])
    for verdict, colour in COLOURS.items():
        chosen = [number for number, entry in enumerate(entries) if entry.verdict == verdict]
        ours = [entries[number].ours for number in chosen]
        bars = [(0, 0) if each.low is None else (each.gain - each.low, each.high - each.gain) for each in ours]
        gains = [each.gain for each in ours]
        if chosen:
            style = {"color": colour, "marker": "o", "markersize": 3, "ls": "", "linewidth": 0.8, "alpha": faint}
            axes.errorbar(published[chosen], gains, np.transpose(bars), **style)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.axline((0, 0), slope=1, color="0.3", linewidth=0.8, linestyle="--")
    ends = [bound for e in entries for bound in (e.ours.gain, e.ours.low, e.ours.high) if bound is not None]
    low, high = min([*ends, 0]), max([*ends, 0])
    room = CLEAR * (high - low or published.max())
    axes.set(xlim=(0, published.max() * (1 + 2 * CLEAR)), ylim=(low - room, high + room))
