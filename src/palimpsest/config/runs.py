"""Runs: a model with all its settings at one profile, trained on the pictures of one slot.

A variant names another run as its base and gives only its differences. A run may need others: one whose weights it
starts from, and one whose model works inside its own. Networks that exist only to be needed stand in `pretrained`.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from palimpsest.config.yaml import InputError, Settings, Tree, digest, each_once, merge, part, section

Kinds = Annotated[list[str], Field(min_length=1), AfterValidator(each_once)]  # of holes


NOTHING = "nothing"


class Section(Settings):
    """What the sections of params.yaml's `pretrained` and `runs` have in common.

    A section that is its own base holds every setting at the paper's scale, and for each profile the settings that
    differ there. Any other section holds only its differences from its base.
    """

    model: str  # file in palimpsest/models
    slot: str  # slot in profiles.<profile>.slots
    base: str  # the section whose settings this one starts from
    settings: Tree
    profiles: dict[str, Tree] = Field(default_factory=dict)


class Pretrained(Section):
    """A section of params.yaml's `pretrained`: trained once for the runs that need it, and not evaluated."""

    frechet_network: Literal["nothing", "vgg16", "inception"]  # of a prior's Fréchet distance


class Needs(Settings):
    """What must exist before a run is trained; each may be `nothing`."""

    start: str  # the run or pretrained network from whose weights some of its networks start
    inside: str  # the run or pretrained network whose model works inside its own
    features: Literal["nothing", "perceptual"]  # the fixed network of a perceptual loss


class Entry(Section):
    """A section of params.yaml's `runs`."""

    holes: Kinds  # that it is evaluated on
    needs: Needs


class Transfer(Settings):
    """A section of params.yaml's `transfers`: a trained run, evaluated on the pictures of another slot."""

    run: str
    slot: str  # slot in profiles.<profile>.slots
    holes: Kinds


class External(Settings):
    """A section of params.yaml's `external`: another tool's results on the pictures of `palimpsest export`."""

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
    at: str  # the dotted name of its settings, for errors
    start: Self | None = None
    inside: Self | None = None
    features: bool = False

    @classmethod
    def read(cls, tree: Tree) -> Self:
        """The run that `asdict` turned into this tree."""
        others = {need: cls.read(tree[need]) for need in ("start", "inside") if tree[need]}
        return cls(**{**tree, **others})


@dataclass(frozen=True)
class Target:
    """What is evaluated: a run, the slot whose pictures it fills (its own or another), and the kinds of holes."""

    name: str  # of results/<name>
    run: str
    slot: str
    holes: list[str]

    @property
    def stage(self) -> Literal["evaluate", "transfer"]:
        """The stage that evaluates it."""
        return "evaluate" if self.name == self.run else "transfer"


def names(params: Tree) -> list[str]:
    return list(section(params, "runs"))


def trained(params: Tree) -> list[str]:
    """Everything that is trained, pretrained networks first; InputError if two have the same name."""
    first = list(section(params, "pretrained"))
    for name in first:
        _own_name(params, "pretrained", name)
    found = [*first, *names(params)]
    if NOTHING in found:
        raise InputError(f"params: a run is called {NOTHING!r}, which stands for no need; accepted: another name")
    return found


def frechet_network(params: Tree, name: str) -> str:
    """The network of a prior's Fréchet distance; `nothing` for everything else."""
    entry = _entry(params, name)
    return entry.frechet_network if isinstance(entry, Pretrained) else NOTHING


def target(params: Tree, name: str) -> Target:
    """A run on its own slot; InputError for an unknown run."""
    entry = part(params, Entry, "runs", name)
    return Target(name, name, entry.slot, entry.holes)


def transfer(params: Tree, name: str) -> Target:
    """A trained run on another slot; InputError for an unknown transfer or run."""
    _own_name(params, "transfers", name)
    entry = part(params, Transfer, "transfers", name)
    trained = part(params, Entry, "runs", entry.run)
    if entry.slot == trained.slot:
        raise InputError(f"params: transfers.{name}.slot is {entry.slot!r}, the run's own; accepted: another slot")
    return Target(name, entry.run, entry.slot, entry.holes)


