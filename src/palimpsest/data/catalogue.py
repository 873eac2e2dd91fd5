"""Where photographs come from: the datasets of datasets.yaml, and what each of them can do.

Every dataset has `terms`, its owner's, or None. Those of photographs also have `makes`, their splits; `check`, which
refuses to fill a slot; `download`, which fills `raw` and returns the NOTICE; and `source`, the photographs to pack.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, RootModel

from palimpsest.config.paths import located
from palimpsest.config.yaml import InputError, Name, Settings, Tree, build, choices, one_of, read_yaml, spelt
from palimpsest.data import archives, fetching, splits
from palimpsest.data.fetching import Fetched, Remote
from palimpsest.data.listed import Listed
from palimpsest.data.sources import Places, Source
from palimpsest.storage import read_json, write_json

RECORD = "archives.json"  # in `raw`: name, size and hash of every archive or folder, which stay where they are
# directly in the folder of archives
FileName = spelt(r"[A-Za-z0-9][\w.+~%-]*", "a file's name of letters, digits and . _ + ~ % -, without a folder")
Archives = dict[FileName, Remote]


class Terms(Settings):
    """Archives that are downloaded, or that a person places, under terms that a person has to accept."""

    terms: str
    archives: Annotated[Archives, Field(min_length=1)]

    def check_terms(self, dataset: str, accepted: Collection[str]) -> None:
        """InputError, with the terms, unless a person has accepted them."""
        if dataset not in accepted:
            names = ", ".join([*accepted, dataset])
            raise InputError(
                f"dataset {dataset} is under its owner's terms: {self.terms} Accepted: accepted_terms: [{names}] in "
                f"params.yaml, or `dvc exp run -S 'accepted_terms=[{names}]'`, which says that you keep to them"
            )

    def fetch(self, dataset: str, store: Path, mirror: str | None) -> list[Fetched]:
        """Its archives, checked; InputError and OSError as `fetching.fetch`."""
        print(f"{dataset}, under its owner's terms: {self.terms}", flush=True)
        return [fetching.fetch(archive, remote, store, mirror) for archive, remote in self.archives.items()]


class Archived(Terms, splits.Found):
    """Photographs inside archives."""

    unpacks: ClassVar[bool] = False  # the pipeline reads archives of photographs as they are
    rule: Literal["archived"]

    def check(self, dataset: str, accepted: Collection[str]) -> None:
        self.check_terms(dataset, accepted)
        self.check_split(dataset)

    def download(self, dataset: str, raw: Path, store: Path, mirror: str | None) -> str:
        """Records the archives in `raw`; InputError if one is missing, or is not the one asked for."""
        _record(raw, self.fetch(dataset, store, mirror))
        return f"The photographs of {dataset} are under their owner's terms.\n\n{self.terms}\n"

    def source(self, dataset: str, raw: Path, store: Path, mirror: str | None) -> Source:
        """InputError if an archive has changed since, or the photographs are not as the entry says."""
        return _source(self, dataset, raw, {name: fetching.find(name, store, mirror) for name in self.archives})


class Folder(splits.Found):
    """A person's own photographs: all in a folder and below it."""

    terms: ClassVar[None] = None
    rule: Literal["own"]
    folder: str

    @property
    def path(self) -> Path:
        return located(self.folder)

    def check(self, dataset: str, accepted: Collection[str]) -> None:
        if not self.path.is_dir():
            raise InputError(f"dataset {dataset}: asked for the folder {self.folder}, found no such folder")
        self.check_split(dataset)
        _assigned(self, dataset, Places({"": self.path}))

    def download(self, dataset: str, raw: Path, store: Path, mirror: str | None) -> str:
        """Records in `raw` what the folder holds; InputError if it holds nothing, or a pipe."""
        _record(raw, [fetching.inventory(dataset, self.path)])
        return f"The photographs of {dataset} come from a folder of the user's own.\n"

    def source(self, dataset: str, raw: Path, store: Path, mirror: str | None) -> Source:
        """InputError if the folder has changed since, or the photographs are not as the entry says."""
        return _source(self, dataset, raw, {"": self.path})


