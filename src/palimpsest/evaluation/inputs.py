"""Anyone's pictures and holes, for `inpaint` and `score`: paired by name, read, and what there is to say of them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Self

import numpy as np
from tqdm import tqdm

from palimpsest.config.words import number_of, some_of
from palimpsest.config.yaml import InputError
from palimpsest.data.folders import NAME, Pattern, Pictures, better_pattern, pair
from palimpsest.data.pictures import read_picture, size_of
from palimpsest.holes.files import Hole, Reading

IMAGES, HOLES = "images", "holes"  # parts; whatever others there are hold pictures too


@dataclass(frozen=True)
class Item:
    """All that lies under one name."""

    name: str
    pictures: dict[str, np.ndarray]  # part → uint8 (H, W, 3), of one size
    hole: np.ndarray  # bool (H, W)


@dataclass
class Inputs:
    """The files of several parts, such as `images` and `holes`; what is read is counted."""

    parts: dict[str, Pictures]
    names: list[str]
    reading: Reading
    left_out: dict[str, str] = field(default_factory=dict)  # name → why it could not be used
    changes: dict[str, Counter[str]] = field(default_factory=dict)  # part → what was converted of how many pictures
    ratios: dict[str, float] = field(default_factory=dict)  # name → hole ratio
    painted: list[str] = field(default_factory=list)  # names whose holes were taken from alpha, which nobody named
    soft: list[float] = field(default_factory=list)  # shares of grey pixels, of holes that have some

    @classmethod
    def of_folders(cls, folders: dict[str, tuple[Path, Pattern]], reading: Reading) -> Self:
        """Folders whose files are paired by name; InputError where they hold no two of one name."""
        return cls(*pair(folders), reading)

    @classmethod
    def of_files(cls, files: dict[str, Path], reading: Reading) -> Self:
        """One file for each part."""
        name = files[IMAGES].stem
        return cls({p: Pictures(path.parent, NAME, {name: [path]}, {}) for p, path in files.items()}, [name], reading)

    def read(self) -> Iterator[Item]:
        """Every name whose files are there and can be read; `left_out` says why the others are not."""
        for name in tqdm(self.names, unit="picture", disable=None):
            if not name.isprintable():
                self.left_out[ascii(name)] = "its name cannot be printed; accepted: names in UTF-8"
                continue
            try:
                yield self._item(name)
            except InputError as error:
                self.left_out[name] = str(error)

    def _item(self, name: str) -> Item:
        paths = {part: pictures.one(name) for part, pictures in self.parts.items()}
        hole_path = paths.pop(HOLES)
        found = {part: read_picture(path) for part, path in paths.items()}
        pixels = {part: picture.pixels for part, picture in found.items()}
        if len({each.shape for each in pixels.values()}) > 1:
            sizes = " and ".join(f"{each.shape[1]} x {each.shape[0]}" for each in pixels.values())
            raise InputError(f"{name}: {' and '.join(pixels)} are {sizes} px; accepted: equal sizes")
        hole = self.reading.read(hole_path, next(iter(pixels.values())).shape[:2])
        for part, picture in found.items():
            transparent = ["transparent, in the colours that they store"] if picture.transparent else []
            self.changes.setdefault(part, Counter()).update(picture.changes + transparent)
        self._count(name, hole)
        return Item(name, pixels, hole.missing)

    def _count(self, name: str, hole: Hole) -> None:
        self.ratios[name] = float(hole.missing.mean())
        if hole.painted:
            self.painted.append(name)
        if hole.soft:
            self.soft.append(hole.soft)

    def notes(self) -> list[str]:
        """How much is missing, and what was converted: a line each."""
        if not self.ratios:
            return []
        ratios, invert = list(self.ratios.values()), self.reading.invert
        mean, count = np.mean(ratios), len(ratios)
        several = f" on average of {count} pictures, from {min(ratios):.1%} to {max(ratios):.1%}"
        doubt = "; without --invert if white is missing" if invert else "; --invert if black is missing"
        lines = [f"holes: {mean:.1%} missing{several if count > 1 else ''}{doubt if mean > 0.5 else ''}"]
        if mean <= 0.5 and (large := sorted(name for name, ratio in self.ratios.items() if ratio > 0.5)):
            remedy = "if these masks are inverted, save them like the others"
            lines.append(f"holes: more than half is missing in the masks of {some_of(large)}; {remedy}")
        if self.painted:
            taken = "transparent; without --invert, what is opaque" if invert else "opaque; with --invert, what is not"
            lines.append(f"holes: missing in the masks of {some_of(sorted(self.painted))} is what is {taken}")
        if self.soft:
            grey = f"{np.mean(self.soft):.1%} of their pixels are neither black nor white, and count as the nearer one"
            lines.append(f"holes: soft masks, {len(self.soft)} of {count}: {grey}")
        for part, changes in self.changes.items():
            if changes:
                found = ", ".join(f"{change} ({number})" for change, number in changes.items())
                lines.append(f"{part}: {found}; read as upright 8-bit RGB")
        return lines

    def advice(self) -> str:
        """The option that would pair names that have no partner; "" where there is none."""
        return better_pattern(self.parts)

    def by_size(self) -> Self:
        """The same, with pictures of one size behind each other."""
        images = self.parts[IMAGES].files
        return replace(
            self, names=sorted(self.names, key=lambda name: [size_of(path) for path in images.get(name, [])])
        )


def refuse_left_out(left_out: dict[str, str], done: int, how: str, advice: str = "") -> None:
    """InputError with the reasons, in the order of names, and what may help, where something was left out."""
    if len(left_out) == 1 and not done:
        raise InputError(*left_out.values())
    if left_out:
        reasons = [f"  {name}: {why}" for name, why in sorted(left_out.items())]
        head = f"{how} {number_of(done, 'picture')}, left out {len(left_out)}:"
        raise InputError("\n".join([head, *reasons, *[f"{advice} pairs some of these"] * bool(advice)]))


def batches(items: Iterable[Item], pixels: int) -> Iterator[list[Item]]:
    """Neighbours of equal size, at most so many pixels at once, but one picture at least."""
    for (height, width), alike in groupby(items, lambda item: item.hole.shape):
        while batch := list(islice(alike, max(1, pixels // (height * width)))):
            yield batch
