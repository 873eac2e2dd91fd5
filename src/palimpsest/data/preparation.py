"""What is fetched of a dataset, and how it becomes shards.

`download` leaves in a slot's `raw` the photographs of a list, or, for archives and folders, which stay where they lie,
`archives.json`: name, size and hash of each. `split` reads either.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path

from palimpsest import manifests
from palimpsest.config.yaml import InputError, Tree, digest
from palimpsest.data import account, archives, fetching, listed, packing, splits
from palimpsest.data.catalogue import Archived, Dataset, Folder, Slot, Terms, Unpacked, check_terms
from palimpsest.data.crops import Crops
from palimpsest.data.listed import Listed
from palimpsest.storage import read_json, replacing, write_json

RECORD, LEFT_OUT = "archives.json", "left-out.json"  # in `raw`


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
    datasets: Mapping[str, Dataset],
    accepted: Collection[str],
    name: str,
    store: Path,
    mirror: str | None,
    out: Path | None,
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
    check_terms(name, entry, accepted)
    fetched = _fetch(name, entry, store, mirror)
    if out is not None:
        archives.unpack(fetched[0].path, out)
    return fetched


def _fetch(name: str, entry: Terms, store: Path, mirror: str | None) -> list[fetching.Fetched]:
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
    config: Crops, slot: Slot, folder: Path, report: Path, store: Path, mirror: str | None, scratch: Path
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
    made_from = [config.model_dump(), origin, source.splits, manifests.manifest("split", [])]
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
