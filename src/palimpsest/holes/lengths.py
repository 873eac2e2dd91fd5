"""Lengths of holes: written in px of a picture of 256 px, scaled to the picture at hand."""

from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field, PositiveInt

REFERENCE = 256  # px, side of the picture that the papers' lengths belong to


def _ordered(ends: list) -> list:
    if ends[0] > ends[1]:
        raise ValueError("accepted: the smaller end first")
    return ends


Range = Annotated[list[PositiveInt], Field(min_length=2, max_length=2), AfterValidator(_ordered)]  # both ends included
Span = Annotated[
    list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=2), AfterValidator(_ordered)
]  # of real numbers


def scaled(length: int, size: int) -> int:
    """A length in px of a picture of `size` px, half a pixel rounded up; at least 1, but 0 stays 0."""
    return max(1, (2 * length * size + REFERENCE) // (2 * REFERENCE)) if length else 0


def thickness(width: float, size: int) -> int:
    """What OpenCV calls the thickness of a line that covers `width` px of a picture of 256 px, at `size` px.

    OpenCV covers odd numbers of pixels alone: 1, 3, 5 ... for a thickness of 1, 2, 4 ...
    """
    return max(1, 2 * int(width * size / REFERENCE / 2))


def covered(thickness: int) -> int:
    """The pixels that OpenCV covers across a line of a thickness above 1."""
    return 2 * -(-thickness // 2) + 1


def whole(rng: np.random.Generator, ends: list[int]) -> int:
    """A whole number drawn evenly between two ends, both included."""
    return int(rng.integers(ends[0], ends[1] + 1))
