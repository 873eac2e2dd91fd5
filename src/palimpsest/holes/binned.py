"""Irregular holes of a given ratio bin, after the irregular test masks of Liu et al. 2018 (partial convolutions).

Short bent strokes are added until the hole reaches a ratio drawn evenly from the bin; drawing whole holes and rejecting
those outside the bin would be slow. So the shapes are our own, not those of the published masks.
"""

from collections.abc import Iterator
from math import pi
from typing import Annotated, Literal, Self

import cv2
import numpy as np
from pydantic import Field, model_validator

from palimpsest.config.yaml import InputError
from palimpsest.holes.bins import Bin, touches_border
from palimpsest.holes.lengths import REFERENCE, scaled, thickness

PIECES = 5  # of a stroke, at most: 2 to 6 vertices
STEP = 15, 70  # px, length of a piece
WIDTH = 5.0, 25.0  # px
BEND = 0.7  # radians, standard deviation between two pieces
BATCH = 24  # strokes whose random numbers are drawn together
MOST_PIECES = 20_000

Piece = tuple[tuple[int, int], tuple[int, int], int, int]  # ends (x, y), OpenCV's thickness, most pixels it covers


class Binned(Bin):
    """Irregular holes whose ratios, in the final picture, are spread evenly over a bin."""

    shape: Literal["binned"]
    border: Literal["touching", "free"]
    frame: Annotated[
        int, Field(ge=0, lt=REFERENCE // 2)
    ]  # px along the border that a free hole leaves known; 0 if touching

    @model_validator(mode="after")
    def _frame_fits(self) -> Self:
        if (self.border == "free") != (self.frame > 0):
            raise ValueError(
                f"border {self.border}, frame {self.frame} px; accepted: touching with a frame of 0, "
                f"free with one of 1 to {REFERENCE // 2 - 1} px"
            )
        return self

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        counts, frame = self.counts(size), scaled(self.frame, size)
        target = counts[rng.integers(len(counts))]
        while True:
            pieces = _pieces(size, size - 2 * frame, rng, self.border == "touching")
            canvas = _fill(size - 2 * frame, pieces, target, counts)
            if canvas is None:
                raise InputError(
                    f"asked for {self.border} holes of ({self.above}, {self.up_to}] of {size} x {size} px with a frame "
                    f"of {frame} px, found none in {MOST_PIECES} strokes; accepted: a wider bin or a narrower frame"
                )
            hole = cv2.copyMakeBorder(canvas, *4 * [frame], cv2.BORDER_CONSTANT, value=0).view(bool)
            if frame or touches_border(hole):
                return hole


def _fill(side: int, pieces: Iterator[Piece], target: int, counts: range) -> np.ndarray | None:
    """uint8 (side, side) with as close to `target` pixels set as whole pieces allow, or None.

    Counting pixels is slow, so it starts only when the pieces drawn could have reached the target: each piece says how
    many pixels it covers at most. From there on pixels are counted after each piece, and a piece is undone if the hole
    was closer to the target without it.
    """
    canvas, before = np.zeros((2, side, side), np.uint8)
    count = uncounted = 0
    for _, (start, end, pen, most) in zip(range(MOST_PIECES), pieces, strict=False):
        if uncounted and count + uncounted + most > target:
            count, uncounted = cv2.countNonZero(canvas), 0
        if count + uncounted + most <= target:
            cv2.line(canvas, start, end, 1, pen)
            uncounted += most
            continue
        np.copyto(before, canvas)
        cv2.line(canvas, start, end, 1, pen)
        after = cv2.countNonZero(canvas)
        if after < target:
            count = after
        elif after in counts and (count not in counts or after - target <= target - count):
            return canvas
        else:
            canvas, before = before, canvas
            if count in counts:
                return canvas
    return None


def _pieces(size: int, side: int, rng: np.random.Generator, anchored: bool) -> Iterator[Piece]:
    """The pieces of stroke after stroke over `side` px; if `anchored`, the first stroke starts on the border."""
    scale = size / REFERENCE
    while True:
        lengths = rng.integers(1, PIECES + 1, BATCH).tolist()
        pens = [thickness(width, size) for width in rng.uniform(*WIDTH, BATCH).tolist()]
        turns = rng.normal(0, BEND, (BATCH, PIECES))
        turns[:, 0] = rng.uniform(0, 2 * pi, BATCH)
        angles, steps = turns.cumsum(axis=1), scale * rng.uniform(*STEP, (BATCH, PIECES))
        path = np.empty((2, BATCH, PIECES + 1))  # x and y
        path[:, :, 0] = rng.uniform(0, side, (2, BATCH))
        if anchored:
            axis, far = rng.integers(2, size=2)
            path[axis, 0, 0] = far * (side - 1)
            anchored = False
        np.multiply(steps, [np.cos(angles), np.sin(angles)], out=path[:, :, 1:])
        xs, ys = path.cumsum(axis=2).astype(int).tolist()
        widths = np.array(pens)[:, None] + 3  # px, a pixel more all round
        mosts = ((steps + widths + 2) * widths).astype(int).tolist()
        for x, y, pen, most, length in zip(xs, ys, pens, mosts, lengths, strict=True):
            for i in range(length):
                yield (x[i], y[i]), (x[i + 1], y[i + 1]), pen, most[i]
