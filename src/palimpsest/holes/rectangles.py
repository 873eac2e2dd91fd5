"""Rectangular holes: shrunk, fixed, random and centred squares, and PICNet's rectangles."""

from fractions import Fraction
from math import isqrt
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from palimpsest.config.yaml import InputError, Settings
from palimpsest.holes.lengths import LONGEST, Length, Range, scaled, whole


def _box(size: int, top: int, left: int, height: int, width: int) -> np.ndarray:
    hole = np.zeros((size, size), bool)
    hole[top : top + height, left : left + width] = True
    return hole


def _square(side: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """A square of `side` px at one of its (size - side + 1)² places, all equally likely."""
    if side >= size:
        raise InputError(f"{side} px square does not fit {size} px; accepted: a side below {size}")
    top, left = rng.integers(size - side + 1, size=2)
    return _box(size, top, left, side, side)


class ShrunkSquare(Settings):
    """DeepFill v1's hole: a square at a random place, whose opposite sides move inwards by a random amount."""

    shape: Literal["shrunk-square"]
    side: Length  # px, of the square before shrinking
    max_shrink: Annotated[int, Field(ge=0, le=LONGEST)]  # px, at most, taken off each side
    margin: Annotated[int, Field(ge=0, le=LONGEST)]  # px, kept between the square and the picture's border

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """bool (size, size). The last place before the far border is never drawn, as in the released code."""
        side, max_shrink, margin = (scaled(length, size) for length in (self.side, self.max_shrink, self.margin))
        room = size - 2 * margin - side
        if room < 1 or 2 * max_shrink >= side:
            raise InputError(
                f"{side} px square, shrunk by {max_shrink} px a side and {margin} px from the border, "
                f"does not fit {size} px; accepted: side + 2 · margin below {size}, max_shrink below half the side"
            )
        top, left = margin + rng.integers(room, size=2)
        shrink_y, shrink_x = rng.integers(max_shrink + 1, size=2)
        return _box(size, top + shrink_y, left + shrink_x, side - 2 * shrink_y, side - 2 * shrink_x)


class Square(Settings):
    """A square of one size at a random place."""

    shape: Literal["square"]
    side: Length  # px

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        return _square(scaled(self.side, size), size, rng)


class RandomSquare(Settings):
    """CRFill's square: random in size and place."""

    shape: Literal["random-square"]
    side: Range  # px

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        return _square(whole(rng, [scaled(length, size) for length in self.side]), size, rng)


class Centre(Settings):
    """GM-SRM's centred square: the largest with at most the hole ratio asked for."""

    shape: Literal["centre"]
    ratio: Annotated[float, Field(gt=0, lt=1)]  # of missing pixels to all pixels

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """bool (size, size), without drawing from `rng`; an odd pixel of margin is at the bottom and on the right."""
        side = isqrt(int(Fraction(str(self.ratio)) * size**2))
        return _box(size, (size - side) // 2, (size - side) // 2, side, side)


class PicnetRegular(Settings):
    """PICNet's regular holes: n rectangles, with sides from 1 / (n + 7) of the picture's to all that is left of it."""

    shape: Literal["picnet-regular"]
    rectangles: Range

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        count = whole(rng, self.rectangles)
        last, shortest = size * count // (count + 1), max(1, size // (count + 7))
        hole = np.zeros((size, size), bool)
        for _ in range(count):
            top, left = rng.integers(last + 1, size=2)
            height, width = whole(rng, [shortest, size - top]), whole(rng, [shortest, size - left])
            hole |= _box(size, top, left, height, width)
        return hole
