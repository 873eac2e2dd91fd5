"""Pictures as the pipeline reads them: single files, packed shards, and the crops drawn from them.

A shard is `<split>.bin`, the uint8 RGB pixels of all its pictures one after another, and `<split>.npy`, its index: a
structured array with id, photo, height, width, offset in bytes and sha256 of the pixels for each. Both are mapped from
disk, so that a shard of millions of pictures takes no memory.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import Field, PositiveInt, model_validator

from palimpsest.config import InputError, Settings
from palimpsest.storage import replacing, sha256

SPLITS = ("train", "val", "test")
Sides = Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]  # px, height and width


class Config(Settings):
    """One slot of a profile's `data`: which photographs, and how they become pictures."""

    dataset: str  # a section of `datasets`
    scale: PositiveInt | Sides | None  # px of the short side, or [height, width] of every photograph; null = as it is
    size: PositiveInt  # px, side of a training crop and of a test picture; a multiple of 8
    resize: Literal["box", "bilinear", "hamming", "bicubic", "lanczos", "opencv-bilinear"]  # all but it average
    small: Literal["enlarge", "reject"]  # photographs that are smaller than that
    crop: Literal["tiles", "centre", "random"]  # of val and test: all that fit, or one a photograph

    @model_validator(mode="after")
    def _fits(self) -> Self:
        least = self.size if self.scale is None else min(np.atleast_1d(self.scale))
        if self.size % 8 or self.size > least:
            raise ValueError(f"size {self.size} px; accepted: a multiple of 8, at most scale {self.scale} px")
        return self


def read_picture(path: Path | str) -> np.ndarray:
    """An 8-bit RGB picture as uint8 (H, W, 3), upright as its EXIF tag says; InputError for any other file."""
    return _read(path, {"RGB"}, "an 8-bit RGB picture")


def read_hole(path: Path | str) -> np.ndarray:
    """An 8-bit grey or black-and-white picture as uint8 (H, W); InputError for any other file."""
    hole = _read(path, {"L", "1"}, "a hole, an 8-bit grey picture")
    return hole.astype(np.uint8) * 255 if hole.dtype == bool else hole


def is_deep(picture: Image.Image) -> bool:
    """Whether a file holds 16 bits a channel, of which Pillow would read the upper 8."""
    for tile in picture.tile:
        kind, *more = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if "16" in str(kind) or (tile.codec_name == "ppm" and more[0] > 255):
            return True
    return False


def _read(path: Path | str, modes: set[str], wanted: str) -> np.ndarray:
    names = {"L": "grey", "RGB": "RGB", "RGBA": "RGB with transparency", "P": "palette", "1": "black-and-white"}
    try:
        with Image.open(path) as picture:
            if picture.mode not in modes:
                found = names.get(picture.mode, "16-bit grey" if picture.mode.startswith("I") else picture.mode)
                raise InputError(f"{path}: asked for {wanted}, found a {found} picture")
            if is_deep(picture):
                raise InputError(f"{path}: asked for {wanted}, found one of 16 bits a channel")
            return np.array(ImageOps.exif_transpose(picture))
    except FileNotFoundError as error:
        raise InputError(f"{path}: asked for {wanted}, found no such file") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: asked for {wanted}, found a file that is no picture") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: asked for {wanted}, found one that is cut short or damaged ({error})") from error


def resized(picture: np.ndarray, height: int, width: int, resize: str) -> np.ndarray:
    """uint8 (height, width, 3)."""
    if picture.shape[:2] == (height, width):
        return picture
    if resize == "opencv-bilinear":
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling[resize.upper()]))


Row = tuple[str, str, int, int, int, str]  # id, photo, height, width, offset in bytes, sha256 of the pixels


def write_index(path: Path, rows: Iterable[Row]) -> None:
    """The index of a shard, in constant memory: `rows` are gone through twice. InputError when there are none."""
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


