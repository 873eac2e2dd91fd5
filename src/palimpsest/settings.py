"""params.yaml as a whole: what each room reads of it, and that nothing else stands there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import torch
from pydantic import Field

from palimpsest import data, evaluation, masks, runs, training
from palimpsest.config import InputError, Settings, Tree, build
from palimpsest.models import configure, count_parameters, create


class Profile(Settings):
    """One scale at which every run can be made."""

    data: dict[str, data.Config]
    holes: masks.Config
    training: training.Config
    evaluation: evaluation.Config


class Params(Settings):
    """The top level of params.yaml."""

    profile: Literal["tiny", "photos", "paper"]
    profiles: dict[str, Profile]
    runs: Annotated[dict[str, Tree], Field(min_length=1)]


def check(tree: Tree) -> dict[str, Tree]:
    """Reads every profile and every run at every profile; InputError at the first setting that cannot be.

    Holes must fit, networks can be built, and the active profile's datasets must be at hand. Returns for each run:
    the fingerprint of its settings and the parameters of its networks, at the active profile and the paper's.
    """
    params = build(Params, tree, "")
    if params.profile not in params.profiles:
        raise InputError(f"params: profile is {params.profile!r}; accepted: {', '.join(params.profiles)}")
    names = runs.names(tree)
    used = {runs.resolve(tree, name).data for name in names}
    for profile, scale in params.profiles.items():
        if unused := set(scale.data) - used:
            raise InputError(
                f"params: profiles.{profile}.data.{min(unused)}: no run uses it; accepted: {', '.join(used)}"
            )
        for name in names:
            _check_run(runs.resolve(tree, name, profile), scale)
    active = params.profiles[params.profile]
    for slot, crops in active.data.items():
        with _explaining(f"profiles.{params.profile}.data.{slot}"):
            data.photos(crops.dataset)
    return {name: describe(tree, params, name) for name in runs.names(tree)}


def _check_run(run: runs.Run, scale: Profile) -> None:
    config, size = configure(run), scale.data[run.data].size
    with _explaining(run.at), torch.device("meta"):
        create(run, size)
    if schedule := getattr(config, "schedule", None):
        with _explaining(f"{run.at}.schedule.hole"):
            scale.holes.kind(schedule.hole)
    for kind in scale.holes.kinds:
        with _explaining(f"profiles.{run.profile}.holes.{kind}"):
            masks.fixed_hole(scale.holes, kind, "any", size)


@contextmanager
def _explaining(at: str) -> Iterator[None]:
    """Puts the dotted name of what is wrong before an InputError's text."""
    try:
        yield
    except InputError as error:
        raise InputError(f"params: {at}: {error}") from error


def describe(tree: Tree, params: Params, name: str) -> Tree:
    """A run's fingerprint and parameter counts, from networks that hold no numbers."""
    counts, fingerprints = {}, {}
    for profile in (params.profile, "paper"):
        run = runs.resolve(tree, name, profile)
        size = params.profiles[profile].data[run.data].size
        with torch.device("meta"):
            counts[profile] = count_parameters(create(run, size))
        fingerprints[profile] = runs.fingerprint(run, size)
    return {
        "settings": fingerprints[params.profile],
        "parameters": counts[params.profile],
        "parameters_at_paper_scale": counts["paper"],
    }
