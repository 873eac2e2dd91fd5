"""Holes: 1 = missing. Each is a function of an explicit random generator, so of (seed, image id) alone.

The fixed holes of a test set are a bank: `<kind>.npy`, bit-packed (N, H, W / 8) in the order of the test shard.
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from palimpsest.config import InputError, Settings
from palimpsest.storage import read_arrays, replacing


class Rectangle(Settings):
    """DeepFill v1's hole: a square at a random place, each pair of opposite sides drawn in by a random amount."""

    side: PositiveInt  # px, of the square before shrinking
    max_shrink: NonNegativeInt  # px, at most taken off each side
    margin: NonNegativeInt  # px, kept between the square and the picture's border

    def draw(self, size: int, draw: np.random.Generator) -> np.ndarray:
        """bool (size, size). The last place at the far border is never drawn, as in the released code."""
        room = size - 2 * self.margin - self.side
        if room < 1 or 2 * self.max_shrink >= self.side:
            raise InputError(
                f"{self.side} px square, shrunk by {self.max_shrink} px a side and {self.margin} px from the border, "
                f"does not fit {size} px; accepted: side + 2 · margin below {size}, max_shrink below half the side"
            )
        top, left = self.margin + draw.integers(room, size=2)
        shrink_y, shrink_x = draw.integers(self.max_shrink + 1, size=2)
        hole = np.zeros((size, size), bool)
        hole[top + shrink_y : top + self.side - shrink_y, left + shrink_x : left + self.side - shrink_x] = True
        return hole


class Config(Settings):
    """A profile's `holes`: one section a kind, all of them drawn for the test set."""

    seed: NonNegativeInt
    rectangle: Rectangle

    def kind(self, name: str) -> Rectangle:
        if name not in self.kinds:
            raise InputError(f"asked for holes of kind {name!r}; accepted: {', '.join(self.kinds)}")
        return getattr(self, name)

    @property
    def kinds(self) -> list[str]:
        return [name for name in type(self).model_fields if name != "seed"]


def fixed_hole(config: Config, kind: str, image_id: str, size: int) -> np.ndarray:
    """The fixed hole of one test picture, bool (size, size)."""
    number = int.from_bytes(hashlib.sha256(f"{kind}/{image_id}".encode()).digest()[:8])
    return config.kind(kind).draw(size, np.random.default_rng([config.seed, number]))


def training_hole(config: Config, kind: str, number: int, size: int) -> np.ndarray:
    """The hole of the training crop with this running number, bool (size, size)."""
    return config.kind(kind).draw(size, np.random.default_rng([config.seed, 2, number]))


def write_bank(config: Config, image_ids: Sequence[str], size: int, folder: Path) -> None:
    """Packs one hole a test picture and kind."""
    for kind in config.kinds:
        holes = np.stack([fixed_hole(config, kind, image_id, size) for image_id in image_ids])
        buffer = io.BytesIO()
        np.save(buffer, np.packbits(holes, axis=-1))
        with replacing(folder / f"{kind}.npy") as temporary:
            temporary.write_bytes(buffer.getvalue())


def read_bank(folder: Path, kind: str, count: int) -> np.ndarray:
    """The `count` holes of a kind, bool (count, H, W); InputError for any other number of them."""
    packed = read_arrays(folder / f"{kind}.npy")["array"]
    if len(packed) != count:
        raise InputError(f"{folder / kind}.npy: found {len(packed)} holes for {count} pictures; `dvc repro` makes it")
    return np.unpackbits(packed, axis=-1).astype(bool)


def check_hole(hole: np.ndarray, shape: tuple[int, int], name: str) -> np.ndarray:
    """A grey uint8 picture as a bool hole; InputError unless it is binary, of `shape` and neither all nor nothing."""
    if hole.shape != shape:
        found, wanted = (f"{width} x {height}" for height, width in (hole.shape, shape))
        raise InputError(f"{name}: the hole is {found} px, the picture {wanted}; accepted: equal sizes")
    values = np.unique(hole)
    if not set(values.tolist()) <= {0, 255}:
        raise InputError(
            f"{name}: the hole holds {len(values)} grey levels; accepted: 0 (known) and 255 (missing) alone"
        )
    if len(values) == 1:
        state = "missing" if values[0] else "known"
        raise InputError(f"{name}: every pixel is {state}; accepted: a hole with known and missing pixels")
    return hole > 0
