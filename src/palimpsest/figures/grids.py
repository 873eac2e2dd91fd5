"""Pictures in rows and columns, drawn into one axes whose unit is the inch, which is far faster than an axes each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

PATCH = 16  # px, as in layers/patches.py, which needs torch
GAP, MARGIN = 0.05, 0.03  # inches, between pictures and at the rim
HEADS, LABELS = 0.24, 0.14  # inches, for heads above the pictures and labels left of them
WHEEL = 0.9  # of a column

Corner = tuple[int, int]  # top left, (y, x) px


def colour_wheel() -> np.ndarray:
    """(55, 3) in [0, 1]: the hues of the Middlebury optical-flow benchmark (Baker et al. 2011) in order of angle."""
    red, yellow, green, cyan, blue, magenta = np.array(
        [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], float
    )
    steps = [(red, yellow, 15), (yellow, green, 6), (green, cyan, 4), (cyan, blue, 11), (blue, magenta, 13)]
    return np.concatenate([a + (b - a) * np.arange(n)[:, None] / n for a, b, n in [*steps, (magenta, red, 6)]])


def colour_code(offsets: np.ndarray) -> np.ndarray:
    """Offsets (2, h, w) = (dy, dx) as colours, uint8 (h, w, 3): hue is direction, saturation length.

    White is the patch itself, full colour the picture's largest offset. As in the released code u = dy and v = dx, so
    pink is at the bottom left, green at the top right.
    """
    u, v = np.asarray(offsets, float) / max(np.hypot(*np.asarray(offsets, float)).max(), 1e-9)
    wheel = colour_wheel()
    place = (np.arctan2(-v, -u) / np.pi + 1) / 2 * (len(wheel) - 1)
    low = np.floor(place).astype(int)
    between = (place - low)[..., None]
    hue = (1 - between) * wheel[low] + between * wheel[(low + 1) % len(wheel)]
    return np.floor(255 * (1 - np.hypot(u, v)[..., None] * (1 - hue))).astype(np.uint8)


@dataclass(frozen=True)
class Marked:
    """A picture with patches of its hole joined to their references."""

    picture: np.ndarray
    joined: list[tuple[Corner, Corner]]  # the patch, its reference


@dataclass(frozen=True)
class Boxed:
    """A picture with squares drawn in it, and a frame."""

    picture: np.ndarray
    side: int  # px, of the squares
    boxes: list[tuple[Corner, str]]  # where, in which colour
    frame: str | None = None  # colour


Columns = list[tuple[str, Sequence[np.ndarray | Marked | Boxed]]]  # head, one picture a row


def cut_out(picture: np.ndarray, corner: Corner, side: int, colour: str) -> Boxed:
    """A square of a picture, in a frame."""
    y, x = corner
    return Boxed(picture[y : y + side, x : x + side], side, [], colour)


@dataclass(frozen=True)
class Cell:
    """A square in an axes of inches."""

    axes: Axes
    left: float
    top: float
    side: float

    def show(self, picture: np.ndarray) -> Rectangle:
        """Draws a picture and returns its frame."""
        right, bottom = self.left + self.side, self.top + self.side
        how = "none" if min(picture.shape[:2]) < 128 else None  # "none" puts a picture's own pixels into a PDF
        extent = (self.left, right, bottom, self.top)
        self.axes.imshow(picture, cmap="gray", interpolation=how, extent=extent, aspect="auto")
        frame = Rectangle((self.left, self.top), self.side, self.side, fill=False, edgecolor="0.8", linewidth=0.5)
        return self.axes.add_patch(frame)

    def outline(self, frame: Rectangle, corner: Corner, side: int, px: float, **style) -> None:
        """A square of `side` px in a picture."""
        y, x = corner
        square = (self.left + x * px, self.top + y * px)
        self.axes.add_patch(Rectangle(square, side * px, side * px, fill=False, **style)).set_clip_path(frame)

    def draw(self, shown: np.ndarray | Marked | Boxed) -> None:
        picture = shown if isinstance(shown, np.ndarray) else shown.picture
        frame, px = self.show(picture), self.side / len(picture)
        match shown:
            case Marked(joined=joined):
                for number, ends in enumerate(joined):
                    self._join(frame, ends, px, f"C{number % 10}")
            case Boxed(side=side, boxes=boxes):
                for corner, colour in boxes:
                    self.outline(frame, corner, side, px, edgecolor=colour, linewidth=1.2)
                if shown.frame:
                    frame.set(edgecolor=shown.frame, linewidth=2)

    def _join(self, frame: Rectangle, ends: tuple[Corner, Corner], px: float, colour: str) -> None:
        """Outlines a patch (dashed) and its reference, and joins their middles."""
        for corner, line in zip(ends, ("--", "-"), strict=True):
            self.outline(frame, corner, PATCH, px, edgecolor=colour, linestyle=line, linewidth=1)
        middles = (np.array(ends) + PATCH / 2) * px
        (line,) = self.axes.plot(self.left + middles[:, 1], self.top + middles[:, 0], color=colour, linewidth=0.8)
        line.set_clip_path(frame)


def draw_grid(columns: Columns, labels: Sequence[str], wheel: bool = False, side: float = 1.5) -> Figure:
    """Pictures in rows and columns under their heads; `side` in inches; the colour wheel at the right."""
    width = (len(columns) + (WHEEL if wheel else 0)) * side
    height = HEADS + len(labels) * side + MARGIN
    figure = Figure(figsize=(width, height))
    paint(figure, width, height, columns, labels, wheel)
    return figure


def paint(
    onto: Figure | SubFigure, width: float, height: float, columns: Columns, labels: Sequence[str], wheel: bool = False
) -> None:
    """The grid in a figure, or a part of one, of `width` × `height` inches: as large as fits, in the middle."""
    axes = onto.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    across, headed = len(columns) + (WHEEL if wheel else 0), any(head for head, _ in columns)
    top, left = HEADS if headed else MARGIN, LABELS if any(labels) else MARGIN
    side = min((width - left - MARGIN) / across, (height - top - MARGIN) / len(labels))
    left += (width - left - MARGIN - side * across) / 2
    for x, (head, pictures) in enumerate(columns):
        middle = left + x * side + (side - GAP) / 2
        axes.text(middle, top - 0.06, head, ha="center", va="baseline", fontsize=9)
        for y, picture in enumerate(pictures):
            Cell(axes, left + x * side, top + y * side, side - GAP).draw(picture)
    for y, label in enumerate(labels):
        axes.text(
            left - 0.04, top + (y + 0.5) * side, label, ha="right", va="center", rotation=90, fontsize=6, color="0.4"
        )
    if wheel:
        _draw_wheel(axes, left + len(columns) * side + 2 * GAP, top + 0.1, WHEEL * side - 2 * GAP)


def _draw_wheel(axes: Axes, left: float, top: float, side: float) -> None:
    """The colour of each offset, at the place that it points to: up in the picture is up here."""
    offsets = np.mgrid[-60:61, -60:61]
    inside = np.hypot(*offsets) <= 60
    colours = np.dstack([colour_code(np.where(inside, offsets, 0)), np.where(inside, 255, 0).astype(np.uint8)])
    axes.imshow(colours, interpolation="bilinear", extent=(left, left + side, top + side, top), aspect="auto")
    middle = left + side / 2
    axes.text(middle, top - 0.06, "where to", ha="center", va="baseline", fontsize=8)
    words = "white: the patch itself\nrim: largest offset"
    axes.text(middle, top + side + 0.06, words, ha="center", va="top", fontsize=6.5)
