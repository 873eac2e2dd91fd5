"""How photographs become pictures, and the training crops drawn from them."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Literal, Self

import cv2
import numpy as np
from pydantic import Field, model_validator

from palimpsest.config.numbers import Pixels
from palimpsest.config.yaml import Settings
from palimpsest.data.pictures import resized
from palimpsest.data.shards import Shard

Sides = Annotated[list[Pixels], Field(min_length=2, max_length=2)]  # px, height and width


class Crops(Settings):
    """One slot of a profile's `slots`: which photographs fill it, and how they become pictures."""

    dataset: str  # an entry of datasets.yaml
    scale: Pixels | Sides | None  # px of the short side, or [height, width] of every photograph; null = unchanged
    size: Annotated[Pixels, Field(le=4096)]  # px, side of a training crop and of a test picture; a multiple of 8
    resize: Literal["box", "bilinear", "hamming", "bicubic", "lanczos", "opencv-bilinear"]  # the last does not average
    small: Literal["enlarge", "reject"]  # photographs that are smaller
    crop: Literal["tiles", "centre", "random"]  # of val and test: all that fit, or one of each photograph

    @model_validator(mode="after")
    def _fits(self) -> Self:
        least = self.size if self.scale is None else min(np.atleast_1d(self.scale))
        if self.size % 8 or self.size > least:
            raise ValueError(f"size {self.size} px; accepted: a multiple of 8, at most scale {self.scale} px")
        return self


def random_crop(shard: Shard, number: int, crops: Crops, augment: Sequence[str], seed: int) -> np.ndarray:
    """The training crop with this running number, uint8 (size, size, 3); it depends only on seed and number.

    Each epoch shows every picture once, in its own order. `augment` names what else happens to a crop: `resize` takes a
    square of random side and shrinks it, `flip` mirrors half of the crops, `recolour` changes each one's colours.
    """
    epoch, place = divmod(number, len(shard))
    index = _order(len(shard), seed, epoch)[place]
    draw = np.random.default_rng([seed, 1, number])
    picture = shard[index]
    side = draw.integers(crops.size, min(picture.shape[:2]) + 1) if "resize" in augment else crops.size
    top, left = (draw.integers(length - side + 1) for length in picture.shape[:2])
    crop = resized(picture[top : top + side, left : left + side], crops.size, crops.size, crops.resize)
    if "flip" in augment and draw.random() < 0.5:
        crop = cv2.flip(crop, 1)  # twenty times as fast as copying crop[:, ::-1]
    return recolour(crop, draw) if "recolour" in augment else crop


@lru_cache(maxsize=2)
def _order(length: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, 0, epoch]).permutation(length)


def recolour(crop: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Channels in random order, half of the crops inverted, each channel squeezed into half or more of its range.

    In no paper: it makes up for having only a handful of training photographs, whose colours a network would memorise.
    """
    crop = crop[..., draw.permutation(3)].astype(np.float32)
    if draw.random() < 0.5:
        crop = 255 - crop
    gain = draw.uniform(0.5, 1, 3)
    return np.rint(crop * gain + 255 * draw.uniform(0, 1 - gain)).astype(np.uint8)
