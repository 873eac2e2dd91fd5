"""The test holes of every kind: a preview sheet, and how much of a picture they take."""

from pathlib import Path

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from palimpsest.data import spread
from palimpsest.masks import read_bank
from palimpsest.reporting.drawing import Drawing
from palimpsest.reporting.results import Pictures
from palimpsest.storage import read_json

SHOWN = 10  # holes of a kind on the sheet
LARGEST = 128  # px, about: larger holes are drawn smaller
ACROSS = 4  # histograms side by side
DARK, LIGHT = 55, 237  # grey levels, of what is missing and what is known


def draw_holes(slot: str, folder: Path, pictures: Pictures) -> list[Drawing]:
    """The preview sheet and the histograms of a bank."""
    shown, areas = {}, {}
    for kind in read_json(folder / "index.json", dict):
        bank = read_bank(folder, kind, pictures.images)
        step = max(1, pictures.size // LARGEST)
        shown[kind], areas[kind] = bank[spread(len(bank), SHOWN)][:, ::step, ::step], bank.shares
    of = f"the fixed holes of the test set ({pictures})"
    preview = f"{min(SHOWN, pictures.images)} of {of} in each of {len(shown)} kinds; dark is missing."
    missing = f"Share of a picture that is missing, over {of}. Dashed: the mean, also in figures."
    return [
        Drawing(f"holes-{slot}-preview", "Test holes of every kind", preview, draw_sheet(shown)),
        Drawing(f"holes-{slot}-areas", "How much is missing", missing, draw_histograms(areas)),
    ]


def draw_sheet(holes: dict[str, np.ndarray]) -> Figure:
    """Holes, bool (N, H, W) a kind, in rows; half of the kinds beside the others."""
    figure = Figure(figsize=(11, 0.22 * len(holes) + 0.2), layout="constrained")
    kinds, rows = list(holes), -(-len(holes) // 2)
    for axes, half in zip(figure.subplots(1, 2), (kinds[:rows], kinds[rows:]), strict=True):
        axes.set_axis_off()
        if half:
            _show(axes, {kind: holes[kind] for kind in half}, rows)
    return figure


def _show(axes: Axes, holes: dict[str, np.ndarray], rows: int) -> None:
    """One picture for them all, which is drawn far sooner than an axes a hole."""
    size = next(iter(holes.values())).shape[-1]
    side = size + max(2, size // 12)  # px, of a hole with the gap beside it
    sheet = np.full((rows * side, SHOWN * side), 255, np.uint8)
    for row, shown in enumerate(holes.values()):
        for column, hole in enumerate(shown):
            sheet[row * side : row * side + size, column * side : column * side + size] = np.where(hole, DARK, LIGHT)
    axes.imshow(np.dstack([sheet] * 3), interpolation="none")
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([row * side + size / 2 for row in range(len(holes))], list(holes), fontsize=7)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def draw_histograms(areas: dict[str, np.ndarray]) -> Figure:
    """One panel a kind, all on the same scale of areas, (N,) a kind."""
    down = -(-len(areas) // ACROSS)
    width, height = 2.6 * ACROSS, 1.35 * down + 0.3
    figure = Figure(figsize=(width, height))
    rims = {"left": 0.7 / width, "right": 1 - 0.2 / width, "bottom": 0.6 / height, "top": 1 - 0.3 / height}
    spaces = {"wspace": 0.22, "hspace": 0.5}
    panels = figure.subplots(down, ACROSS, squeeze=False, gridspec_kw=rims | spaces).flat
    fifths, line = np.linspace(0, 1, 6), {"color": rcParams["grid.color"], "linewidth": 0.8, "alpha": 0.3}
    for number, ((kind, shares), axes) in enumerate(zip(areas.items(), panels, strict=False)):
        axes.stairs(*np.histogram(shares, np.linspace(0, 1, 51)), fill=True, color="C0")
        axes.axvline(shares.mean(), color="black", linewidth=0.8, linestyle="--")
        axes.set_title(f"{kind}: {shares.mean():.1%}", fontsize=8)
        axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        axes.grid(visible=False, axis="x")
        axes.vlines(fifths, 0, 1, transform=axes.get_xaxis_transform(), zorder=0, **line)
        axes.set(xlim=(0, 1), xticks=fifths)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.xaxis.set_visible(number >= len(areas) - ACROSS)  # the lowest of each column
    for axes in list(panels):
        axes.remove()
    figure.supxlabel("share of the picture that is missing", fontsize=9, y=0.1 / height, va="bottom")
    figure.supylabel("pictures", fontsize=9, x=0.1 / width, ha="left")
    return figure