def write_shard(stem: Path, pictures: Iterable[tuple[str, str, np.ndarray]]) -> None:
    """Writes (id, photo, uint8 (H, W, 3)) one after another; InputError when there are none."""
    rows: list[Row] = []
    with replacing(stem.with_suffix(".bin")) as temporary:
        with temporary.open("wb") as file:
            for name, photo, picture in pictures:
                pixels = np.ascontiguousarray(picture).tobytes()
                rows.append((name, photo, *picture.shape[:2], file.tell(), hashlib.sha256(pixels).hexdigest()))
                file.write(pixels)
        write_index(stem.with_suffix(".npy"), rows)


class Shard:
    """The pictures of one split, mapped from disk: `shard[i]` is uint8 (H, W, 3)."""

    def __init__(self, stem: Path | str):
        self.stem = Path(stem)
        path = self.stem.with_suffix(".npy")
        try:
            self.index = np.load(path, "r", allow_pickle=False)
            self.pixels = np.memmap(self.stem.with_suffix(".bin"), np.uint8, "r")
            wanted = int((self.index["offset"] + 3 * self._areas).max())
        except (OSError, ValueError, EOFError, IndexError, TypeError) as error:
            raise InputError(f"{self.stem}: no readable shard ({error}); `dvc repro` makes it") from error
        if len(self.pixels) != wanted:
            raise InputError(f"{self.stem}.bin: found {len(self.pixels)} bytes, its index expects {wanted}")

    def __reduce__(self):
        """A process that prepares batches maps the files itself."""
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
        return [name.decode() for name in self.index["id"].tolist()]

    @property
    def photos(self) -> list[str]:
        """Of each picture, the photograph that it shows a part of."""
        return [name.decode() for name in self.index["photo"].tolist()]

    @property
    def size(self) -> int:
        """px, the side of the square pictures of `val` and `test`."""
        return int(self.index["height"][0])

    @property
    def fingerprint(self) -> str:
        """sha256 of the index, and so of every pixel."""
        return sha256(self.stem.with_suffix(".npy"))


def spread(length: int, count: int) -> np.ndarray:
    """`count` indices spread evenly over `length`, or all of them."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int))


def random_crop(shard: Shard, number: int, crops: Config, augment: Sequence[str], seed: int) -> np.ndarray:
    """The training crop with this running number, uint8 (size, size, 3): a function of (seed, number) alone.

    Every epoch shows each picture once, in an order of its own. `augment` names what else happens to a crop: `resize`
    shrinks a square of any side that the picture holds, `flip` mirrors half of them, `recolour` gives each colours of
    its own.
    """
    epoch, place = divmod(number, len(shard))
    index = _order(len(shard), seed, epoch)[place]
    draw = np.random.default_rng([seed, 1, number])
    picture = shard[index]
    side = draw.integers(crops.size, min(picture.shape[:2]) + 1) if "resize" in augment else crops.size
    top, left = (draw.integers(length - side + 1) for length in picture.shape[:2])
    crop = resized(picture[top : top + side, left : left + side], crops.size, crops.size, crops.resize)
    if "flip" in augment and draw.random() < 0.5:
        crop = cv2.flip(crop, 1)  # twenty times as fast as a copy of crop[:, ::-1]
    return recolour(crop, draw) if "recolour" in augment else crop


@lru_cache(maxsize=2)
def _order(length: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, 0, epoch]).permutation(length)


def recolour(crop: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Channels in random order, half of the crops inverted, each channel squeezed into half or more of its range.

    No paper's: it makes up for a handful of training photographs, whose colours a network would learn by heart.
    """
    crop = crop[..., draw.permutation(3)].astype(np.float32)
    if draw.random() < 0.5:
        crop = 255 - crop
    gain = draw.uniform(0.5, 1, 3)
    return np.rint(crop * gain + 255 * draw.uniform(0, 1 - gain)).astype(np.uint8)
