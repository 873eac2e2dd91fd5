"""The fixed holes of a test set, as files.

Each kind has a bank, `<kind>.npz`: the holes in the order of the test pictures, bit-packed (N, H, ⌈W / 8⌉), and W.
`index.json` tells for each bank how many holes it has, the hash of the packed bytes, and the mean, smallest and largest
hole ratio.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from palimpsest.config.yaml import InputError
from palimpsest.holes.kinds import Holes, fixed_hole
from palimpsest.storage import read_arrays, read_json, replacing, write_json


def write_bank(config: Holes, image_ids: Sequence[str], size: int, folder: Path) -> None:
    """Draws a hole of each kind for each test picture, writes them, and removes banks of other kinds from the folder.

    Raises InputError, and writes nothing, if a hole covers all or nothing of a picture.
    """
    banks = {kind: _drawn(config, kind, image_ids, size) for kind in config.names}
    index: dict[str, dict[str, Any]] = {}
    for kind, packed in banks.items():
        ratios = Bank(packed, size).ratios
        with replacing(folder / f"{kind}.npz") as temporary:
            np.savez_compressed(temporary, holes=packed, width=size)
        index[kind] = {
            "count": len(packed),
            "sha256": hashlib.sha256(packed.tobytes()).hexdigest(),
            "mean": round(float(ratios.mean()), 6),
            "min": round(float(ratios.min()), 6),
            "max": round(float(ratios.max()), 6),
        }
    for path in folder.glob("*.npz"):
        if path.stem not in index:
            path.unlink()
    write_json(folder / "index.json", index)


def read_index(folder: Path) -> dict[str, dict[str, Any]]:
    """What is known of each bank in a folder, by the kind of hole."""
    return read_json(folder / "index.json", dict)


def _drawn(config: Holes, kind: str, image_ids: Sequence[str], size: int) -> np.ndarray:
    """The holes of one kind, bit-packed."""
    packed = []
    for image_id in image_ids:
        hole = fixed_hole(config, kind, image_id, size)
        if hole.all() or not hole.any():
            state = "missing" if hole.all() else "known"
            raise InputError(f"holes.kinds.{kind}: every pixel of {image_id} is {state}; accepted: holes with both")
        packed.append(np.packbits(hole, axis=-1))
    return np.stack(packed)


@dataclass(frozen=True)
class Bank:
    """The holes of one kind, unpacked when they are read: `bank[places]` is bool (…, H, W)."""

    packed: np.ndarray  # uint8 (N, H, ⌈W / 8⌉)
    width: int  # px

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, places: int | slice | np.ndarray) -> np.ndarray:
        return np.unpackbits(self.packed[places], axis=-1, count=self.width).view(bool)

    @property
    def ratios(self) -> np.ndarray:
        """Of each hole, (N,)."""
        return np.bitwise_count(self.packed).sum((1, 2), np.int64) / (self.packed.shape[1] * self.width)


def read_bank(folder: Path, kind: str, count: int) -> Bank:
    """The holes of a kind; InputError unless there are `count` of them."""
    path = folder / f"{kind}.npz"
    arrays = read_arrays(path)
    if set(arrays) != {"holes", "width"}:
        raise InputError(f"{path}: asked for holes and their width, found {', '.join(arrays)}; `dvc repro` makes it")
    if len(arrays["holes"]) != count:
        raise InputError(f"{path}: found {len(arrays['holes'])} holes for {count} pictures; `dvc repro` makes it")
    return Bank(arrays["holes"], int(arrays["width"]))
