"""A person's folders of files: links are followed, and pictures of several folders are paired by their names."""

import os
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NoReturn

from palimpsest.config.words import number_of
from palimpsest.config.yaml import InputError
from palimpsest.data.pictures import ENDINGS, is_picture

ACCEPTED = "a picture by its ending, such as .png, .jpg, .tif or .webp"
FEW = 100  # names, among which a prefix or suffix is looked for


def normal(name: str) -> str:
    """A name in the Unicode form in which names are compared: macOS writes another one than Linux and Windows."""
    return unicodedata.normalize("NFC", name)


def files_below(folder: Path) -> list[tuple[str, Path]]:
    """(path below the folder, path) of all that is no folder, in the order of their paths.

    Links are followed, and each folder is visited once: under its own name where it lies below `folder`. A link to a
    folder above that one is passed over.
    """
    found, visited, starts = [], set(folder.resolve().parents), deque([folder])
    while starts:
        for place, folders, names in os.walk(starts.popleft(), onerror=_fail):
            here = Path(place)
            if (real := here.resolve()) in visited:
                folders.clear()
                continue
            visited.add(real)
            folders.sort()
            starts += [here / name for name in folders if (here / name).is_symlink()]
            found += [((here / name).relative_to(folder).as_posix(), here / name) for name in names]
    return sorted(found)


def _fail(error: OSError) -> NoReturn:
    raise error


@dataclass(frozen=True)
class Pattern:
    """How files are named after their pictures: with `{name}_fake`, a_fake.jpg is a's, in whatever folder.

    A pattern with `/` is that of the path below the folder, one with an ending asks for that ending.
    """

    text: str

    def __post_init__(self):
        if self.text.count("{name}") != 1:
            raise InputError(f"asked for files named {self.text!r}; accepted: {{name}} once, as in {{name}}_fake")

    def name(self, file: str) -> str | None:
        """The picture that a file belongs to, by its path below the folder."""
        path, text = (PurePosixPath(normal(each)) for each in (file, self.text))
        path = path if text.suffix.lower() in ENDINGS else path.with_suffix("")
        before, after = map(re.escape, str(text).split("{name}"))
        whole = len(text.parts) > 1
        found = re.fullmatch(f"{before}(.+){after}", str(path) if whole else path.name, re.DOTALL)
        return found and (found[1] if whole else str(path.parent / found[1]))


NAME = Pattern("{name}")


@dataclass(frozen=True)
class Pictures:
    """The pictures of a folder and below it, by name."""

    folder: Path
    pattern: Pattern
    files: dict[str, list[Path]]  # name → pictures that bear it, which should be one
    others: dict[str, Path]  # name → a file that bears it and is no picture by its ending

    def one(self, name: str) -> Path:
        """The picture of a name; InputError unless there is exactly one."""
        paths = self.files.get(name, [])
        if len(paths) == 1:
            return paths[0]
        found = " and ".join(path.name for path in paths) or "none"
        if not paths and name in self.others:
            found = f"{self.others[name].name}; accepted: {ACCEPTED}"
        raise InputError(f"{self.folder / name}: asked for one picture of this name, found {found}")

    def without(self, others: Iterable["Pictures"]) -> "Pictures":
        """The pictures that fit no longer pattern of others."""
        longer = (other.files for other in others if len(other.pattern.text) > len(self.pattern.text))
        taken = {path for files in longer for paths in files.values() for path in paths}
        kept = {name: [path for path in paths if path not in taken] for name, paths in self.files.items()}
        return replace(self, files={name: paths for name, paths in kept.items() if paths})


def pictures_below(folder: Path, pattern: Pattern) -> Pictures:
    """The pictures of a folder whose names fit a pattern; InputError where there is none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: asked for a folder of pictures, found none")
    files: dict[str, list[Path]] = {}
    others: dict[str, Path] = {}
    unfit = []
    for below, path in files_below(folder):
        name = pattern.name(below)
        if name and is_picture(below):
            files.setdefault(name, []).append(path)
        elif not path.name.startswith("."):
            unfit.append(below)
            others.setdefault(name or below, path)
    if not files:
        found = f"{number_of(len(unfit), 'other file')}, such as {unfit[0]!r}" if unfit else "nothing"
        named = "" if pattern == NAME else f" with names like {pattern.text}"
        raise InputError(f"{folder}: asked for pictures{named}, found {found}; accepted: {ACCEPTED}")
    return Pictures(folder, pattern, files, others)


def pair(folders: dict[str, tuple[Path, Pattern]]) -> tuple[dict[str, Pictures], list[str]]:
    """The pictures of each folder, and all their names, sorted; InputError where no name is in all folders.

    Where a folder plays two parts, what fits the longer pattern is not in the other part.
    """
    found = {part: pictures_below(*each) for part, each in folders.items()}
    found = {part: pictures.without(found.values()) for part, pictures in found.items()}
    if not set.intersection(*(set(pictures.files) for pictures in found.values())):
        raise InputError(_nothing_pairs(found))
    return found, sorted(set().union(*(pictures.files for pictures in found.values())))


def _nothing_pairs(found: dict[str, Pictures]) -> str:
    """What the names are, and how they may be made to fit."""
    shown = ", ".join(f"{min(each.files, default='')!r} in {each.folder}" for each in found.values())
    accepted = better_pattern(found) or "the same path below each folder, whatever its ending, or --pattern"
    return f"asked for pictures of the same names, found {shown}; accepted: {accepted}"


def better_pattern(found: dict[str, Pictures]) -> str:
    """The option that pairs most of the names that are not in all folders; "" where none pairs any."""
    paired = set.intersection(*(set(pictures.files) for pictures in found.values()))
    names = {part: sorted(pictures.files.keys() - paired)[:FEW] for part, pictures in found.items()}
    others = [part for part in names if part != "images"]
    pairs = [("images", other) for other in others] + [(other, "images") for other in others]
    fitting = {
        f"--pattern {part}={found[part].pattern.text.replace('{name}', pattern)!r}": sum(
            pattern.replace("{name}", each) in names[part] for each in names[shorter]
        )
        for shorter, part in pairs
        for name in sorted(names[shorter], key=len, reverse=True)
        for longer in names[part]
        for pattern in _patterns(longer, name)
    }
    return max(fitting, key=fitting.get, default="")


def _patterns(file: str, name: str) -> Iterator[str]:
    """How a file may be named after a picture whose name is in its own."""
    for found in re.finditer(re.escape(name), file):
        if found[0] != file:
            yield f"{file[: found.start()]}{{name}}{file[found.end() :]}"
