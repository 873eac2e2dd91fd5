"""params.yaml as a whole: what each room reads of it, and that nothing else stands there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from palimpsest import manifests
from palimpsest.config import runs
from palimpsest.config.yaml import InputError, Name, Settings, Tree, build, digest, each_once
from palimpsest.data.catalogue import Dataset, filled_slot
from palimpsest.data.crops import Crops
from palimpsest.data.shards import SPLITS
from palimpsest.evaluation import measure, speed
from palimpsest.evaluation.counting import count_blocks, count_parameters
from palimpsest.holes.kinds import Holes, fixed_hole
from palimpsest.models import configure, create, inherit, is_prior, without_values
from palimpsest.study import design
from palimpsest.training.loop import TrainingConfig
from palimpsest.weights import origins

TAKEN = {"credits", "datasets", "holes", "reports", "training", "weights"}  # folders in data/ that are of no slot


class Profile(Settings):
    """One scale at which every run can be made."""

    slots: dict[str, Crops]
    training: TrainingConfig
    evaluation: measure.EvaluationConfig
    study: design.Config
    benchmark: speed.SpeedConfig


class Params(Settings):
    """The top level of params.yaml."""

    profile: Literal["tiny", "photos", "paper"]
    slots: Annotated[list[Name], Field(min_length=1), AfterValidator(each_once)]  # of data, which each profile fills
    profiles: dict[str, Profile]
    datasets: dict[Name, Dataset]
    holes: Holes
    weights: origins.Config
    transfers: dict[Name, runs.Transfer]
    external: dict[Name, runs.External]
    pretrained: dict[Name, Tree]
    runs: Annotated[dict[Name, Tree], Field(min_length=1)]


def check(tree: Tree) -> Params:
    """Reads every profile and every run at every profile; InputError at the first setting that cannot be.

    Holes must fit, networks can be built, and the active profile's datasets must be at hand.
    """
    params = build(Params, tree, "")
    if params.profile not in params.profiles:
        raise InputError(f"params: profile is {params.profile!r}; accepted: {', '.join(params.profiles)}")
    trained, targets = runs.trained(tree), runs.targets(tree)
    learned = {runs.resolve(tree, name).slot for name in trained}
    _check_slots(params, learned | {target.slot for target in targets})
    active = params.profiles[params.profile]
    for slot, crops in active.slots.items():
        with _explaining(f"profiles.{params.profile}.slots.{slot}"):
            splits = filled_slot(params.datasets, crops.dataset).entry.makes()
            if missing := [split for split in (SPLITS if slot in learned else ["test"]) if split not in splits]:
                raise InputError(f"dataset {crops.dataset} has no {missing[0]} split; accepted: a dataset with one")
    for profile, scale in params.profiles.items():
        if scale.study.pictures > (kept := scale.evaluation.samples):
            found = f"profiles.{profile}.study.pictures is {scale.study.pictures}, evaluation.samples {kept}"
            raise InputError(f"params: {found}; accepted: at most as many pictures as evaluation keeps")
        for size in {crops.size for crops in scale.slots.values()}:
            _check_holes(params.holes, size)
        for name in trained:
            run = runs.resolve(tree, name, profile)
            _check_run(run, scale, params.holes)
            _check_prior(run, runs.frechet_network(tree, name), name in params.pretrained)
        for target in targets:
            _check_target(target, scale, params.holes)
    rows: dict[tuple[str, str], str] = {}
    for name in params.external:
        entry = runs.external(tree, name)
        _check_external(name, entry, params)
        if (other := rows.setdefault((entry.label, entry.slot), name)) != name:
            found = f"external.{other} and external.{name} share the label {entry.label!r} on {entry.slot}"
            raise InputError(f"params: {found}; accepted: one entry a label and slot, with all its kinds of holes")
    return params


def _check_slots(params: Params, used: set[str]) -> None:
    if taken := [slot for slot in params.slots if slot in TAKEN]:
        raise InputError(f"params: slots: {taken[0]} is the name of another folder in data/; accepted: another")
    if unused := [slot for slot in params.slots if slot not in used]:
        raise InputError(f"params: slots: nothing uses {unused[0]}; accepted: {', '.join(sorted(used))}")
    for profile, scale in params.profiles.items():
        if scale.slots.keys() != set(params.slots):
            found = f"profiles.{profile}.slots holds {', '.join(scale.slots) or 'nothing'}"
            raise InputError(f"params: {found}; accepted: the slots, {', '.join(params.slots)}")
        for slot, crops in scale.slots.items():
            if crops.dataset not in params.datasets:
                found = f"profiles.{profile}.slots.{slot}.dataset is {crops.dataset!r}"
                raise InputError(f"params: {found}; accepted: {', '.join(params.datasets)}")


def _check_holes(holes: Holes, size: int) -> None:
    for kind in holes.names:
        with _explaining(f"holes.kinds.{kind}"):
            fixed_hole(holes, kind, "any", size)


def _check_run(run: runs.Run, scale: Profile, holes: Holes) -> None:
    config, size = configure(run), scale.slots[run.slot].size
    with _explaining(f"{run.at}, profile {run.profile}"):
        _counted(json.dumps(asdict(run)), size)
        for other in filter(None, (run.start, run.inside)):
            if (found := scale.slots[other.slot].size) != size:
                raise InputError(f"needs {other.name}, of pictures of {found} px; accepted: of {size} px, as its own")
    if schedule := getattr(config, "schedule", None):
        with _explaining(f"{run.at}.schedule.hole"):
            if is_prior(run.model) and schedule.hole:
                raise InputError(f"{run.model} with {schedule.hole} holes; accepted: null, as a prior fills none")
            if not is_prior(run.model) and not schedule.hole:
                raise InputError(f"{run.model} without holes; accepted: {', '.join(holes.names)}")
            for kind in schedule.holes:
                holes.kind(kind)


def _check_prior(run: runs.Run, frechet_network: str, pretrained: bool) -> None:
    """A prior is pretrained for others and has a frechet_network; nothing else has one."""
    if not is_prior(run.model) and frechet_network != runs.NOTHING:
        raise InputError(
            f"params: pretrained.{run.name}.frechet_network is {frechet_network}; accepted for {run.model}: {runs.NOTHING}"
        )
    if is_prior(run.model) and not pretrained:
        raise InputError(f"params: runs.{run.name}: {run.model} fills no holes; accepted: a section of pretrained")
    if is_prior(run.model) and frechet_network == runs.NOTHING:
        raise InputError(
            f"params: pretrained.{run.name}.frechet_network is {frechet_network}; accepted for {run.model}: vgg16, inception"
        )


@cache
def _counted(run: str, size: int) -> Tree:
    """Parameters and blocks of a run's networks, which are built without memory: a few hundred ms, so once for each."""
    resolved = runs.Run.read(json.loads(run))
    with without_values():
        model = create(resolved, size)
        if resolved.start:
            inherit(model, create(resolved.start, size))
        return {"parameters": count_parameters(model), "blocks": count_blocks(model)}


