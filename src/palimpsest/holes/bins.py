"""Bins of hole ratios: the one place that decides on which side of an edge a hole lies."""

from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from palimpsest.config.yaml import InputError, Settings

Ratio = Annotated[float, Field(ge=0, lt=1)]  # of missing pixels to all pixels


@lru_cache
def bin_counts(above: float, up_to: float, pixels: int) -> range:
    """The numbers of missing pixels, of `pixels` in all, whose ratio lies in (above, up_to].

    Edges are exact decimals: of 100 pixels, 30 are in (0.2, 0.3] and not in (0.3, 0.4].
    """
    low, high = (Fraction(str(edge)) * pixels // 1 for edge in (above, up_to))
    return range(low + 1, high + 1)


def touches_border(hole: np.ndarray) -> bool:
    """Whether a pixel on the picture's border is missing."""
    return bool(hole[0].any() or hole[-1].any() or hole[:, 0].any() or hole[:, -1].any())


class Bin(Settings):
    """The bin (above, up_to] of hole ratios."""

    above: Ratio
    up_to: Ratio

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if self.above >= self.up_to:
            raise ValueError(f"above {self.above}, up_to {self.up_to}; accepted: above below up_to")
        return self

    def counts(self, size: int) -> range:
        """The accepted numbers of missing pixels in a picture of `size` px; InputError if there is none."""
        counts = bin_counts(self.above, self.up_to, size**2)
        if not counts:
            raise InputError(
                f"asked for holes of ({self.above}, {self.up_to}] of {size} x {size} px, which no whole number of "
                f"pixels is; accepted: a wider bin or a larger picture"
            )
        return counts