class Unpacked(Terms):
    """An archive of holes, not of photographs: a person unpacks it and names its folder in a kind of hole."""

    unpacks: ClassVar[bool] = True
    rule: Literal["unpacked"]
    archives: Annotated[Archives, Field(min_length=1, max_length=1)]

    def check(self, dataset: str, accepted: Collection[str]) -> None:
        raise InputError(
            f"dataset {dataset} holds no photographs; accepted: `python -m palimpsest fetch {dataset} --out FOLDER`"
        )


def _record(raw: Path, fetched: list[Fetched]) -> None:
    write_json(raw / RECORD, [each.record for each in fetched])


def _source(entry: splits.Found, dataset: str, raw: Path, paths: dict[str, Path]) -> Source:
    """The photographs in archives or a folder, once these are known to be what `download` found."""
    record: list[Tree] = read_json(raw / RECORD, list)
    for wanted, path in zip(record, paths.values(), strict=True):
        if (found := fetching.measure(path)) != (wanted["bytes"], wanted["sha256"]):
            raise InputError(
                f"{path}: asked for the {wanted['bytes']:,} bytes that `download` found, sha256 {wanted['sha256']}, "
                f"found {found[0]:,}, sha256 {found[1]}; accepted: those, or `dvc repro --force download`"
            )
    places = Places(paths)
    assigned = _assigned(entry, dataset, places)
    return Source(
        assigned.splits,
        places.stream,
        shared=entry.val_of_test is not None,
        order=assigned.order,
        draws=assigned.draws,
        origin={"archives": record},
        left_out=assigned.left_out,
    )


def _assigned(entry: splits.Found, dataset: str, places: Places) -> splits.Assigned:
    """The splits of a dataset by the names of its files; InputError where its rule does not fit them."""
    try:
        return splits.assign(entry, places.names(), places.read)
    except InputError as error:
        raise InputError(f"dataset {dataset}: {error}") from error


class Slot(Settings):
    """What fills a slot."""

    dataset: Name
    entry: Annotated[Listed | Archived | Folder, Field(discriminator="rule")]


Dataset = Annotated[Listed | Archived | Folder | Unpacked, Field(discriminator="rule")]


class Catalogue(RootModel[dict[Name, Dataset]]):
    """datasets.yaml."""


def read_catalogue(path: Path | str) -> dict[str, Dataset]:
    """The datasets by name; InputError names the file and each key that is wrong."""
    return build(Catalogue, read_yaml(path), "", str(path)).root


def check_accepted(datasets: Mapping[str, Dataset], accepted: Iterable[str]) -> None:
    """InputError for a name in accepted_terms that is of no dataset with terms."""
    known = [name for name, entry in datasets.items() if entry.terms]
    for place, name in enumerate(accepted):
        one_of(name, known, f"params.yaml: accepted_terms.{place}")


def names_of_photographs(datasets: Mapping[str, Dataset]) -> list[str]:
    """The datasets that can fill a slot: all but masks and stamps."""
    return [name for name, entry in datasets.items() if not isinstance(entry, Unpacked)]


def filled_slot(datasets: Mapping[str, Dataset], name: str, accepted: Collection[str]) -> Slot:
    """A slot filled with a dataset; InputError if that cannot be, or its terms are not accepted."""
    if name not in datasets:
        raise InputError(f"asked for dataset {name!r}; accepted: {choices(names_of_photographs(datasets), name)}")
    datasets[name].check(name, accepted)
    return Slot(dataset=name, entry=datasets[name])


def fetch(
    datasets: Mapping[str, Dataset],
    accepted: Collection[str],
    name: str,
    store: Path,
    mirror: str | None,
    out: Path | None,
) -> list[Fetched]:
    """A dataset's archives, each checked; those of holes are unpacked into `out`, if that is given.

    Raises InputError for a dataset without archives, for terms that are not accepted, and as fetching and unpacking do.
    """
    having = {other: entry for other, entry in datasets.items() if entry.terms}
    unpacked = [other for other, entry in having.items() if entry.unpacks]
    if name not in having:
        known = having if out is None else unpacked
        raise InputError(f"asked for the archives of {name!r}; accepted: {choices(known, name)}")
    entry = having[name]
    if out is not None and not entry.unpacks:
        found = "photographs, which the pipeline reads out of their archives"
        raise InputError(f"{name}: asked to unpack {found}; accepted: no --out, or one of {choices(unpacked, name)}")
    entry.check_terms(name, accepted)
    fetched = entry.fetch(name, store, mirror)
    if out is not None:
        archives.unpack(fetched[0].path, out)
    return fetched
