"""released.yaml: the networks that authors released, their files, and the pictures that they filled with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, RootModel

from palimpsest.config.runs import RELEASED, Run, at_profile
from palimpsest.config.yaml import InputError, Name, Settings, Tree, build, merge, one_of, read_yaml, section
from palimpsest.data.fetching import Fetched, Remote, fetch
from palimpsest.released import Layout, available, read


class File(Remote):
    """A file that its authors released, or an archive that holds it."""

    name: str
    member: str | None  # its name in the archive; null = the file is no archive


class Gold(Settings):
    """Pictures that the authors published, filled by the very network."""

    source: str  # address of a folder, by commit; `image`, `hole` and `result` are files in it
    pictures: Annotated[list[str], Field(min_length=1)]  # `{}` in the three names below
    image: str
    hole: str
    result: str
    missing: Literal["white", "black"]  # the colour of missing pixels in `hole`
    bits: Literal["truncated", "rounded"]  # how its authors turned the output into 8 bits


class Network(Settings):
    """A network whose weights its authors released."""

    authors: bool  # whether those of the paper trained it
    trained_on: str | None  # dataset, by its name in datasets.yaml where it has one there; null = nobody says
    size: PositiveInt  # px, of the pictures that it was trained on
    files: Annotated[dict[str, Annotated[list[File], Field(min_length=1)]], Field(min_length=1)]  # by layout
    gold: Gold | None

    @property
    def layouts(self) -> dict[str, Layout]:
        return {name: read(name) for name in self.files}

    @property
    def terms(self) -> str:
        """Who released it and under which licence."""
        found = dict.fromkeys(f"{each.origin}, licence {each.licence}" for each in self.layouts.values())
        return "; ".join(found)

    def made(self, params: Tree, name: str) -> Run:
        """The run `name` whose Model has the tensors of all its files; InputError where they are of several runs."""
        layouts = list(self.layouts.values())
        first = layouts[0].made(params)
        settings = first.settings
        for layout in layouts[1:]:
            other = layout.made(params)
            if (other.model, other.name) != (first.model, first.name):
                raise InputError(f"released.yaml: found files of {first.name} and {other.name}; accepted: of one run")
            settings = merge(settings, layout.settings, other.at)
        return Run(name, first.model, first.slot, first.profile, settings, first.at, first.start, first.inside)

    def fetch(self, name: str, store: Path, mirror: str | None) -> dict[str, list[Fetched]]:
        """Its files by layout, each checked; InputError as `data.fetching.fetch`."""
        return {
            layout: [fetch(f"released/{name}/{each.name}", each, store, mirror) for each in files]
            for layout, files in self.files.items()
        }


class Catalogue(RootModel[dict[Name, Network]]):
    """released.yaml."""


class Released(Settings):
    """A section of params.yaml's `released`: the network of one method, or one for each profile."""

    label: Annotated[str, Field(min_length=1)]  # of its rows
    accept: bool  # whether you keep to the licence of the weights
    network: Name | None  # in released.yaml; null = none was released for the profile's pictures


def read_catalogue(path: Path | str) -> dict[str, Network]:
    """The networks by name; InputError names the file and each key that is wrong."""
    networks = build(Catalogue, read_yaml(path), "", str(path)).root
    for name, network in networks.items():
        for layout in network.files:
            one_of(layout, available(), f"{path}: {name}.files")
    return networks


def at(params: Tree, name: str, profile: str) -> Released:
    """A section of `released` at a profile; InputError if it is unknown or wrong."""
    where = f"released.{name}"
    return build(Released, at_profile(section(params, "released", name), profile, where), where)


def chosen(params: Tree, networks: Mapping[str, Network], name: str, profile: str) -> Network | None:
    """The network of a section at a profile, if it has one there; InputError if released.yaml lacks it."""
    if (network := at(params, name, profile).network) is None:
        return None
    one_of(network, networks, f"params.yaml: released.{name}.network")
    return networks[network]


def why_absent(params: Tree, networks: Mapping[str, Network], name: str, profile: str, size: int) -> str:
    """Why a section's network is not measured on pictures of `size` px; "" where it is."""
    entry, network = at(params, name, profile), chosen(params, networks, name, profile)
    if network is None:
        return f"no network was released for the pictures of profile {profile}"
    if not entry.accept:
        return f"released.{name}.accept is false; accepted: true, if you keep to its licence ({network.terms})"
    if network.size != size:
        return f"it was trained on pictures of {network.size} px, and profile {profile} has {size} px here"
    return ""


def run_name(name: str) -> str:
    """What the run of a section of `released` is called, in runs/ and in `transfers`."""
    return f"{RELEASED}{name}"
