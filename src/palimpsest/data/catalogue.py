"""Where photographs come from: the datasets of datasets.yaml, and which of them fills a slot."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, RootModel

from palimpsest.config.yaml import InputError, Name, Settings, build, one_of, read_yaml
from palimpsest.data import fetching, splits
from palimpsest.data.listed import Listed

FileName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][\w.+~%-]*$")
]  # in the folder of archives, and no folder of its own


class Terms(Settings):
    """Archives that are downloaded, or that a person places, under terms to be accepted once."""

    terms: str
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
    """What fills a slot."""

    dataset: Name
    entry: Annotated[Listed | Archived | Folder, Field(discriminator="rule")]


Dataset = Annotated[Listed | Archived | Folder | Unpacked, Field(discriminator="rule")]


class Catalogue(RootModel[dict[Name, Dataset]]):
    """datasets.yaml."""


def read_catalogue(path: Path | str) -> dict[str, Dataset]:
    """Every dataset by its name; InputError names the file and each key that is wrong."""
    return build(Catalogue, read_yaml(path), "", str(path)).root


def check_accepted(datasets: Mapping[str, Dataset], accepted: Iterable[str]) -> None:
    """InputError where terms are accepted of a dataset that is unknown or has none."""
    for name in accepted:
        one_of(name, (other for other, entry in datasets.items() if isinstance(entry, Terms)), "params: accepted_terms")


def filled_slot(datasets: Mapping[str, Dataset], name: str, accepted: Collection[str]) -> Slot:
    """A slot that a dataset fills; InputError where it cannot, or its terms are not among those that are accepted."""
    if name not in datasets:
        raise InputError(f"asked for dataset {name!r}; accepted: {', '.join(datasets)}")
    entry = datasets[name]
    if isinstance(entry, Unpacked):
        raise InputError(f"dataset {name} holds no photographs; `python -m palimpsest fetch {name} --out FOLDER`")
    if isinstance(entry, Archived):
        check_terms(name, entry, accepted)
    if isinstance(entry, Folder) and not Path(entry.folder).expanduser().is_dir():
        raise InputError(f"dataset {name}: asked for the folder {entry.folder}, found no such folder")
    if isinstance(entry, splits.Found):
        entry.check(name)
    return Slot(dataset=name, entry=entry)


def check_terms(name: str, entry: Terms, accepted: Collection[str]) -> None:
    """InputError, with the terms, unless a person has accepted them."""
    if name not in accepted:
        names = ", ".join([*accepted, name])
        raise InputError(
            f"dataset {name} is under its owner's terms: {entry.terms} Accepted: accepted_terms: [{names}] in "
            f"params.yaml, or `dvc exp run -S 'accepted_terms=[{names}]'`, which says that you keep to them"
        )
