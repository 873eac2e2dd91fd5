"""Reads every profile and every run strictly before anything is made."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from palimpsest.config import runs
from palimpsest.config.yaml import InputError, Tree, build, choices, one_of, shown, where_written
from palimpsest.data.catalogue import Dataset, check_accepted, filled_slot, names_of_photographs
from palimpsest.data.shards import SPLITS
from palimpsest.evaluation.external import External, external
from palimpsest.holes.kinds import Holes, fixed_hole
from palimpsest.models import configure, is_prior
from palimpsest.papers.paper import check_runs
from palimpsest.released.catalogue import Network, chosen, run_name
from palimpsest.settings.networks import counted
from palimpsest.settings.params import Params, Profile


def check(tree: Tree, datasets: Mapping[str, Dataset], networks: Mapping[str, Network]) -> Params:
    """Reads every run and released network at every profile; InputError at the first setting that cannot work.

    Holes must fit the pictures, networks must build, and the datasets of the active profile must be available.
    """
    params = build(Params, tree, partial(where_written, tree))
    one_of(params.profile, params.profiles, "params.yaml: profile")
    trained, targets = runs.trained(tree), runs.targets(tree)
    learned = {runs.resolve(tree, name).slot for name in trained}
    _check_slots(params, learned | {target.slot for target in targets}, datasets)
    check_accepted(datasets, params.accepted_terms)
    for slot, crops in params.active.slots.items():
        with _explaining(f"profiles.{params.profile}.slots.{slot}"):
            splits = filled_slot(datasets, crops.dataset, params.accepted_terms).entry.makes()
            if missing := [split for split in (SPLITS if slot in learned else ["test"]) if split not in splits]:
                raise InputError(f"dataset {crops.dataset} has no {missing[0]} split; accepted: a dataset with one")
    for profile, scale in params.profiles.items():
        if scale.study.pictures > (kept := scale.evaluation.samples):
            found = f"profiles.{profile}.study.pictures is {scale.study.pictures}, evaluation.samples {kept}"
            raise InputError(f"params.yaml: {found}; accepted: at most the samples that evaluation keeps")
        for size in {crops.size for crops in scale.slots.values()}:
            _check_holes(params.holes, size)
        for name in trained:
            run = runs.resolve(tree, name, profile)
            _check_run(tree, run, scale, params.holes)
            _check_prior(run, runs.frechet_network(tree, name), name in params.pretrained)
        for target in targets:
            _check_target(target, scale, params.holes)
    for profile in params.profiles:
        for name in params.released:
            _check_released(tree, networks, name, profile)
    check_runs([*trained, *params.transfers])
    rows: dict[tuple[str, str], str] = {}
    for name in params.external:
        entry = external(tree, name)
        _check_external(name, entry, params)
        if (other := rows.setdefault((entry.label, entry.slot), name)) != name:
            found = f"external.{other} and external.{name} share the label {shown(entry.label)} on {entry.slot}"
            raise InputError(f"params.yaml: {found}; accepted: one for each label and slot, with all kinds of holes")
    return params


def _check_slots(params: Params, used: set[str], datasets: Mapping[str, Dataset]) -> None:
    if unused := [slot for slot in params.slots if slot not in used]:
        raise InputError(f"params.yaml: slots: nothing uses {unused[0]}; accepted: {choices(sorted(used), unused[0])}")
    for profile, scale in params.profiles.items():
        if scale.slots.keys() != set(params.slots):
            found = f"profiles.{profile}.slots holds {', '.join(scale.slots) or 'nothing'}"
            raise InputError(f"params.yaml: {found}; accepted: the slots, {', '.join(params.slots)}")
        for slot, crops in scale.slots.items():
            if crops.dataset not in datasets:
                found = f"profiles.{profile}.slots.{slot}.dataset is {shown(crops.dataset)}"
                accepted = choices(names_of_photographs(datasets), crops.dataset)
                raise InputError(f"params.yaml: {found}; accepted: {accepted}")


def _check_holes(holes: Holes, size: int) -> None:
    for kind in holes.names:
        with _explaining(f"holes.kinds.{kind}"):
            fixed_hole(holes, kind, "any", size)


def _check_run(tree: Tree, run: runs.Run, scale: Profile, holes: Holes) -> None:
    config, size = configure(run, partial(runs.written, tree, run)), scale.slots[run.slot].size
    with _explaining(f"{run.at}, profile {run.profile}"):
        counted(run, size)
        for other in filter(None, (run.start, run.inside)):
            if (found := scale.slots[other.slot].size) != size:
                raise InputError(f"needs {other.name}, trained on {found} px; accepted: {size} px, as its own pictures")
    if schedule := getattr(config, "schedule", None):
        with _explaining(f"{run.at}.schedule.hole"):
            if is_prior(run.model) and schedule.hole:
                raise InputError(f"{run.model} with {schedule.hole} holes; accepted: null, as a prior fills no holes")
            if not is_prior(run.model) and not schedule.hole:
                raise InputError(f"{run.model} without holes; accepted: {choices(holes.names, '')}")
            for kind in schedule.holes:
                holes.kind(kind)


def _check_prior(run: runs.Run, frechet_network: str | None, pretrained: bool) -> None:
    """A prior is in `pretrained` and has a Fréchet network; nothing else has one."""
    at = f"params.yaml: pretrained.{run.name}.frechet_network"
    if not is_prior(run.model) and frechet_network:
        raise InputError(f"{at} is {frechet_network}, and {run.model} draws no pictures; accepted: a prior")
    if is_prior(run.model) and not pretrained:
        raise InputError(f"params.yaml: runs.{run.name}: {run.model} fills no holes; accepted: a section of pretrained")
    if is_prior(run.model) and not frechet_network:
        raise InputError(f"{at} is missing; accepted: vgg16, inception")


def _check_target(target: runs.Target, scale: Profile, holes: Holes) -> None:
    at = f"{'runs' if target.stage == 'evaluate' else 'transfers'}.{target.name}"
    with _explaining(f"{at}.slot"):
        if target.slot not in scale.slots:
            raise InputError(f"asked for a slot {shown(target.slot)}; accepted: {choices(scale.slots, target.slot)}")
    _check_kinds(holes, target.holes, f"{at}.holes")


def _check_kinds(holes: Holes, kinds: list[str], at: str) -> None:
    for place, kind in enumerate(kinds):
        with _explaining(f"{at}.{place}"):
            holes.kind(kind)


def _check_released(tree: Tree, networks: Mapping[str, Network], name: str, profile: str) -> None:
    if network := chosen(tree, networks, name, profile):
        with _explaining(f"released.{name}, profile {profile}"):
            counted(network.made(tree, run_name(name)), network.size)


def _check_external(name: str, entry: External, params: Params) -> None:
    one_of(entry.slot, params.active.slots, f"params.yaml: external.{name}.slot")
    _check_kinds(params.holes, entry.holes, f"external.{name}.holes")
    with _explaining(f"external.{name}.results"):
        entry.results.check(entry.holes)


@contextmanager
def _explaining(at: str) -> Iterator[None]:
    """Puts the dotted name of the wrong setting before the text of an InputError that names none."""
    try:
        yield
    except InputError as error:
        if str(error).startswith("params.yaml: "):
            raise
        raise InputError(f"params.yaml: {at}: {error}") from error
