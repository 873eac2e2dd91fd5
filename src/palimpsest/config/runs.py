"""What a run is: a model's settings at the active profile, with a variant's differences, on one slot of its data.

A run may need others: one whose weights it begins with, one whose model works inside its own. `pretrained` holds
networks that exist for this alone.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from palimpsest.config.yaml import InputError, Settings, Tree, digest, each_once, merge, part, section

Kinds = Annotated[list[str], Field(min_length=1), AfterValidator(each_once)]  # of holes


NOTHING = "nothing"


class Section(Settings):
    """What sections of params.yaml's `pretrained` and `runs` share.

    A section that is its own base holds every setting at paper scale, and for each profile what it makes smaller; any
    other holds its differences from its base, and from its base at a profile.
    """

    model: str  # file in palimpsest/models
    slot: str  # slot in profiles.<profile>.slots
    base: str  # the section whose settings this one starts from
    settings: Tree
    profiles: dict[str, Tree] = Field(default_factory=dict)


class Pretrained(Section):
    """A section of params.yaml's `pretrained`: trained for other runs to begin with, and not measured."""

    frechet_network: Literal["nothing", "vgg16", "inception"]  # whose features tell a prior's pictures from real ones


class Needs(Settings):
    """What must be made before a run is trained; each may be nothing."""

    start: str  # the run, or pretrained network, whose weights some of its networks begin with
    inside: str  # the run, or pretrained network, whose model it works with
    features: Literal["nothing", "perceptual"]  # the fixed network that a perceptual loss reads


class Entry(Section):
    """A section of params.yaml's `runs`."""

    holes: Kinds  # it is measured on
    needs: Needs


class Transfer(Settings):
    """A section of params.yaml's `transfers`: a trained run measured on other pictures than its own slot's."""

    run: str
    slot: str  # slot in profiles.<profile>.slots
    holes: Kinds


class External(Settings):
    """A section of params.yaml's `external`: results that another tool made of `palimpsest export`'s pictures."""

    label: Annotated[str, Field(min_length=1)]  # the row's name; equal labels on several slots share a row
    source: Annotated[str, Field(min_length=1)]  # where the results come from, in words
    slot: str  # slot in profiles.<profile>.slots
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
    slot: str
    profile: str
    settings: Tree
    at: str  # the dotted name under which its settings are explained
    start: Self | None = None
    inside: Self | None = None
    features: bool = False

    @classmethod
    def read(cls, tree: Tree) -> Self:
        """A run out of its fields, as `asdict` makes them."""
        others = {need: cls.read(tree[need]) for need in ("start", "inside") if tree[need]}
        return cls(**{**tree, **others})


@dataclass(frozen=True)
class Target:
    """What one set of results is of: a run on its own slot or on another, and the kinds of holes."""

    name: str  # of results/<name>
    run: str
    slot: str
    holes: list[str]

    @property
    def stage(self) -> Literal["evaluate", "transfer"]:
        """The stage that makes it."""
        return "evaluate" if self.name == self.run else "transfer"


def names(params: Tree) -> list[str]:
    return list(section(params, "runs"))


def trained(params: Tree) -> list[str]:
    """All that is trained: pretrained networks and runs; InputError where two share a name."""
    first = list(section(params, "pretrained"))
    for name in first:
        _own_name(params, "pretrained", name)
    found = [*first, *names(params)]
    if NOTHING in found:
        raise InputError(
            f"params: a run has the name {NOTHING!r}, which says that nothing is needed; accepted: another"
        )
    return found


def frechet_network(params: Tree, name: str) -> str:
    """The network that judges what a prior draws as it is trained; nothing for a run."""
    entry = _entry(params, name)
    return entry.frechet_network if isinstance(entry, Pretrained) else NOTHING


def target(params: Tree, name: str) -> Target:
    """The results that a run has of its own slot; InputError for an unknown run."""
    entry = part(params, Entry, "runs", name)
    return Target(name, name, entry.slot, entry.holes)


