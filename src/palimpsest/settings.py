"""params.yaml as a whole: what each room reads of it, and that nothing else stands there."""

from typing import Literal

import torch

from palimpsest import data, evaluation, masks, runs, training
from palimpsest.config import InputError, Settings, Tree, build
from palimpsest.models import configure, create


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


def check(tree: Tree) -> dict[str, str]:
    """Reads every profile and every run at every profile; InputError at the first setting that cannot be.

    The active profile's datasets must be at hand, its holes must fit and its networks can be built. Returns each run's
    fingerprint at the active profile.
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
    fingerprints = {}
    for name in runs.names(tree):
        run = runs.resolve(tree, name)
        size = active.data[run.data].size
        with torch.device("meta"):
            create(run, size)
        fingerprints[name] = runs.fingerprint(run, size)
    return fingerprints
