"""Photographs → shards: decoded, resized and cut on all cores, written in order, continued where a killed run stopped.

Photographs are streamed, and never unpacked to disk. What became of each is one line of a journal, `<split>.jsonl`,
beside the growing `<split>.bin` in a scratch folder that belongs to exactly these inputs. The data report counts the
journals. Equal inputs give equal bytes, whatever the number of cores.
"""

import hashlib
import io
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from shutil import copyfile, rmtree
from typing import IO, Any, Self

import numpy as np
from tqdm import tqdm

from palimpsest.config.yaml import InputError
from palimpsest.data.crops import Crops
from palimpsest.data.pictures import UnfitError, decode, resized
from palimpsest.data.shards import Row, write_index
from palimpsest.data.sources import Source
from palimpsest.data.wanted import Wanted, spare_of_draws
from palimpsest.storage import naming, replacing

ORDER = ("test", "val", "train")  # a photograph that is in several is kept in the first of these
SECONDS = 5.0  # of work, at most, that a killed run loses
AHEAD = 4  # photographs in memory for each core
Key = tuple[str, int, int]


@dataclass
class Photograph:
    """What became of one photograph: its pictures, or why there are none."""

    name: str
    size: tuple[int, int] = (0, 0)  # px, width and height, upright
    pixels: str = ""  # sha256 of its pixels, upright and in RGB
    changes: list[str] = field(default_factory=list)
    pictures: list[tuple[str, int, int, str]] = field(default_factory=list)  # id, height, width, sha256 of the pixels
    why: str = ""

    @classmethod
    def read(cls, line: str) -> Self:
        return cls(**json.loads(line))

    @property
    def key(self) -> Key:
        """Equal for photographs of the same pixels."""
        return self.pixels, *self.size


class RejectedError(Exception):
    """A photograph that gives no picture; the text says why."""


def pack(config: Crops, source: Source, out: Path, scratch: Path) -> dict[str, "Journal"]:
    """Fills `out` with a shard for each split, and returns what became of every photograph.

    A photograph drawn to test or val that gives no picture is replaced by the next of its draw, which would be train;
    one of a `val` that shows pictures of `test`, by another of these. `scratch` may be removed afterwards.

    Raises InputError if a drawn split cannot have the number asked for, or another has no picture.
    """
    journals: dict[str, Journal] = {}
    spare, packed = spare_of_draws(source), set()
    for split in ORDER:
        if split not in source.splits:
            continue
        journal, names = Journal(scratch / f"{split}.jsonl"), source.splits[split]
        shown = split == "val" and source.shared
        if shown:
            usable = {photograph.name for photograph in journals["test"] if photograph.pictures}.difference(names)
            spare = dict.fromkeys(names, iter([name for name in source.order if name in usable]))
        wanted = Wanted([name for name in names if shown or name not in packed], spare, source.order)
        taken = {
            photograph.key: earlier.split
            for earlier in reversed([] if shown else list(journals.values()))
            for photograph in earlier
            if photograph.pictures
        }
        _pack_split(config, source, journal, wanted, taken)
        _check_count(journal, len(names) if source.draws and split != "train" and not shown else None)
        journals[split] = journal
        packed.update(wanted.names)
    for split, journal in journals.items():
        with replacing(out / f"{split}.bin") as temporary:
            _link(journal.shard, temporary)
        write_index(out / f"{split}.npy", Rows(journal))
    return journals


def _check_count(journal: "Journal", asked: int | None) -> None:
    """InputError unless a split has the number of photographs asked for, or any where none was asked for."""
    tried = used = 0
    reasons = set()
    for photograph in journal:
        tried, used = tried + 1, used + bool(photograph.pictures)
        reasons |= {photograph.why} - {""}
    if used < (asked or 1):
        wanted = f"{asked} photographs" if asked else "photographs"
        why = "; ".join(sorted(reasons)) or "all that were drawn took the places of others in test and val"
        raise InputError(
            f"{journal.split}: asked for {wanted} that can be used, found {used or 'none'} among {tried} ({why}); "
            f"accepted: other photographs or a smaller count"
        )


def remove_all_but(scratch: Path) -> None:
    """Removes the unfinished work of other settings or inputs beside `scratch`."""
    for other in scratch.parent.iterdir() if scratch.parent.is_dir() else ():
        if other != scratch:
            remove(other)


def remove(scratch: Path) -> None:
    rmtree(scratch, ignore_errors=True)


class Journal:
    """One line for each photograph, in the order of its split; it can be read any number of times."""

    def __init__(self, path: Path):
        self.path, self.split, self.shard = path, path.stem, path.with_suffix(".bin")

    def __iter__(self) -> Iterator[Photograph]:
        if self.path.exists():
            with self.path.open(encoding="utf-8") as file:
                yield from map(Photograph.read, file)

    def recover(self, wanted: Wanted) -> int:
        """Cuts off what a killed run left unfinished or damaged; returns how many photographs are done."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self.shard.touch()
        done, lines, offset, room = 0, 0, 0, self.shard.stat().st_size
        with self.path.open("rb") as file:
            for line, name in zip(file, wanted, strict=False):
                try:
                    photograph = Photograph.read(line)
                    end = offset + sum(3 * height * width for _, height, width, _ in photograph.pictures)
                except (ValueError, TypeError):
                    break
                if photograph.name != name or not line.endswith(b"\n") or end > room:
                    break
                done, lines, offset = done + 1, lines + len(line), end
                if not photograph.pictures:
                    wanted.replace(name)
        os.truncate(self.path, lines)
        os.truncate(self.shard, offset)
        return done


@dataclass(frozen=True)
class Rows:
    """The rows of a shard's index, out of its journal."""

    journal: Journal

    def __iter__(self) -> Iterator[Row]:
        offset = 0
        for photograph in self.journal:
            for name, height, width, digest in photograph.pictures:
                yield name, photograph.name, height, width, offset, digest
                offset += 3 * height * width


