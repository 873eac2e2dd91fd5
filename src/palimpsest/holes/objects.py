"""Object-shaped holes: synthetic blobs, silhouettes of pictures in a folder, and the cut-out stamps of Tux Paint."""

import csv
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, radians, sin, sqrt
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from palimpsest.config.paths import located
from palimpsest.config.yaml import InputError, Settings
from palimpsest.data.folders import ACCEPTED, files_below
from palimpsest.data.pictures import eight_bits, is_picture, reading, upright
from palimpsest.holes.lengths import REFERENCE, Range, Span
from palimpsest.storage import sha256

LEAST = 0.01  # hole ratio, of any hole in this file
DRAWS = 1000  # at most, until a hole is that large
CORNERS = 128  # of a blob's outline
LARGEST = 512  # px, long side at which a silhouette is kept
STAMPS = Path(__file__).parent / "tuxpaint-stamps.csv"
PACKAGE = "tuxpaint-stamps-default"
LEAST_STAMPS = 200

Turn = Annotated[float, Field(ge=0, le=180)]  # degrees, at most to either side


class Blob(Settings):
    """A closed wavy outline around a random centre; parts may lie outside the picture.

    radius(θ) = radius · max(0.25, 1 + Σ aₖ cos(kθ + φₖ)), k from 2 on (the first harmonic would only move the blob).
    """

    shape: Literal["blob"]
    radius: Range  # px, before the waves
    harmonics: Annotated[int, Field(ge=1, le=CORNERS // 4)]
    roughness: Annotated[float, Field(ge=0, le=10)]  # the amplitudes are normal, with deviations of this / 1, / 2, …
    aspect: Span  # width over height

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        for _ in range(DRAWS):
            canvas = np.zeros((size, size), np.uint8)
            cv2.fillPoly(canvas, [self._outline(size, rng)], 1)
            if cv2.countNonZero(canvas) >= LEAST * size**2:
                return canvas.view(bool)
        raise InputError(f"blob: found no hole of {LEAST:.0%} or more in {DRAWS} draws; accepted: a larger radius")

    def _outline(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """The corners (x, y), int32 (CORNERS, 2)."""
        order, angle = np.arange(1, self.harmonics + 1), np.linspace(0, 2 * pi, CORNERS, endpoint=False)
        amplitude, phase = rng.normal(0, self.roughness / order), rng.uniform(0, 2 * pi, self.harmonics)
        waves = np.cos(np.outer(angle, order + 1) + phase) @ amplitude
        radius = rng.uniform(*self.radius) * size / REFERENCE * np.maximum(0.25, 1 + waves)
        stretch = sqrt(rng.uniform(*self.aspect))
        centre = rng.uniform(0, size, 2)
        points = centre + np.stack([radius * stretch * np.cos(angle), radius / stretch * np.sin(angle)], axis=1)
        return np.rint(points).astype(np.int32)


class Silhouettes(Settings):
    """Silhouettes of the pictures in a folder and below it, pasted anywhere; parts may lie outside the picture."""

    shape: Literal["silhouettes"]
    folder: str
    scale: Span  # long side of a silhouette over the picture's side
    rotation: Turn

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        return _pasted(_silhouettes(self.folder), self.scale, self.rotation, size, rng)


class Stamps(Settings):
    """Silhouettes of the animals, fruit and vehicles in Debian's tuxpaint-stamps-default, which a user has unpacked."""

    shape: Literal["stamps"]
    folder: str  # .../usr/share/tuxpaint/stamps
    split: Literal["train", "test", "any"]
    scale: Span  # long side of a silhouette over the picture's side
    rotation: Turn

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        chosen = [silhouette for split, silhouette in _stamps(self.folder) if self.split in (split, "any")]
        return _pasted(chosen, self.scale, self.rotation, size, rng)


@dataclass(frozen=True)
class Stamp:
    """One row of the list of stamps: a path below the package's folder of stamps."""

    path: str
    sha256: str
    split: str


def stamps() -> list[Stamp]:
    """The stamps that show a single object, in the order of the list."""
    with STAMPS.open(encoding="utf-8", newline="") as file:
        return [Stamp(**row) for row in csv.DictReader(file)]


@lru_cache
def _stamps(folder: str) -> list[tuple[str, np.ndarray]]:
    """(split, silhouette) of every listed stamp that the folder holds unchanged; InputError if they are too few."""
    root = _existing(folder)
    found = [stamp for stamp in stamps() if (path := root / stamp.path).is_file() and sha256(path) == stamp.sha256]
    if len(found) < LEAST_STAMPS:
        raise InputError(
            f"{folder}: asked for the {len(stamps())} stamps of Debian's {PACKAGE}, found {len(found)} "
            f"unchanged; accepted: {LEAST_STAMPS} or more (the package's usr/share/tuxpaint/stamps)"
        )
    return [(stamp.split, read_silhouette(root / stamp.path)) for stamp in found]


@lru_cache
def _silhouettes(folder: str) -> list[np.ndarray]:
    paths = sorted(path for name, path in files_below(_existing(folder)) if is_picture(name))
    if not paths:
        raise InputError(f"{folder}: asked for pictures of silhouettes, found none; accepted: {ACCEPTED}")
    return [read_silhouette(path) for path in paths]


def _existing(folder: str) -> Path:
    if not (found := located(folder)).is_dir():
        raise InputError(f"{folder}: asked for a folder of silhouettes, found no such folder")
    return found


def read_silhouette(path: Path) -> np.ndarray:
    """The object in a picture, cut to its bounding box: uint8 (height, width), 255 on the object.

    The object is where alpha is above 127. In a picture that is at least 99 % opaque, it is what is darker than 128.
    Raises InputError if there is no object, or no picture.
    """
    with reading(path, "the picture of a silhouette"):
        picture = eight_bits(upright(path)[0])
    known = np.asarray(picture.convert("RGBA").getchannel("A")) > 127
    grey = np.asarray(picture.convert("L"))
    inside = known if known.mean() < 0.99 else grey < 128
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        raise InputError(f"{path}: asked for a silhouette, found nothing; accepted: alpha above 127, or grey below 128")
    cut = 255 * inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)
    shrink = LARGEST / max(cut.shape)
    width, height = (max(1, round(shrink * side)) for side in cut.shape[::-1])
    return cut if shrink >= 1 else cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA)


def _pasted(
    silhouettes: list[np.ndarray], scale: list[float], rotation: float, size: int, rng: np.random.Generator
) -> np.ndarray:
    """One of the silhouettes, scaled, rotated and perhaps mirrored, at a random place; bool (size, size)."""
    for _ in range(DRAWS):
        silhouette = silhouettes[rng.integers(len(silhouettes))]
        factor = rng.uniform(*scale) * size / max(silhouette.shape)
        turn = radians(rng.uniform(-rotation, rotation))
        side = 1 - 2 * rng.integers(2)  # -1 mirrors
        linear = factor * np.array([[side * cos(turn), -sin(turn)], [side * sin(turn), cos(turn)]])
        shift = rng.uniform(0, size, 2) - linear @ np.array(silhouette.shape[::-1]) / 2
        hole = cv2.warpAffine(silhouette, np.column_stack([linear, shift]), (size, size)) > 127
        if np.count_nonzero(hole) >= LEAST * size**2:
            return hole
    raise InputError(f"silhouettes: found no hole of {LEAST:.0%} or more in {DRAWS} draws; accepted: a larger scale")
