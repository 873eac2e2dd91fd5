"""params.yaml as a whole: what each room reads of it, and that nothing else stands there."""

from typing import Literal

import torch

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
    runs: dict[str, Tree]


def check(tree: Tree) -> dict[str, Tree]:
    """Reads every profile and every run at every profile; InputError at the first setting that cannot be.

    The active profile's datasets must be at hand, its holes must fit and its networks can be built. Returns for each
    run: the fingerprint of its settings and the parameters of its networks, at the active profile and the paper's.
    """
    params = build(Params, tree, "")
    if params.profile not in params.profiles:
        raise InputError(f"params: profile is {params.profile!r}; accepted: {', '.join(params.profiles)}")
    for profile in params.profiles:
        for name in runs.names(tree):
            configure(runs.resolve(tree, name, profile))
    active = params.profiles[params.profile]
    for slot, crops in active.data.items():
        try:
            data.photos(crops.dataset)
        except InputError as error:
            raise InputError(f"params: profiles.{params.profile}.data.{slot}: {error}") from error
        for kind in active.holes.kinds:
            masks.fixed_hole(active.holes, kind, "any", crops.size)
    return {name: describe(tree, params, name) for name in runs.names(tree)}


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
