"""Lengths of holes: written in px of a picture of 256 px, and scaled to the picture's size."""

from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

REFERENCE = 256  # px, side of the picture that the papers' lengths belong to


def _ordered(ends: list) -> list:
    if ends[0] > ends[1]:
        raise ValueError("accepted: the smaller end first")
    return ends


LONGEST = 4 * REFERENCE  # px
Length = Annotated[int, Field(gt=0, le=LONGEST)]  # px, or a count of pieces
Range = Annotated[list[Length], Field(min_length=2, max_length=2), AfterValidator(_ordered)]  # both ends included
Span = Annotated[
    list[Annotated[float, Field(ge=1e-3, le=1e3)]], Field(min_length=2, max_length=2), AfterValidator(_ordered)
]  # of real numbers


def scaled(length: int, size: int) -> int:
    """A length in px of a picture of `size` px, half a pixel rounded up; at least 1, but 0 stays 0."""
    return max(1, (2 * length * size + REFERENCE) // (2 * REFERENCE)) if length else 0


def thickness(width: float, size: int) -> int:
    """OpenCV's `thickness` for a line of `width` px in a picture of 256 px, scaled to `size` px.

    OpenCV's lines cover only odd numbers of pixels: 1, 3, 5, … for a thickness of 1, 2, 4, …
    """
    return max(1, 2 * int(width * size / REFERENCE / 2))


def covered(thickness: int) -> int:
    """Width in px of a line that OpenCV draws with a thickness above 1."""
    return 2 * -(-thickness // 2) + 1


def whole(rng: np.random.Generator, ends: list[int]) -> int:
    """A whole number drawn uniformly between two ends, both included."""
    return int(rng.integers(ends[0], ends[1] + 1))
