"""The test holes of every kind: a preview, and how much of a picture they take."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from palimpsest.data.shards import spread
from palimpsest.figures.drawing import Drawing
from palimpsest.holes.bank import read_bank, read_index
from palimpsest.results.measured import Pictures

SHOWN = 10  # holes of a kind in the preview
LARGEST = 128  # px, about: larger holes are drawn smaller
DARK, LIGHT = 55, 237  # grey levels, of what is missing and what is known


def draw_holes(slot: str, folder: Path, pictures: Pictures) -> list[Drawing]:
    """The preview and the histograms of a slot's holes."""
    shown, ratios = {}, {}
    for kind in read_index(folder):
        bank = read_bank(folder, kind, pictures.images)
        step = max(1, pictures.size // LARGEST)
        shown[kind], ratios[kind] = bank[spread(len(bank), SHOWN)][:, ::step, ::step], bank.ratios
    fixed = f"the fixed holes of the test set ({pictures})"
    preview = f"{min(SHOWN, pictures.images)} holes of each of {len(shown)} kinds, out of {fixed}; dark is missing."
    missing = f"How much of the picture is missing, over {fixed}; each row has its own height, the line is the mean."
    return [
        Drawing(f"holes-{slot}-preview", "Test holes of every kind", preview, draw_preview(shown)),
        Drawing(f"holes-{slot}-ratios", "How much is missing", missing, draw_histograms(ratios)),
    ]


def draw_preview(holes: dict[str, np.ndarray]) -> Figure:
    """Holes, bool (N, H, W) a kind, in rows; the second half of the kinds is right of the first."""
    figure = Figure(figsize=(11, 0.22 * len(holes) + 0.2), layout="constrained")
    kinds, rows = list(holes), -(-len(holes) // 2)
    for axes, half in zip(figure.subplots(1, 2), (kinds[:rows], kinds[rows:]), strict=True):
        axes.set_axis_off()
        if half:
            _show(axes, {kind: holes[kind] for kind in half}, rows)
    return figure


def _show(axes: Axes, holes: dict[str, np.ndarray], rows: int) -> None:
    """All holes as one picture, which is drawn far sooner than an axes a hole."""
    size = next(iter(holes.values())).shape[-1]
    side = size + max(2, size // 12)  # px, of a hole with the gap beside it
    preview = np.full((rows * side, SHOWN * side), 255, np.uint8)
    for row, shown in enumerate(holes.values()):
        for column, hole in enumerate(shown):
            preview[row * side : row * side + size, column * side : column * side + size] = np.where(hole, DARK, LIGHT)
    axes.imshow(np.dstack([preview] * 3), interpolation="none")
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([row * side + size / 2 for row in range(len(holes))], list(holes), fontsize=7)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def draw_histograms(ratios: dict[str, np.ndarray]) -> Figure:
    """A row a kind, all on the same scale of hole ratios, (N,) a kind; each histogram is as high as its row."""
    figure = Figure(figsize=(9, 0.27 * len(ratios) + 0.7), layout="constrained")
    axes = figure.subplots()
    for row, found in enumerate(ratios.values()):
        counts, edges = np.histogram(found, np.linspace(0, 1, 51))
        floor = row + 0.45
        axes.stairs(floor - 0.85 * counts / counts.max(), edges, baseline=floor, fill=True, color="C0")
    rows, means = np.arange(len(ratios)), [found.mean() for found in ratios.values()]
    axes.vlines(means, rows - 0.45, rows + 0.45, color="black", linewidth=1)
    axes.set_yticks(rows, [f"{kind}: {mean:.1%}" for kind, mean in zip(ratios, means, strict=True)], fontsize=8)
    axes.set(xlim=(0, 1), ylim=(len(ratios) - 0.4, -0.6), xlabel="hole ratio")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(axis="y", length=0)
    return figure
