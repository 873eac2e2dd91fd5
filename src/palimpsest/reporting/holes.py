"""The test holes of every kind: a preview sheet, and how much of a picture they take."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from palimpsest.data import spread
from palimpsest.masks import read_bank
from palimpsest.reporting.drawing import Drawing
from palimpsest.reporting.results import Pictures
from palimpsest.storage import read_json

SHOWN = 10  # holes of a kind on the sheet
ACROSS = 4  # histograms side by side


def draw_holes(slot: str, folder: Path, pictures: Pictures) -> list[Drawing]:
    """The preview sheet and the histograms of a bank."""
    shown, areas = {}, {}
    for kind in read_json(folder / "index.json", dict):
        bank = read_bank(folder, kind, pictures.images)
        shown[kind], areas[kind] = bank[spread(len(bank), SHOWN)], bank.shares
    of = f"the fixed holes of the test set ({pictures})"
    preview = f"{min(SHOWN, pictures.images)} of {of} in each of {len(shown)} kinds; black is missing."
    missing = f"Share of a picture that is missing, over {of}. Dashed: the mean, also in figures."
    return [
        Drawing(f"holes-{slot}-preview", "Test holes of every kind", preview, draw_sheet(shown)),
        Drawing(f"holes-{slot}-areas", "How much is missing", missing, draw_histograms(areas)),
    ]


def draw_sheet(holes: dict[str, np.ndarray]) -> Figure:
    """Holes, bool (N, H, W) a kind, in rows; two kinds side by side."""
    rows = -(-len(holes) // 2)
    figure = Figure(figsize=(11, 0.55 * rows), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    halves = figure.subfigures(1, 2)
    for half, kinds in zip(halves, (list(holes)[:rows], list(holes)[rows:]), strict=True):
        grid = half.subplots(rows, SHOWN, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for line, kind in zip(grid, kinds, strict=False):
            line[0].text(-0.15, 0.5, kind, transform=line[0].transAxes, ha="right", va="center", fontsize=7)
            for axes, hole in zip(line, holes[kind], strict=False):
                _show(axes, hole)
    return figure


def _show(axes: Axes, hole: np.ndarray) -> None:
    axes.imshow(hole, cmap="gray_r", vmin=0, vmax=1.4, interpolation="nearest")
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color="0.6", linewidth=0.6)


def draw_histograms(areas: dict[str, np.ndarray]) -> Figure:
    """One panel a kind, all on the same scale of areas, (N,) a kind."""
    down = -(-len(areas) // ACROSS)
    figure = Figure(figsize=(2.6 * ACROSS, 1.35 * down), layout="constrained")
    panels = figure.subplots(down, ACROSS, squeeze=False, sharex=True).flat
    for axes, (kind, shares) in zip(panels, areas.items(), strict=False):
        axes.hist(shares, bins=np.linspace(0, 1, 51), color="C0")
        axes.axvline(shares.mean(), color="black", linewidth=0.8, linestyle="--")
        axes.set_title(f"{kind}: {shares.mean():.1%}", fontsize=8)
        axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlim(0, 1)
    for axes in list(panels):
        axes.remove()
    figure.supxlabel("share of the picture that is missing", fontsize=9)
    figure.supylabel("pictures", fontsize=9)
    return figure