def transfer(params: Tree, name: str) -> Target:
    """The results that a trained run has of another slot; InputError for an unknown transfer or run."""
    _own_name(params, "transfers", name)
    entry = part(params, Transfer, "transfers", name)
    trained = part(params, Entry, "runs", entry.run)
    if entry.slot == trained.slot:
        raise InputError(f"params: transfers.{name}.slot is {entry.slot!r}, the run's own; accepted: another slot")
    return Target(name, entry.run, entry.slot, entry.holes)


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


def resolve(params: Tree, name: str, profile: str | None = None, above: tuple[str, ...] = ()) -> Run:
    """The run `name`: its base's settings, then the base's at the profile, then its own; and the runs that it needs.

    Raises InputError for an unknown run or profile, a base of another model, a difference in what the base lacks, or
    needs that go in a circle; `above` are the runs that need this one.
    """
    if name in above:
        raise InputError(f"params: {' needs '.join([*above, name])}; accepted: needs that do not go in a circle")
    profile = profile or section(params, "profile")
    section(params, "profiles", profile)
    known = params["profiles"]
    entry, room = _entry(params, name), _room(params, name)
    base = _entry(params, entry.base)
    if base.base != entry.base or base.model != entry.model:
        found = f"{room}.{name}.base is {entry.base!r}"
        raise InputError(f"params: {found}; accepted: a section of {entry.model} that is its own base")
    for key, scales in {entry.base: base.profiles, name: entry.profiles}.items():
        if strange := [scale for scale in scales if scale not in known]:
            found = f"{room}.{key}.profiles.{strange[0]} is no profile"
            raise InputError(f"params: {found}; accepted: {', '.join(known)}")
    scale = section(params, room, entry.base, "profiles", profile)
    settings = merge(base.settings, scale, f"{room}.{entry.base}.profiles.{profile}")
    if entry.base != name:
        settings = merge(settings, entry.settings, f"{room}.{name}.settings")
        settings = merge(settings, entry.profiles.get(profile, {}), f"{room}.{name}.profiles.{profile}")
    section(params, "profiles", profile, "slots", entry.slot)
    at = f"{room}.{name}.settings"
    if isinstance(entry, Entry):
        start, inside = (_needed(params, name, need, profile, above) for need in ("start", "inside"))
        return Run(name, entry.model, entry.slot, profile, settings, at, start, inside, entry.needs.features != NOTHING)
    return Run(name, entry.model, entry.slot, profile, settings, at)


def _needed(params: Tree, name: str, need: str, profile: str, above: tuple[str, ...]) -> Run | None:
    """The run that a run needs; none where it needs nothing."""
    other = section(params, "runs", name, "needs", need)
    if other == NOTHING:
        return None
    if other not in (known := trained(params)):
        asked = f"runs.{name}.needs.{need} is {other!r}"
        raise InputError(f"params: {asked}; accepted: {', '.join([NOTHING, *known])}")
    return resolve(params, other, profile, (*above, name))


def _room(params: Tree, name: str) -> str:
    """Where a section of that name stands; `runs` where it stands nowhere."""
    return "pretrained" if name in section(params, "pretrained") else "runs"


def _entry(params: Tree, name: str) -> Section:
    room = _room(params, name)
    return part(params, Entry if room == "runs" else Pretrained, room, name)


def fingerprint(run: Run, size: int) -> str:
    """What a checkpoint must have been made under to stand for this run."""
    needs = [fingerprint(need, size) if need else NOTHING for need in (run.start, run.inside)]
    return digest([run.model, run.slot, size, run.settings, needs])


def target_fingerprint(params: Tree, target: Target) -> str:
    """What results must have been made under to stand for this target."""
    run = resolve(params, target.run)
    trained = fingerprint(run, section(params, "profiles", run.profile, "slots", run.slot, "size"))
    return trained if target.stage == "evaluate" else digest([trained, target.slot])
