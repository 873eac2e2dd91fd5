"""Holes drawn by hand around what is to be removed."""

from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import AfterValidator, Field

from palimpsest.config.yaml import Name, Settings
from palimpsest.holes.lengths import REFERENCE

OTHER = "other"


def corners(outline: str) -> np.ndarray:
    """(N, 2) x and y of an outline written as SVG writes points; ValueError for any other text."""
    asked = f"asked for 3 corners or more, as in `0,0 64,0 64,64`, from 0 to {REFERENCE}"
    try:
        found = np.array([[float(number) for number in corner.split(",")] for corner in outline.split()])
    except ValueError as error:
        raise ValueError(f"{asked}, found {outline!r}") from error
    if found.ndim != 2 or found.shape[1] != 2 or len(found) < 3 or not ((found >= 0) & (found <= REFERENCE)).all():
        raise ValueError(f"{asked}, found {outline!r}")
    return found


def _outline(text: str) -> str:
    corners(text)
    return text


Outline = Annotated[str, AfterValidator(_outline)]


def _has_other(outlines: dict) -> dict:
    if OTHER not in outlines:
        raise ValueError(f"accepted: outlines with an entry {OTHER!r}, for pictures that have none of their own")
    return outlines


class Drawn(Settings):
    """Filled outlines, in px of a picture of 256 px, chosen by how the picture's name begins."""

    shape: Literal["drawn"]
    outlines: Annotated[dict[Name, Annotated[list[Outline], Field(min_length=1)]], AfterValidator(_has_other)]

    def draw(self, size: int, image_id: str) -> np.ndarray:
        own = (outlines for name, outlines in self.outlines.items() if name != OTHER and image_id.startswith(name))
        canvas = np.zeros((size, size), np.uint8)
        for outline in next(own, self.outlines[OTHER]):
            cv2.fillPoly(canvas, [np.rint(corners(outline) * size / REFERENCE).astype(np.int32)], 1)
        return canvas.view(bool)
