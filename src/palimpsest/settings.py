"""params.yaml as a whole: what each room reads of it, and that nothing else stands there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from palimpsest import data, evaluation, masks, runs, training, weights
from palimpsest.config import InputError, Settings, Tree, build
from palimpsest.models import configure, count_parameters, create


class Profile(Settings):
    """One scale at which every run can be made."""

    data: dict[str, data.Config]
    training: training.Config
    evaluation: evaluation.Config


class Params(Settings):
    """The top level of params.yaml."""

    profile: Literal["tiny", "photos", "paper"]
    profiles: dict[str, Profile]
    holes: masks.Config
    weights: weights.Config
    external: dict[str, runs.External]
    runs: Annotated[dict[str, Tree], Field(min_length=1)]


def check(tree: Tree) -> Params:
    """Reads every profile and every run at every profile; InputError at the first setting that cannot be.

    Holes must fit, networks can be built, and the active profile's datasets must be at hand.
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
        for size in {crops.size for crops in scale.data.values()}:
            _check_holes(params.holes, size)
        for name in names:
            _check_run(runs.resolve(tree, name, profile), runs.holes(tree, name), scale, params.holes)
    for name in params.external:
        _check_external(name, runs.external(tree, name), params)
    active = params.profiles[params.profile]
    for slot, crops in active.data.items():
        with _explaining(f"profiles.{params.profile}.data.{slot}"):
            data.photos(crops.dataset)
    return params


def _check_holes(holes: masks.Config, size: int) -> None:
    for kind in holes.names:
        with _explaining(f"holes.kinds.{kind}"):
            masks.fixed_hole(holes, kind, "any", size)


def _check_run(run: runs.Run, measured_on: list[str], scale: Profile, holes: masks.Config) -> None:
    config, size = configure(run), scale.data[run.data].size
    with _explaining(run.at), torch.device("meta"):
        create(run, size)
    if schedule := getattr(config, "schedule", None):
        with _explaining(f"{run.at}.schedule.hole"):
            holes.kind(schedule.hole)
    with _explaining(f"runs.{run.name}.holes"):
        for kind in measured_on:
            holes.kind(kind)


def _check_external(name: str, entry: runs.External, params: Params) -> None:
    slots = params.profiles[params.profile].data
    with _explaining(f"external.{name}"):
        if entry.data not in slots:
            raise InputError(f"data is {entry.data!r}; accepted: {', '.join(slots)}")
        for kind in entry.holes:
            params.holes.kind(kind)
            if not (folder := Path(entry.folder) / kind).is_dir():
                raise InputError(f"asked for results in {folder}, found no such folder")


@contextmanager
def _explaining(at: str) -> Iterator[None]:
    """Puts the dotted name of what is wrong before an InputError's text."""
    try:
        yield
    except InputError as error:
        raise InputError(f"params: {at}: {error}") from error


def describe(tree: Tree, params: Params) -> dict[str, Tree]:
    """For each run and each set of results made elsewhere: what the tables must know of its settings and networks."""
    described = {name: _describe_run(tree, params, name) for name in runs.names(tree)}
    for name, entry in params.external.items():
        nothing = {"parameters": {}, "parameters_at_paper_scale": {}}
        described[name] = {"settings": entry.fingerprint, **nothing, "label": entry.label, "source": entry.source}
    return described


def _describe_run(tree: Tree, params: Params, name: str) -> Tree:
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
        "label": "",
        "source": "",
    }


def training_inputs(tree: Tree, params: Params, name: str) -> Tree:
    """Every setting that a run's training depends on, and no other."""
    run, scale = runs.resolve(tree, name), params.profiles[params.profile]
    schedule = getattr(configure(run), "schedule", None)
    return {
        "run": asdict(run),
        "crops": scale.data[run.data].model_dump(),
        "holes": params.holes.only([schedule.hole] if schedule else []).model_dump(),
        "training": scale.training.model_dump(),
    }