def _check_target(target: runs.Target, scale: Profile, holes: Holes) -> None:
    at = f"{'runs' if target.stage == 'evaluate' else 'transfers'}.{target.name}"
    with _explaining(f"{at}.slot"):
        if target.slot not in scale.slots:
            raise InputError(f"asked for a slot {target.slot!r}; accepted: {', '.join(scale.slots)}")
    with _explaining(f"{at}.holes"):
        for kind in target.holes:
            holes.kind(kind)


def _check_external(name: str, entry: runs.External, params: Params) -> None:
    slots = params.profiles[params.profile].slots
    with _explaining(f"external.{name}"):
        if entry.slot not in slots:
            raise InputError(f"slot is {entry.slot!r}; accepted: {', '.join(slots)}")
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
    nothing = {"parameters": {}, "parameters_at_paper_scale": {}, "blocks": {}, "label": "", "source": ""}
    described = {
        target.name: {
            **nothing,
            "settings": runs.target_fingerprint(tree, target),
            "stage": target.stage,
            "run": asdict(runs.resolve(tree, target.run)),
            "measured": _measured(params, target.holes),
        }
        for target in runs.targets(tree)
    }
    for name in runs.names(tree):
        described[name] |= _count_run(tree, params, name)
    for name, entry in params.external.items():
        described[name] = {
            **nothing,
            "settings": entry.fingerprint,
            "stage": "external",
            "run": entry.model_dump(),
            "measured": _measured(params, entry.holes),
            "label": entry.label,
            "source": entry.source,
        }
    return described


def _measured(params: Params, kinds: list[str]) -> Tree:
    """How results are measured on holes of some kinds."""
    measure = params.profiles[params.profile].evaluation
    return {"evaluation": measure.model_dump(), "holes": params.holes.only(kinds).model_dump()}


def _count_run(tree: Tree, params: Params, name: str) -> Tree:
    found = {}
    for profile in ("paper", params.profile):
        run = runs.resolve(tree, name, profile)
        found[profile] = _counted(json.dumps(asdict(run)), params.profiles[profile].slots[run.slot].size)
    at_paper_scale = found["paper"]["parameters"]
    return {**found[params.profile], "parameters_at_paper_scale": at_paper_scale}


def _code_inside(run: runs.Run) -> Tree:
    """The source files of the models that work inside a run's; its own are its stages' dependencies."""
    return {} if run.inside is None else manifests.manifest("train", [run.inside.model]) | _code_inside(run.inside)


def training_inputs(tree: Tree, params: Params, name: str) -> Tree:
    """Every setting that a run's training depends on, and no other; and the code of the models inside it."""
    run, scale = runs.resolve(tree, name), params.profiles[params.profile]
    schedule = getattr(configure(run), "schedule", None)
    return {
        "run": asdict(run),
        "code inside": digest(_code_inside(run)),
        "crops": scale.slots[run.slot].model_dump(),
        "frechet_network": runs.frechet_network(tree, name),
        "holes": params.holes.only(schedule.holes if schedule else []).model_dump(),
        "training": scale.training.model_dump(),
    }
