"""What a run is: a model's settings at the active profile, with a variant's differences, on one slot of its data."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from palimpsest.config import InputError, Settings, Tree, digest, each_once, merge, part, section

Kinds = Annotated[list[str], Field(min_length=1), AfterValidator(each_once)]  # of holes


class Variant(Settings):
    """A section of params.yaml's `runs` that holds its differences from another run alone."""

    model: str  # file in palimpsest/models
    data: str  # slot in profiles.<profile>.data
    holes: Kinds  # it is measured on
    base: str  # the run whose settings this one starts from
    settings: Tree


class Base(Variant):
    """A section that is its own base: every setting at paper scale, and what each profile makes smaller."""

    profiles: dict[str, Tree]


class Transfer(Settings):
    """A section of params.yaml's `transfers`: a trained run measured on other pictures than its own slot's."""

    run: str
    model: str  # the run's
    data: str  # slot in profiles.<profile>.data
    holes: Kinds


class External(Settings):
    """A section of params.yaml's `external`: results that another tool made of `palimpsest export`'s pictures."""

    label: Annotated[str, Field(min_length=1)]  # the row's name; equal labels on several slots share a row
    source: Annotated[str, Field(min_length=1)]  # where the results come from, in words
    data: str  # slot in profiles.<profile>.data
    folder: str  # holds `<hole kind>/<picture>.png`
    holes: Kinds

    @property
    def fingerprint(self) -> str:
        return digest(self.model_dump())


@dataclass(frozen=True)
class Run:
    """One run, resolved for the active profile."""

    name: str
    model: str
    data: str
    profile: str
    settings: Tree

    @property
    def at(self) -> str:
        """The dotted name under which its settings are explained."""
        return f"runs.{self.name}.settings"


@dataclass(frozen=True)
class Target:
    """What one set of results is of: a run on its own slot or on another, and the kinds of holes."""

    name: str  # of results/<name>
    run: str
    data: str
    holes: list[str]


def names(params: Tree) -> list[str]:
    return list(section(params, "runs"))


def target(params: Tree, name: str) -> Target:
    """The results that a run has of its own slot; InputError for an unknown run."""
    entry = _entry(params, name)
    return Target(name, name, entry.data, entry.holes)


def transfer(params: Tree, name: str) -> Target:
    """The results that a trained run has of another slot; InputError for an unknown transfer, run or model."""
    _own_name(params, "transfers", name)
    entry = part(params, Transfer, "transfers", name)
    trained = _entry(params, entry.run)
    if entry.model != trained.model:
        raise InputError(f"params: transfers.{name}.model is {entry.model!r}; accepted: the run's, {trained.model}")
    if entry.data == trained.data:
        raise InputError(f"params: transfers.{name}.data is {entry.data!r}, the run's own; accepted: another slot")
    return Target(name, entry.run, entry.data, entry.holes)


def targets(params: Tree) -> list[Target]:
    """Of every run and every transfer."""
    moved = [transfer(params, name) for name in section(params, "transfers")]
    return [*(target(params, name) for name in names(params)), *moved]


def external(params: Tree, name: str) -> External:
    """A section of `external`; InputError for an unknown one or a name that a run or a transfer has."""
    _own_name(params, "external", name)
    if name in section(params, "transfers"):
        raise InputError(f"params: external.{name} has the name of a transfer; accepted: a name of its own")
    return part(params, External, "external", name)


def _own_name(params: Tree, where: str, name: str) -> None:
    if name in names(params):
        raise InputError(f"params: {where}.{name} has the name of a run; accepted: a name of its own")


def resolve(params: Tree, name: str, profile: str | None = None) -> Run:
    """The run `name`: base settings, then the profile's, then the variant's differences.

    Raises InputError for an unknown run or profile, a base of another model, or a difference in what the base lacks.
    """
    profile = profile or section(params, "profile")
    section(params, "profiles", profile)
    known = params["profiles"]
    entry = _entry(params, name)
    base = _entry(params, entry.base)
    if base.base != entry.base or base.model != entry.model:
        found = f"runs.{name}.base is {entry.base!r}"
        raise InputError(f"params: {found}; accepted: a run of {entry.model} that is its own base")
    if strange := [key for key in base.profiles if key not in known]:
        raise InputError(f"params: runs.{entry.base}.profiles.{strange[0]} is no profile; accepted: {', '.join(known)}")
    scale = section(params, "runs", entry.base, "profiles", profile)
    settings = merge(base.settings, scale, f"runs.{entry.base}.profiles.{profile}")
    if entry.base != name:
        settings = merge(settings, entry.settings, f"runs.{name}.settings")
    section(params, "profiles", profile, "data", entry.data)
    return Run(name, entry.model, entry.data, profile, settings)


def _entry(params: Tree, name: str) -> Variant | Base:
    is_base = section(params, "runs", name, "base") == name
    return part(params, Base if is_base else Variant, "runs", name)


def fingerprint(run: Run, size: int) -> str:
    """What a checkpoint must have been made under to stand for this run."""
    return digest([run.model, run.data, size, run.settings])


def target_fingerprint(params: Tree, target: Target) -> str:
    """What results must have been made under to stand for this target."""
    run = resolve(params, target.run)
    trained = fingerprint(run, section(params, "profiles", run.profile, "data", run.data, "size"))
    return trained if target.name == target.run else digest([trained, target.data])
