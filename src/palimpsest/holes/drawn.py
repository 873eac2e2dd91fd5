"""Holes drawn by hand around what is to be removed."""

from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import AfterValidator, Field

from palimpsest.config.yaml import Name, Settings
from palimpsest.holes.lengths import REFERENCE

OTHER = "other"

Corner = Annotated[list[Annotated[float, Field(ge=0, le=REFERENCE)]], Field(min_length=2, max_length=2)]  # x, y
Outline = Annotated[list[Corner], Field(min_length=3)]


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
            cv2.fillPoly(canvas, [np.rint(np.array(outline) * size / REFERENCE).astype(np.int32)], 1)
        return canvas.view(bool)
