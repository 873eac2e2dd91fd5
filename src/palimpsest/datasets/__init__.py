"""Where photographs come from: the sections of `datasets`, what is fetched of each, and how it becomes shards.

`download` leaves in a slot's `raw` the photographs of a list, or, for archives and folders, which stay where they lie,
`archives.json`: name, size and hash of each. `split` reads either.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from palimpsest import archives, fetching, sources
from palimpsest.config import InputError, Name, Settings, Tree, digest
from palimpsest.data import Config
from palimpsest.datasets import account, listed, packing, splits
from palimpsest.datasets.listed import Listed
from palimpsest.storage import read_json, replacing, write_json

RECORD, LEFT_OUT = "archives.json", "left-out.json"  # in `raw`
FileName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][\w.+~%-]*$")
]  # in the folder of archives, and no folder of its own


class Terms(Settings):
    """Archives that are downloaded, or that a person places, under terms to be accepted once."""

    terms: str
    accept_terms: bool
    archives: Annotated[dict[FileName, fetching.Remote], Field(min_length=1)]


class Archived(Terms, splits.Found):
    """Pictures inside archives."""

    rule: Literal["archived"]


class Unpacked(Terms):
    """An archive of something else than photographs, such as masks, that a person fetches to use as a folder."""

    rule: Literal["unpacked"]
    archives: Annotated[dict[FileName, fetching.Remote], Field(min_length=1, max_length=1)]


class Folder(splits.Found):
    """A person's own pictures: all in a folder and below it."""

    rule: Literal["own"]
    folder: str


class Slot(Settings):
    """What fills a slot of the profile's data."""

    dataset: Name
    entry: Annotated[Listed | Archived | Folder, Field(discriminator="rule")]


Dataset = Annotated[Listed | Archived | Folder | Unpacked, Field(discriminator="rule")]


class Sections(Settings):
    """The part of params.yaml that says where photographs come from."""

    datasets: dict[Name, Dataset]


def slot(datasets: Mapping[str, Dataset], name: str) -> Slot:
    """A slot that is filled with a dataset; InputError where it is not to be had, or not yet."""
    if name not in datasets:
        raise InputError(f"asked for dataset {name!r}; accepted: {', '.join(datasets)}")
    entry = datasets[name]
    if isinstance(entry, Unpacked):
        raise InputError(f"dataset {name} holds no photographs; `python -m palimpsest fetch {name} --out FOLDER`")
    if isinstance(entry, Archived):
        check_terms(name, entry)
    if isinstance(entry, Folder) and not Path(entry.folder).expanduser().is_dir():
        raise InputError(f"dataset {name}: asked for the folder {entry.folder}, found no such folder")
    if isinstance(entry, splits.Found):
        entry.check(name)
    return Slot(dataset=name, entry=entry)


def check_terms(name: str, entry: Terms) -> None:
    """InputError, with the terms, unless a person has accepted them."""
    if not entry.accept_terms:
        raise InputError(
            f"dataset {name} is under its owner's terms: {entry.terms} Accepted: datasets.{name}.accept_terms: true in "
            f"params.yaml, or `dvc exp run -S datasets.{name}.accept_terms=true`, which says that you keep to them"
        )


def download(slot: Slot, raw: Path, store: Path, mirror: str | None) -> str:
    """Fills `raw`, and returns the NOTICE of its photographs' authors and terms.

    Raises InputError where an archive is not to be had or another than asked for, or where too few photographs of a
    list are as listed; `raw` holds nothing then.
    """
    match slot.entry:
        case Listed():
            return _download_listed(slot.dataset, slot.entry, raw, store, mirror)
        case Archived():
            fetched = _fetch(slot.dataset, slot.entry, store, mirror)
            notice = f"The photographs of {slot.dataset} are under their owner's terms.\n\n{slot.entry.terms}\n"
        case Folder():
            fetched = [fetching.inventory(slot.dataset, Path(slot.entry.folder).expanduser())]
            notice = f"The photographs of {slot.dataset} come from a folder of the user's own.\n"
    write_json(raw / RECORD, [each.record for each in fetched])
    return notice


def fetch(
    datasets: Mapping[str, Dataset], name: str, store: Path, mirror: str | None, out: Path | None
) -> list[fetching.Fetched]:
    """A dataset's archives, checked; those of masks unpacked into `out`, if that is given.

    Raises InputError for a dataset without archives, terms that are not accepted, and what fetching or unpacking does.
    """
    entry = datasets.get(name)
    if not isinstance(entry, Terms):
        having = [other for other, each in datasets.items() if isinstance(each, Terms)]
        raise InputError(f"asked for the archives of {name!r}; accepted: {', '.join(having)}")
    if out is not None and not isinstance(entry, Unpacked):
        raise InputError(
            f"{name}: asked to unpack photographs, which the pipeline reads out of their archives; accepted: no --out"
        )
    fetched = _fetch(name, entry, store, mirror)
    if out is not None:
        archives.unpack(fetched[0].path, out)
    return fetched


def _fetch(name: str, entry: Terms, store: Path, mirror: str | None) -> list[fetching.Fetched]:
    check_terms(name, entry)
    print(f"{name}, under its owner's terms: {entry.terms}", flush=True)
    return [fetching.fetch(archive, remote, store, mirror) for archive, remote in entry.archives.items()]