def _pack_split(config: Crops, source: Source, journal: Journal, wanted: Wanted, taken: dict[Key, str]) -> None:
    identify = source.ids(journal.split)
    done = journal.recover(wanted)
    whole = journal.split == "train"
    saved, lines = time.monotonic(), []
    cores = len(os.sched_getaffinity(0))
    with (
        naming(journal.shard),
        journal.shard.open("ab") as pixels,
        journal.path.open("a", encoding="utf-8") as written,
        ThreadPoolExecutor(cores) as pool,
        tqdm(total=len(wanted.names), initial=done, desc=journal.split, unit="photo", disable=None) as bar,
    ):

        def save() -> None:
            _settle(pixels)
            written.write("".join(lines))
            lines.clear()
            _settle(written)

        while done < len(wanted.names) or wanted.fill_up():
            bar.total = len(wanted.names)
            files = source.stream(wanted.names[done:])
            jobs = (partial(_prepare, name, file, identify(name), config, whole) for name, file in files)
            for photograph, pictures in _in_order(pool, jobs, AHEAD * cores):
                if photograph.key in taken:
                    photograph.why, photograph.pictures = f"the same pixels as one of {taken[photograph.key]}", []
                for picture in pictures if photograph.pictures else []:
                    pixels.write(picture)
                if not photograph.pictures:
                    wanted.replace(photograph.name)
                lines.append(json.dumps(asdict(photograph), ensure_ascii=False) + "\n")
                if time.monotonic() - saved > SECONDS:
                    save()
                    saved = time.monotonic()
                done += 1
                bar.update()
        save()


def _settle(file: IO) -> None:
    """Brings what was written to the disk, before anything that is written later."""
    file.flush()
    os.fsync(file.fileno())


def _in_order(pool: ThreadPoolExecutor, jobs: Iterable[Callable[[], Any]], ahead: int) -> Iterator[Any]:
    """What the jobs return, in their order; at most `ahead` of them are started early."""
    begun: deque[Future] = deque()
    for job in jobs:
        begun.append(pool.submit(job))
        if len(begun) >= ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def _prepare(name: str, file: bytes, picture_id: str, config: Crops, whole: bool) -> tuple[Photograph, list[bytes]]:
    """A photograph's pictures as bytes: all of it if `whole`, else what is cut out of it."""
    photograph = Photograph(name)
    try:
        pixels = _decode(file, photograph)
        height, width = pixels.shape[:2]
        photograph.size = width, height
        scaled = _scaled(pixels, config, photograph)
    except RejectedError as error:
        photograph.why = str(error)
        return photograph, []
    photograph.pixels = hashlib.sha256(pixels).hexdigest()
    pictures = []
    for part, picture in [(picture_id, scaled)] if whole else cut(scaled, config, picture_id):
        pictures.append(picture.tobytes())
        digest = photograph.pixels if picture is pixels else hashlib.sha256(pictures[-1]).hexdigest()
        photograph.pictures.append((part, *picture.shape[:2], digest))
    return photograph, pictures


def _decode(file: bytes, photograph: Photograph) -> np.ndarray:
    """Upright 8-bit RGB, uint8 (H, W, 3); notes what had to be changed."""
    try:
        picture = decode(io.BytesIO(file))
    except UnfitError as error:
        raise RejectedError(str(error)) from error
    if picture.transparent:
        raise RejectedError("transparent pixels")
    photograph.changes += picture.changes
    return picture.pixels


def _scaled(picture: np.ndarray, config: Crops, photograph: Photograph) -> np.ndarray:
    """At the scale of the slot."""
    height, width = picture.shape[:2]
    short = config.size if config.scale is None else config.scale
    least = (short, short) if isinstance(short, int) else tuple(short)
    small = height < least[0] or width < least[1]
    if small and config.small == "reject":
        raise RejectedError(f"smaller than {least[1]} x {least[0]} px")
    photograph.changes += ["enlarged"] * small
    if config.scale is None and not small:
        return picture
    if isinstance(short, int):
        factor = short / min(height, width)
        least = max(short, round(height * factor)), max(short, round(width * factor))
    return resized(picture, *least, config.resize)


def cut(picture: np.ndarray, config: Crops, picture_id: str) -> Iterator[tuple[str, np.ndarray]]:
    """(id, square): every tile of the largest centred grid, the centre, or a place that depends only on the id."""
    height, width = picture.shape[:2]
    size = config.size
    match config.crop:
        case "tiles":
            for top in range(height % size // 2, height - size + 1, size):
                for left in range(width % size // 2, width - size + 1, size):
                    yield f"{picture_id}-{top}-{left}", picture[top : top + size, left : left + size]
        case "centre":
            top, left = (height - size) // 2, (width - size) // 2
            yield picture_id, picture[top : top + size, left : left + size]
        case "random":
            draw = np.random.default_rng(list(hashlib.sha256(picture_id.encode()).digest()))
            top, left = (int(draw.integers(side - size + 1)) for side in (height, width))
            yield picture_id, picture[top : top + size, left : left + size]


def _link(shard: Path, target: Path) -> None:
    """A hard link to a file, or a copy if the file system has no links: a killed run still finds the file."""
    try:
        os.link(shard, target)
    except OSError:
        copyfile(shard, target)
