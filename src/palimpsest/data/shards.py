"""Packed pictures: a shard holds those of one split, in two files.

`<split>.bin` is the uint8 RGB pixels of all pictures, one after another. `<split>.npy` is the index: a structured array
with id, photo, height, width, offset in bytes and sha256 of the pixels of each. Both are mapped from disk, so a shard
of millions of pictures takes no memory.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from palimpsest.config.yaml import InputError
from palimpsest.storage import replacing, sha256

SPLITS = ("train", "val", "test")

UNREADABLE = (OSError, ValueError, EOFError, IndexError, TypeError)  # of a shard

Row = tuple[str, str, int, int, int, str]  # id, photo, height, width, offset in bytes, sha256 of the pixels


def write_index(path: Path, rows: Iterable[Row]) -> None:
    """Writes the index of a shard in constant memory, reading `rows` twice; InputError if there are none."""
    count, longest = 0, [0, 0]
    for name, photo, *_ in rows:
        count, longest = count + 1, [max(longest[0], len(name.encode())), max(longest[1], len(photo.encode()))]
    if not count:
        raise InputError(f"{path}: the split holds no pictures; accepted: one or more")
    texts = [("id", f"S{longest[0]}"), ("photo", f"S{longest[1]}")]
    kind = np.dtype([*texts, ("height", "<u4"), ("width", "<u4"), ("offset", "<u8"), ("sha256", "S64")])
    head = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (count,)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        for name, photo, height, width, offset, digest in rows:
            row = name.encode(), photo.encode(), height, width, offset, digest.encode()
            file.write(np.array(row, kind).tobytes())


class Shard:
    """The pictures of one split, mapped from disk: `shard[i]` is uint8 (H, W, 3)."""

    def __init__(self, stem: Path | str):
        self.stem = Path(stem)
        try:
            self.index = _read_index(self.stem)
            self.pixels = np.memmap(self.stem.with_suffix(".bin"), np.uint8, "r")
            wanted = int((self.index["offset"] + 3 * self._areas).max())
        except UNREADABLE as error:
            raise InputError(f"{self.stem}: no readable shard ({error}); `dvc repro` makes it") from error
        if len(self.pixels) != wanted:
            raise InputError(f"{self.stem}.bin: found {len(self.pixels)} bytes, its index expects {wanted}")

    def __reduce__(self):
        """Sends the path alone: a process that prepares batches maps the files itself."""
        return Shard, (self.stem,)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> np.ndarray:
        row = self.index[number]
        height, width, offset = int(row["height"]), int(row["width"]), int(row["offset"])
        return self.pixels[offset : offset + 3 * height * width].reshape(height, width, 3)

    @property
    def _areas(self) -> np.ndarray:
        return self.index["height"].astype(np.uint64) * self.index["width"]

    @property
    def ids(self) -> list[str]:
        return _texts(self.index, "id")

    @property
    def photos(self) -> list[str]:
        """For each picture, the photograph that it is cut from."""
        return _texts(self.index, "photo")

    @property
    def size(self) -> int:
        """px, the side of the square pictures of `val` and `test`."""
        return int(self.index["height"][0])

    @property
    def fingerprint(self) -> str:
        """sha256 of the index, which holds a hash of every picture."""
        return sha256(self.stem.with_suffix(".npy"))


def read_photos(stem: Path) -> list[str]:
    """For each picture of a shard the photograph that it is cut from, by its index alone."""
    try:
        return _texts(_read_index(stem), "photo")
    except UNREADABLE as error:
        raise InputError(f"{stem}.npy: no readable index of a shard ({error}); `dvc repro` makes it") from error


def _read_index(stem: Path) -> np.ndarray:
    return np.load(stem.with_suffix(".npy"), "r", allow_pickle=False)


def _texts(index: np.ndarray, column: str) -> list[str]:
    return [text.decode() for text in index[column].tolist()]


def spread(length: int, count: int) -> np.ndarray:
    """`count` indices spread evenly over `length`, or all of them."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int))
