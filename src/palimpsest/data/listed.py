"""Datasets of photographs in packages: a list says which package holds each, its split, its author and its hash."""

import csv
import hashlib
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from palimpsest.config.yaml import InputError, Name, Settings, digest
from palimpsest.data import archives, bundles, debian
from palimpsest.data.sources import Source
from palimpsest.storage import read_json, replacing, write_json

LEFT_OUT = "left-out.json"  # in `raw`: photograph → why it is not there
LISTS = Path(__file__).parent / "lists"
INSIDE = " :: "  # between a bundle's path and a path inside it


class Listed(Settings):
    """A list of photographs."""

    terms: ClassVar[None] = None  # but each photograph's licence, which the NOTICE names
    rule: Literal["listed"]
    photographs: Name  # a list in palimpsest/data/lists
    buckets: Annotated[list[str], Field(min_length=1)] | None  # of the list's subjects; null = all
    packages: Literal["python", "debian"]
    minimum: PositiveInt  # photographs that must be as listed; others are left out

    def check(self, dataset: str, accepted: Collection[str]) -> None:
        """A list can fill a slot at any time."""

    def makes(self) -> set[str]:
        """The splits that there are."""
        return {photo.split for photo in photos(self)}

    def download(self, dataset: str, raw: Path, store: Path, mirror: str | None) -> str:
        """Fills `raw` with the photographs that are as listed, and returns their NOTICE.

        InputError where there are too few, with nothing in `raw`.
        """
        files, left_out = {}, {}
        for photo, file, why in found(self, store, mirror):
            if file is None:
                left_out[photo.name] = why
            else:
                files[photo.name] = file
        if len(files) < self.minimum:
            reasons = "; ".join(f"{count} {why}" for why, count in Counter(left_out.values()).items())
            raise InputError(
                f"dataset {dataset}: asked for {len(files) + len(left_out)} photographs, found {len(files)} as listed "
                f"({reasons}); accepted: {self.minimum} or more"
            )
        for name, file in files.items():
            with replacing(raw / name) as temporary:
                temporary.write_bytes(file)
        write_json(raw / LEFT_OUT, left_out)
        return notice(dataset, [photo for photo in photos(self) if photo.name in files])

    def source(self, dataset: str, raw: Path, store: Path, mirror: str | None) -> Source:
        """The photographs in `raw`."""
        there = [photo for photo in photos(self) if (raw / photo.name).is_file()]
        names = {split: [photo.name for photo in there if photo.split == split] for split in {p.split for p in there}}
        hashes = {photo.name: photo.sha256 for photo in photos(self)}
        return Source(
            names,
            lambda wanted: ((name, (raw / name).read_bytes()) for name in wanted),
            shared=False,
            order=[photo.name for photo in there],
            origin={"list": self.photographs, "sha256": digest(hashes), "buckets": self.buckets},
            left_out=Counter(read_json(raw / LEFT_OUT, dict).values()),
        )


@dataclass(frozen=True)
class Photo:
    """One row of a list."""

    name: str  # unique in the list
    package: str
    version: str
    path: str
    subject: str
    bucket: str
    group: str  # photographs of one subject, which are all in one split
    split: str
    licence: str
    credit: str
    sha256: str

    @property
    def file(self) -> str:
        """The path in the package: of the photograph, or of the bundle that holds it."""
        return self.path.partition(INSIDE)[0]


@cache
def _rows(name: str) -> list[Photo]:
    known = sorted(file.stem for file in LISTS.glob("*.csv"))
    if name not in known:
        raise InputError(f"asked for a list {name!r}; accepted: {', '.join(known)}")
    with (LISTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = [Photo(**row) for row in csv.DictReader(file)]
    split_of: dict[str, str] = {}
    for photo in rows:
        if split_of.setdefault(photo.group, photo.split) != photo.split:
            raise InputError(f"list {name}: group {photo.group} is in two splits; accepted: each group in one")
    return rows


def photos(entry: Listed) -> list[Photo]:
    """In the order of the list; InputError for an unknown list or bucket, or a group in two splits."""
    rows = _rows(entry.photographs)
    if entry.buckets is None:
        return rows
    known = sorted({photo.bucket for photo in rows})
    if strange := [bucket for bucket in entry.buckets if bucket not in known]:
        raise InputError(f"asked for bucket {strange[0]!r} of {entry.photographs}; accepted: {', '.join(known)}")
    return [photo for photo in rows if photo.bucket in entry.buckets]


def found(entry: Listed, store: Path, mirror: str | None) -> Iterator[tuple[Photo, bytes | None, str]]:
    """Each photograph with its file, or with None and the reason."""
    rows = photos(entry)
    for package in dict.fromkeys(photo.package for photo in rows):
        of_it = [photo for photo in rows if photo.package == package]
        try:
            files = _debian(of_it, store, mirror) if entry.packages == "debian" else _python(of_it)
        except InputError as error:
            print(error, file=sys.stderr, flush=True)
            yield from ((photo, None, f"of {package}, which was not found") for photo in of_it)
            continue
        for photo in of_it:
            file = files.get(photo.path)
            if file is None:
                yield photo, None, f"not in the {package} at hand"
            elif hashlib.sha256(file).hexdigest() != photo.sha256:
                yield photo, None, f"other than listed in the {package} at hand"
            else:
                yield photo, file, ""


def _python(rows: list[Photo]) -> dict[str, bytes]:
    """The files of an installed package; InputError if it is not installed."""
    name = rows[0].package
    try:
        package = distribution(name)
    except PackageNotFoundError as error:
        raise InputError(f"{name} {rows[0].version} is not installed; see requirements.txt") from error
    paths = {photo.path: Path(str(package.locate_file(photo.path))) for photo in rows}
    return {path: located.read_bytes() for path, located in paths.items() if located.is_file()}


def _debian(rows: list[Photo], store: Path, mirror: str | None) -> dict[str, bytes]:
    """The files of a Debian package, and those in its bundles; InputError if the package cannot be found."""
    package = debian.fetch(rows[0].package, rows[0].version, store, mirror)
    wanted: dict[str, set[str]] = {}
    for photo in rows:
        wanted.setdefault(photo.file, set()).add(photo.path)
    files = {}
    for name, contents in archives.stream(package, set(wanted)):
        if name in wanted[name]:
            files[name] = contents
        else:
            inside = {path.partition(INSIDE)[2] for path in wanted[name]}
            files |= {f"{name}{INSIDE}{path}": file for path, file in bundles.stream(contents, inside)}
    return files


def notice(dataset: str, rows: list[Photo]) -> str:
    """Author and licence of each photograph."""
    lines = [f"The photographs of {dataset} are the work of others, used under the licences named here.", ""]
    lines += [f"{p.name}: {p.credit}. {p.licence}. From {p.package} {p.version}, {p.path}." for p in rows]
    return "\n".join(lines) + "\n"
