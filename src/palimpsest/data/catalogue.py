"""Where photographs come from: the sections of `datasets`, and which of them fills a slot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from palimpsest.config.yaml import InputError, Name, Settings
from palimpsest.data import fetching, splits
from palimpsest.data.listed import Listed

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
    """What fills a slot."""

    dataset: Name
    entry: Annotated[Listed | Archived | Folder, Field(discriminator="rule")]


Dataset = Annotated[Listed | Archived | Folder | Unpacked, Field(discriminator="rule")]


class Sections(Settings):
    """The part of params.yaml that says where photographs come from."""

    datasets: dict[Name, Dataset]


def filled_slot(datasets: Mapping[str, Dataset], name: str) -> Slot:
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
