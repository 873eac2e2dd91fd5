"""Runs: a model with all its settings at one profile, trained on the pictures of one slot.

A setting is a value, or a value for each profile: `width: {paper: 32, tiny: 8}`. A profile that is not named takes the
value of the one that it is like: small that of tiny, all others in the end the paper's. So a plain value in its place
holds at every profile.

A variant names another run as its base and gives only its differences. A run may need others: one whose weights it
starts from, and one whose model works inside its own. Networks that exist only to be needed are in `pretrained`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, RootModel

from palimpsest.config.numbers import Seed
from palimpsest.config.yaml import (
    InputError,
    Keys,
    Settings,
    Tree,
    digest,
    dotted,
    each_once,
    merge,
    one_of,
    part,
    section,
)

Kinds = Annotated[list[str], Field(min_length=1), AfterValidator(each_once)]  # of holes
FULL_SCALE = "paper"  # the profile for which every setting has a value
LIKE = {  # the profile whose value a setting takes where it has none for a profile; the paper's for any other
    "tiny": FULL_SCALE,
    "small": "tiny",
    "small-streets": "small",
    "small-faces": "small",
    "photos": FULL_SCALE,
    "paper-streets": FULL_SCALE,
    "paper-faces": FULL_SCALE,
    "paper-pair": FULL_SCALE,
}
PROFILES = (FULL_SCALE, *LIKE)  # for which a setting may have its own value
NOTHING = "nothing"
NO_SEED = 0  # stands for the seed of results that no training of ours made
RELEASED = "released/"  # begins the name of a run whose weights were released: runs/released/<section>


class Seeds(RootModel):
    """A profile's `seeds`."""

    model_config = ConfigDict(strict=True)

    root: Annotated[list[Seed], Field(min_length=1), AfterValidator(each_once)]


class Section(Settings):
    """What the sections of params.yaml's `pretrained` and `runs` have in common.

    A section has a model and all its settings, or a base and its differences from it.
    """

    model: str | None = None  # file in palimpsest/models
    base: str | None = None  # the section with a model whose settings this one starts from
    slot: str  # slot in profiles.<profile>.slots
    settings: Tree = Field(default_factory=dict)


class Pretrained(Section):
    """A section of params.yaml's `pretrained`: trained once for the runs that need it, and not evaluated."""

    frechet_network: Literal["vgg16", "inception"] | None = None  # of a prior's Fréchet distance


class Needs(Settings):
    """What must exist before a run is trained; each may be `nothing`."""

    start: str  # the run or pretrained network from whose weights some of its networks start
    inside: str  # the run or pretrained network whose model works inside its own


class Entry(Section):
    """A section of params.yaml's `runs`."""

    holes: Kinds | None = None  # that it is evaluated on; those of its base when left out
    ablates: str | None = None  # the run of another model that it is an ablation of
    needs: Needs


class Transfer(Settings):
    """A section of params.yaml's `transfers`: a run on the pictures of another slot, or a released network."""

    run: str  # in `runs`, or released/<section of `released`>
    slot: str  # slot in profiles.<profile>.slots
    holes: Kinds


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
    def released(self) -> str:
        """The section of `released` that it measures; "" for a run of ours."""
        return self.run.removeprefix(RELEASED) if self.run.startswith(RELEASED) else ""

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
        raise InputError(f"params.yaml: a run is called {NOTHING!r}, the name of no need; accepted: another name")
    return found


def frechet_network(params: Tree, name: str) -> str | None:
    """The network of a prior's Fréchet distance; none for everything else."""
    entries = [_entry(params, each) for each in (name, base_of(params, name))]
    return next(filter(None, (getattr(entry, "frechet_network", None) for entry in entries)), None)