def _download_listed(dataset: str, entry: Listed, raw: Path, store: Path, mirror: str | None) -> str:
    files, left_out = {}, {}
    for photo, file, why in listed.found(entry, store, mirror):
        if file is None:
            left_out[photo.name] = why
        else:
            files[photo.name] = file
    if len(files) < entry.minimum:
        reasons = "; ".join(f"{count} {why}" for why, count in Counter(left_out.values()).items())
        raise InputError(
            f"dataset {dataset}: asked for {len(files) + len(left_out)} photographs, found {len(files)} as listed "
            f"({reasons}); accepted: {entry.minimum} or more"
        )
    for name, file in files.items():
        with replacing(raw / name) as temporary:
            temporary.write_bytes(file)
    write_json(raw / LEFT_OUT, left_out)
    return listed.notice(dataset, [photo for photo in listed.photos(entry) if photo.name in files])


def split(
    config: Config, slot: Slot, folder: Path, report: Path, store: Path, mirror: str | None, scratch: Path
) -> None:
    """Writes `folder`/shards and the data report out of `folder`/raw; a killed run goes on from its work in `scratch`.

    Raises InputError where the photographs are not what `download` found, or a split comes out empty.
    """
    raw, out = folder / "raw", folder / "shards"
    if isinstance(slot.entry, Listed):
        hashes = {photo.name: photo.sha256 for photo in listed.photos(slot.entry)}
        origin = {"list": slot.entry.photographs, "sha256": digest(hashes), "buckets": slot.entry.buckets}
        counted = Counter(read_json(raw / LEFT_OUT, dict).values())
        source = _listed_source(slot.entry, raw)
    else:
        record = read_json(raw / RECORD, list)
        origin = {"archives": record}
        source, counted = _archived_source(slot, record, store, mirror)
    made_from = [config.model_dump(), origin, source.splits, sources.manifest("split", [])]
    work = scratch / f"split-{folder.name}" / digest(made_from)[:16]
    packing.remove_all_but(work)
    journals = packing.pack(config, source, out, work)
    account.write_report(report, config, origin, counted, journals, out)
    packing.remove(work.parent)


def _listed_source(entry: Listed, raw: Path) -> packing.Source:
    there = [photo for photo in listed.photos(entry) if (raw / photo.name).is_file()]
    names = {s: [photo.name for photo in there if photo.split == s] for s in {photo.split for photo in there}}
    return packing.Source(names, lambda wanted: ((name, (raw / name).read_bytes()) for name in wanted), shared=False)


def _archived_source(
    slot: Slot, record: list[Tree], store: Path, mirror: str | None
) -> tuple[packing.Source, dict[str, int]]:
    """Its photographs, and how many files of it are in no split, by reason."""
    if isinstance(slot.entry, Folder):
        places = Places({"": Path(slot.entry.folder).expanduser()})
    else:
        places = Places({name: fetching.find(name, store, mirror) for name in slot.entry.archives})
    for wanted, path in zip(record, places.paths.values(), strict=True):
        if (found := fetching.measure(path)) != (wanted["bytes"], wanted["sha256"]):
            raise InputError(
                f"{path}: asked for the {wanted['bytes']:,} bytes that `download` found, sha256 {wanted['sha256']}, "
                f"found {found[0]:,}, sha256 {found[1]}; accepted: those, or `dvc repro --force download`"
            )
    try:
        assigned = splits.assign(slot.entry, places.names(), places.read)
    except InputError as error:
        raise InputError(f"dataset {slot.dataset}: {error}") from error
    source = packing.Source(assigned.splits, places.stream, shared=slot.entry.val_of_test is not None)
    return source, assigned.left_out


@dataclass(frozen=True)
class Places:
    """Archives by name, each with its files below that name; a person's folder has no name."""

    paths: dict[str, Path]

    def names(self) -> Iterator[str]:
        """Of all files, in the order in which they lie there."""
        for place, path in self.paths.items():
            if path.is_dir() or path.name.lower().endswith(archives.ENDINGS):
                yield from (f"{place}/{name}".lstrip("/") for name in archives.names(path))
            else:
                yield place

    def read(self, name: str) -> bytes:
        """A file's contents; InputError where there is none."""
        place, member = self._apart(name)
        if place not in self.paths:
            raise InputError(f"asked for {name}, found no archive {place}; accepted: {', '.join(self.paths)}")
        return archives.read(self.paths[place], member) if member else self.paths[place].read_bytes()

    def stream(self, names: list[str]) -> Iterator[tuple[str, bytes]]:
        """The files of these names, which stand in the order of `names()`."""
        for place, of_it in groupby(names, lambda name: self._apart(name)[0]):
            members = [self._apart(name)[1] for name in of_it]
            found = archives.stream(self.paths[place], set(members))
            for wanted, (name, contents) in zip_longest(members, found, fillvalue=("", b"")):
                if name != wanted:
                    raise InputError(
                        f"{self.paths[place]}: asked for {wanted}, found {name or 'its end'}; accepted: an archive "
                        f"that nobody changes meanwhile"
                    )
                yield f"{place}/{name}".lstrip("/"), contents

    def _apart(self, name: str) -> tuple[str, str]:
        """Place and path in it."""
        if "" in self.paths:
            return "", name
        place, _, member = name.partition("/")
        return place, member