def targets(params: Tree) -> list[Target]:
    """Everything that is evaluated: each run, then each transfer."""
    moved = [transfer(params, name) for name in section(params, "transfers")]
    return [*(target(params, name) for name in names(params)), *moved]


def external(params: Tree, name: str) -> External:
    """A section of `external`; InputError if it is unknown or has the name of a run or a transfer."""
    _own_name(params, "external", name)
    if name in section(params, "transfers"):
        raise InputError(f"params: external.{name} has the name of a transfer; accepted: a name of its own")
    return part(params, External, "external", name)


def _own_name(params: Tree, where: str, name: str) -> None:
    if name in names(params):
        raise InputError(f"params: {where}.{name} has the name of a run; accepted: a name of its own")


def resolve(params: Tree, name: str, profile: str | None = None, above: tuple[str, ...] = ()) -> Run:
    """The run `name` with every setting: the base's, the base's at the profile, then its own; and the runs it needs.

    Raises InputError for an unknown run or profile, a base of another model, a setting that the base does not have, or
    needs in a circle. `above` are the runs that need this one.
    """
    if name in above:
        raise InputError(f"params: {' needs '.join([*above, name])}; accepted: needs without a circle")
    profile = profile or section(params, "profile")
    section(params, "profiles", profile)
    known = params["profiles"]
    entry, where = _entry(params, name), _part(params, name)
    base = _entry(params, entry.base)
    if base.base != entry.base or base.model != entry.model:
        found = f"{where}.{name}.base is {entry.base!r}"
        raise InputError(f"params: {found}; accepted: a section of {entry.model} that is its own base")
    for key, scales in {entry.base: base.profiles, name: entry.profiles}.items():
        if strange := [scale for scale in scales if scale not in known]:
            found = f"{where}.{key}.profiles.{strange[0]} is not a profile"
            raise InputError(f"params: {found}; accepted: {', '.join(known)}")
    scale = section(params, where, entry.base, "profiles", profile)
    settings = merge(base.settings, scale, f"{where}.{entry.base}.profiles.{profile}")
    if entry.base != name:
        settings = merge(settings, entry.settings, f"{where}.{name}.settings")
        settings = merge(settings, entry.profiles.get(profile, {}), f"{where}.{name}.profiles.{profile}")
    section(params, "profiles", profile, "slots", entry.slot)
    at = f"{where}.{name}.settings"
    if isinstance(entry, Entry):
        start, inside = (_needed(params, name, need, profile, above) for need in ("start", "inside"))
        return Run(name, entry.model, entry.slot, profile, settings, at, start, inside, entry.needs.features != NOTHING)
    return Run(name, entry.model, entry.slot, profile, settings, at)


def _needed(params: Tree, name: str, need: str, profile: str, above: tuple[str, ...]) -> Run | None:
    """The run that a run needs, if any."""
    other = section(params, "runs", name, "needs", need)
    if other == NOTHING:
        return None
    if other not in (known := trained(params)):
        asked = f"runs.{name}.needs.{need} is {other!r}"
        raise InputError(f"params: {asked}; accepted: {', '.join([NOTHING, *known])}")
    return resolve(params, other, profile, (*above, name))


def _part(params: Tree, name: str) -> str:
    """The part of params.yaml that has a section of this name; `runs` if none has."""
    return "pretrained" if name in section(params, "pretrained") else "runs"


def _entry(params: Tree, name: str) -> Section:
    where = _part(params, name)
    return part(params, Entry if where == "runs" else Pretrained, where, name)


def fingerprint(run: Run, size: int) -> str:
    """Hash of everything that a checkpoint of this run depends on in the settings."""
    needs = [fingerprint(need, size) if need else NOTHING for need in (run.start, run.inside)]
    return digest([run.model, run.slot, size, run.settings, needs])


def target_fingerprint(params: Tree, target: Target) -> str:
    """Hash of everything that a target's results depend on in the settings of its run."""
    run = resolve(params, target.run)
    trained = fingerprint(run, section(params, "profiles", run.profile, "slots", run.slot, "size"))
    return trained if target.stage == "evaluate" else digest([trained, target.slot])