def target(params: Tree, name: str) -> Target:
    """A run on its own slot; InputError for an unknown run, or one without holes."""
    entry = part(params, Entry, "runs", name)
    kinds = entry.holes or part(params, Entry, "runs", base_of(params, name)).holes
    if kinds is None:
        raise InputError(f"params.yaml: runs.{name}.holes is missing; accepted: the kinds that it is evaluated on")
    return Target(name, name, entry.slot, kinds)


def transfer(params: Tree, name: str) -> Target:
    """A trained run on another slot, or a released network; InputError for an unknown transfer or run."""
    _own_name(params, "transfers", name)
    entry = part(params, Transfer, "transfers", name)
    moved = Target(name, entry.run, entry.slot, entry.holes)
    if moved.released:
        one_of(moved.released, section(params, "released"), f"params.yaml: transfers.{name}.run, {RELEASED}")
        return moved
    one_of(moved.run, names(params), f"params.yaml: transfers.{name}.run")
    if entry.slot == part(params, Entry, "runs", entry.run).slot:
        raise InputError(f"params.yaml: transfers.{name}.slot is {entry.slot!r}, the run's own; accepted: another slot")
    return moved


def targets(params: Tree) -> list[Target]:
    """Everything that is evaluated: each run, then each transfer."""
    moved = [transfer(params, name) for name in section(params, "transfers")]
    return [*(target(params, name) for name in names(params)), *moved]


def _own_name(params: Tree, where: str, name: str) -> None:
    if name in names(params):
        raise InputError(f"params.yaml: {where}.{name} has the name of a run; accepted: a name of its own")


def base_of(params: Tree, name: str) -> str:
    """The section whose settings a run starts from, itself if it has no base; InputError for a base that cannot be."""
    entry, where = _entry(params, name), _part(params, name)
    if (entry.base is None) == (entry.model is None):
        found = "has a model and a base" if entry.model else "has no model and no base"
        raise InputError(f"params.yaml: {where}.{name} {found}; accepted: one of the two")
    if entry.base is None:
        return name
    bases = [other for other, tree in section(params, where).items() if "model" in tree]
    one_of(entry.base, bases, f"params.yaml: {where}.{name}.base")
    return entry.base


def seeds(params: Tree, name: str, profile: str | None = None) -> list[int]:
    """What a run is trained with, one after another: all seeds of a profile for ablations, the first for the rest.

    An ablation is a run that has a base or that `ablates` another; that other run is trained with all seeds too. A run
    without training has the first.
    """
    every = part(params, Seeds, "profiles", profile or section(params, "profile"), "seeds").root
    ablations = {run: (entry.get("base"), entry.get("ablates")) for run, entry in section(params, "runs").items()}
    of_ablation = any(ablations.get(name, ())) or any(name in others for others in ablations.values())
    trains = "schedule" in _entry(params, base_of(params, name)).settings
    return every if of_ablation and trains and _part(params, name) == "runs" else every[:1]


def resolve(params: Tree, name: str, profile: str | None = None, above: tuple[str, ...] = ()) -> Run:
    """The run `name` with every setting at a profile, the active one when left out; and the runs it needs.

    Raises InputError for an unknown run or profile, a setting that the base does not have, or needs in a circle.
    `above` are the runs that need this one.
    """
    if name in above:
        circle = " needs ".join([*above, name])
        raise InputError(f"params.yaml: runs.{above[-1]}.needs: {circle}; accepted: needs without a circle")
    profile = profile or section(params, "profile")
    section(params, "profiles", profile)
    entry, where, base = _entry(params, name), _part(params, name), base_of(params, name)
    at, of_base = f"{where}.{name}.settings", _entry(params, base)
    settings = at_profile(of_base.settings, profile, f"{where}.{base}.settings")
    if base != name:
        settings = merge(settings, at_profile(entry.settings, profile, at, of_base.settings), at)
    one_of(entry.slot, section(params, "profiles", profile, "slots"), f"params.yaml: {where}.{name}.slot")
    if isinstance(entry, Entry) and entry.ablates is not None:
        others = [run for run in section(params, "runs") if run != name]
        one_of(entry.ablates, others, f"params.yaml: {where}.{name}.ablates")
    run = Run(name, of_base.model, entry.slot, profile, settings, at)
    if isinstance(entry, Pretrained):
        return run
    start, inside = (_needed(params, name, need, profile, above) for need in ("start", "inside"))
    return replace(run, start=start, inside=inside)


