"""What a run is: a model's settings at the active profile, with a variant's differences, on one slot of its data."""

from dataclasses import dataclass

from pydantic import Field

from palimpsest.config import InputError, Settings, Tree, build, digest, merge, section


class Entry(Settings):
    """One section of params.yaml's `runs`."""

    model: str  # file in palimpsest/models
    data: str  # slot in profiles.<profile>.data
    base: str  # the run whose settings this one starts from; its own name when it holds them all
    settings: Tree  # every setting at paper scale, or a variant's differences
    profiles: dict[str, Tree] = Field(default_factory=dict)  # of a base: what each profile makes smaller


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


def names(params: Tree) -> list[str]:
    return list(section(params, "runs"))


def resolve(params: Tree, name: str, profile: str | None = None) -> Run:
    """The run `name`: base settings, then the profile's, then the variant's differences.

    Raises InputError for an unknown run or profile, a base of another model, or a difference that changes nothing.
    """
    profile = profile or section(params, "profile")
    section(params, "profiles", profile)
    entry = build(Entry, section(params, "runs", name), f"runs.{name}")
    base = build(Entry, section(params, "runs", entry.base), f"runs.{entry.base}")
    if base.base != entry.base or base.model != entry.model:
        raise InputError(
            f"params: runs.{name}.base is {entry.base!r}; accepted: a run of {entry.model} that is its own base"
        )
    scale = section(params, "runs", entry.base, "profiles", profile)
    settings = merge(base.settings, scale, f"runs.{entry.base}.profiles.{profile}")
    if entry.base != name:
        settings = merge(settings, entry.settings, f"runs.{name}.settings")
    section(params, "profiles", profile, "data", entry.data)
    return Run(name, entry.model, entry.data, profile, settings)


def fingerprint(run: Run, size: int) -> str:
    """What a checkpoint must have been made under to stand for this run."""
    return digest([run.model, run.data, size, run.settings])
