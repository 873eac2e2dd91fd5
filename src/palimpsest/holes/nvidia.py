"""NVIDIA's irregular test masks (Liu et al. 2018), from the folder into which a user has unpacked them.

The set is 12,000 PNG files: 2,000 in each of six bins of hole ratios, half of which touch the border. Neither the file
names nor the project page say which file is in which bin, or whether white means missing, so both are measured.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

from palimpsest.config.paths import located
from palimpsest.config.yaml import InputError
from palimpsest.data.folders import files_below
from palimpsest.data.pictures import is_picture
from palimpsest.holes.bins import Bin, touches_border
from palimpsest.holes.files import read_mask

LARGEST_RATIO = 0.6  # of any hole in the set
SLACK = 0.005  # by which resizing may have changed a ratio


class Nvidia(Bin):
    """Published irregular holes whose ratios, in the final picture, lie in one bin."""

    shape: Literal["nvidia"]
    folder: str
    border: Literal["touching", "free", "any"]

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        masks, counts = _read(self.folder, size), self.counts(size)
        fits = (masks.missing >= counts.start) & (masks.missing < counts.stop)
        if self.border != "any":
            fits &= masks.touching == (self.border == "touching")
        if not fits.any():
            raise InputError(
                f"{self.folder}: asked for masks of ({self.above}, {self.up_to}] at {size} px, border {self.border}; "
                f"found none among {len(fits)}"
            )
        chosen = rng.choice(np.flatnonzero(fits))
        return _unpacked(masks.packed[chosen], size)


@dataclass(frozen=True)
class Masks:
    """All masks of a folder at one size."""

    packed: np.ndarray  # bits (N, size, size / 8), 1 = missing
    missing: np.ndarray  # pixels (N,)
    touching: np.ndarray  # bool (N,): a pixel on the border is missing


@lru_cache(maxsize=4)
def _read(folder: str, size: int) -> Masks:
    """Reads every picture in a folder and below it, in the order of paths, and shrinks it by the nearest pixel."""
    if not located(folder).is_dir():
        raise InputError(f"{folder}: asked for the folder of the NVIDIA irregular masks, found no such folder")
    paths = sorted(path for name, path in files_below(located(folder)) if is_picture(name))
    if not paths:
        raise InputError(f"{folder}: asked for the NVIDIA irregular masks, found no picture in it or below it")
    ratios, packed = np.empty(len(paths)), np.empty((len(paths), size, -(-size // 8)), np.uint8)
    for i, path in enumerate(paths):
        white, _ = read_mask(path)
        ratios[i] = white.mean()
        resized = cv2.resize(white.view(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
        packed[i] = np.packbits(resized, axis=-1)
    if not _white_is_missing(folder, ratios):
        np.invert(packed, out=packed)
    holes = (_unpacked(bits, size) for bits in packed)
    missing, touching = zip(*((np.count_nonzero(hole), touches_border(hole)) for hole in holes), strict=True)
    return Masks(packed, np.array(missing), np.array(touching))


def _white_is_missing(folder: str, ratios: np.ndarray) -> bool:
    """Whether white is what is missing, by how much of each mask is white: no hole of the set exceeds 0.6."""
    white, black = ratios.max() <= LARGEST_RATIO + SLACK, ratios.min() >= 1 - LARGEST_RATIO - SLACK
    if white != black:
        return bool(white)
    raise InputError(
        f"{folder}: asked for masks of which none misses more than {LARGEST_RATIO:.0%}, found white ratios from "
        f"{ratios.min():.1%} to {ratios.max():.1%} in {len(ratios)} files: "
        f"{'both white and' if white else 'neither white nor'} black can be the hole; accepted: the whole set"
    )


def _unpacked(bits: np.ndarray, size: int) -> np.ndarray:
    return np.unpackbits(bits, axis=-1, count=size).astype(bool)