def at_profile(settings: Any, profile: str, at: str, others: Iterable[str] = ()) -> Any:
    """The settings with one value in place of those for each profile; InputError for a value without the paper's.

    `others` are names that settings beside these have.
    """
    if not isinstance(settings, dict):
        return settings
    if not any(name in settings for name in PROFILES):
        return {
            key: at_profile(value, profile, f"{at}.{key}", [other for other in [*settings, *others] if other != key])
            for key, value in settings.items()
        }
    for key in settings:
        one_of(key, PROFILES, f"params.yaml: {at}")
    if FULL_SCALE not in settings:
        alike = get_close_matches(at.rpartition(".")[2], others, 1)
        meant = f", or did you mean {alike[0]}?" if alike else ""
        found = f"{at}.{FULL_SCALE} is missing beside {', '.join(settings)}"
        raise InputError(f"params.yaml: {found}; accepted: a value for each profile, {FULL_SCALE} among them{meant}")
    return settings[_profile_given(settings, profile)]


def _profile_given(settings: Tree, profile: str) -> str:
    """The profile whose value a setting takes at another one."""
    while profile not in settings and profile != FULL_SCALE:
        profile = LIKE.get(profile, FULL_SCALE)
    return profile


def written(params: Tree, run: Run, keys: Keys) -> str:
    """The dotted name under which params.yaml gives a run's setting: in its section or its base's, for its profile."""
    where, sections = _part(params, run.name), dict.fromkeys([run.name, base_of(params, run.name)])
    places = [_given((where, name, "settings"), _entry(params, name).settings, run.profile) for name in sections]
    for depth, key in enumerate(keys):
        holding = [
            _given((*path, key), tree[key], run.profile)
            for path, tree in places
            if (isinstance(tree, dict) and key in tree) or (isinstance(tree, list) and isinstance(key, int))
        ]
        if not holding:
            return dotted("", (*places[-1][0], *keys[depth:]))
        places = holding if isinstance(holding[0][1], dict) else holding[:1]  # as `merge` does
    return dotted("", places[0][0])


def _given(path: Keys, tree: Any, profile: str) -> tuple[Keys, Any]:
    """The keys that lead to a value, and the value, at a profile."""
    if not isinstance(tree, dict) or not any(name in tree for name in PROFILES):
        return path, tree
    given = _profile_given(tree, profile)
    return (*path, given), tree.get(given)


def _needed(params: Tree, name: str, need: str, profile: str, above: tuple[str, ...]) -> Run | None:
    """The run that a run needs, if any."""
    other = section(params, "runs", name, "needs", need)
    if other == NOTHING:
        return None
    one_of(other, [NOTHING, *trained(params)], f"params.yaml: runs.{name}.needs.{need}")
    return resolve(params, other, profile, (*above, name))


def made_by(params: Tree, name: str) -> str:
    """The stage that makes the weights of a run, pretrained network or released network."""
    if name.startswith(RELEASED):
        return "convert"
    return f"{'pretrain' if _part(params, name) == 'pretrained' else 'train'}@{name}"


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
    size = section(params, "profiles", run.profile, "slots", run.slot, "size")
    trained = digest([fingerprint(run, size), _seeded(params, run)])
    return trained if target.stage == "evaluate" else digest([trained, target.slot])


def _seeded(params: Tree, run: Run) -> list:
    """The seeds of a run and of those that it needs."""
    return [seeds(params, run.name), *(_seeded(params, need) for need in (run.start, run.inside) if need)]
