"""What each stage is given: the settings that it reads and the manifest of its source files, and nothing else."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

from palimpsest.config import runs
from palimpsest.config.runs import FULL_SCALE, Run, Target
from palimpsest.config.yaml import Tree, digest
from palimpsest.data.catalogue import Dataset, filled_slot
from palimpsest.evaluation.external import External
from palimpsest.manifests import MODELS, Manifest, manifest, published_hash
from palimpsest.models import configure
from palimpsest.papers.paper import benchmarked
from palimpsest.released import catalogue
from palimpsest.released.catalogue import Network
from palimpsest.settings.networks import counted
from palimpsest.settings.params import Params

ONCE = ["tables", "figures", "gallery", "report"]  # stages without settings of their own


def resolve_all(
    tree: Tree, params: Params, datasets: Mapping[str, Dataset], networks: Mapping[str, Network]
) -> Iterator[tuple[str, str, Tree]]:
    """(stage, name of its instance, what it depends on besides its data) of every stage but `check`."""
    active = params.active
    for slot, crops in active.slots.items():
        filled = filled_slot(datasets, crops.dataset, params.accepted_terms).model_dump()
        yield "download", slot, {"code": manifest("download"), "slot": filled}
        yield "split", slot, {"code": manifest("split"), "slot": filled, "crops": crops.model_dump()}
        yield "holes", slot, {"code": manifest("holes"), "holes": params.holes.model_dump()}
        yield "reference", slot, {"code": manifest("reference")}
    yield "weights", "", {"code": manifest("weights"), "weights": params.weights.model_dump()}
    for name in params.pretrained:
        yield "pretrain", name, training(tree, params, "pretrain", name)
    for name in params.runs:
        yield "train", name, training(tree, params, "train", name)
    evaluated = [Evaluated.of(tree, params, networks, target) for target in runs.targets(tree)]
    yield "convert", "", _converted(tree, params, networks, evaluated)
    for each in evaluated:
        yield each.target.stage, each.target.name, _evaluation(params, each)
    for name, entry in params.external.items():
        yield "external", name, external(params, entry)
    timed = _timed(tree, params)
    architectures = {name: asdict(run) for name, run in timed.items()}
    yield "architectures", "", {"code": manifest("architectures", MODELS), "runs": architectures}
    yield "benchmark", "", _benchmark(params, timed)
    published = published_hash()
    yield "study", "", {"code": manifest("study"), "published": published, "study": active.study.model_dump()}
    yield from ((stage, "", {"code": manifest(stage), "published": published}) for stage in ONCE)
    yield "runs", "", describe(tree, params, evaluated)


def code_of(stage: str, run: Run) -> Manifest:
    """The source files that a stage runs for a run: its method's, and those of every run that it needs there."""
    return manifest(stage, {each.model for each in _loaded(run, with_start=stage == "train")})


def _loaded(run: Run, with_start: bool) -> Iterator[Run]:
    """A run and all whose models are built with it: those inside, and in training that from which it starts."""
    yield run
    for need in filter(None, (run.inside, run.start if with_start else None)):
        yield from _loaded(need, with_start=False)


def training(tree: Tree, params: Params, stage: str, name: str) -> Tree:
    run = runs.resolve(tree, name)
    schedule = getattr(configure(run), "schedule", None)
    return {
        "code": code_of(stage, run),
        "run": asdict(run),
        "seeds": runs.seeds(tree, name),
        "frechet_network": runs.frechet_network(tree, name),
        "crops": params.active.slots[run.slot].model_dump(),
        "holes": params.holes.only(schedule.holes if schedule else []).model_dump(),
        "training": params.active.training.model_dump(),
    }


@dataclass(frozen=True)
class Evaluated:
    """A target, with the run that it measures."""

    target: Target
    run: Run
    seeds: list[int]  # of the run; NO_SEED for a released network
    settings: str  # fingerprint
    absent: str = ""  # why a released network is not measured; "" where it is
    label: str = ""  # of a released network's rows
    beside: str = ""  # the run of ours beneath which its rows stand; "" for none
    as_published: bool = False  # whether its paper's authors trained it, on the data that this run is for

    @classmethod
    def of(cls, tree: Tree, params: Params, networks: Mapping[str, Network], target: Target) -> Self:
        if not (name := target.released):
            run, seeds = runs.resolve(tree, target.run), runs.seeds(tree, target.run)
            return cls(target, run, seeds, runs.target_fingerprint(tree, target))
        entry, slots = catalogue.at(tree, name, params.profile), params.active.slots
        network, run = _released(tree, params, networks, name)
        beside = next(layout.run for layout in network.layouts.values()) or ""
        return cls(
            target,
            run,
            [runs.NO_SEED],
            digest([asdict(run), network.model_dump(), target.slot, slots[target.slot].size]),
            catalogue.why_absent(tree, networks, name, params.profile, slots[target.slot].size),
            entry.label,
            beside,
            beside != "" and network.authors and network.trained_on == slots[runs.resolve(tree, beside).slot].dataset,
        )


def _released(tree: Tree, params: Params, networks: Mapping[str, Network], name: str) -> tuple[Network, Run]:
    """The network of a section of `released`, and its run; where the profile has none, those of the paper's scale."""
    scales = (params.profile, FULL_SCALE)
    network = next(filter(None, (catalogue.chosen(tree, networks, name, scale) for scale in scales)))
    return network, replace(network.made(tree, catalogue.run_name(name)), profile=params.profile)


def _converted(tree: Tree, params: Params, networks: Mapping[str, Network], evaluated: Iterable[Evaluated]) -> Tree:
    """What `convert` makes checkpoints of: the networks that are measured; and why it makes none of the others."""
    absent = dict.fromkeys(params.released, "no transfer measures it")
    measured = {}
    for each in evaluated:
        if (name := each.target.released) and each.absent:
            absent[name] = each.absent
        elif name:
            network = catalogue.at(tree, name, params.profile).network
            measured[name] = {"name": network, "network": networks[network].model_dump(), "run": asdict(each.run)}
    return {
        "code": manifest("convert", {tree["run"]["model"] for tree in measured.values()}),
        "released": measured,
        "absent": {name: why for name, why in absent.items() if name not in measured},
    }


def _evaluation(params: Params, each: Evaluated) -> Tree:
    return {
        "code": code_of(each.target.stage, each.run),
        "run": asdict(each.run),
        "seeds": each.seeds,
        "settings": each.settings,
        "absent": each.absent,
        "slot": each.target.slot,
        "dataset": params.active.slots[each.target.slot].dataset,
        "holes": each.target.holes,
        "evaluation": params.active.evaluation.model_dump(),
    }


def external(params: Params, entry: External) -> Tree:
    return {
        "code": manifest("external"),
        "profile": params.profile,
        "settings": entry.fingerprint,
        "slot": entry.slot,
        "dataset": params.active.slots[entry.slot].dataset,
        "holes": entry.holes,
        "results": entry.results.model_dump(),
        "evaluation": params.active.evaluation.model_dump(),
    }


def _timed(tree: Tree, params: Params) -> dict[str, Run]:
    """Every run that some table or figure times, at the paper's scale."""
    return {name: runs.resolve(tree, name, FULL_SCALE) for name in benchmarked() if name in params.runs}


def _benchmark(params: Params, timed: Mapping[str, Run]) -> Tree:
    """How speed is measured, and the code that fills the holes of each run that is timed."""
    return {
        "code": manifest("benchmark", MODELS),
        "benchmark": params.active.benchmark.model_dump(),
        "fills": {name: digest(code_of("benchmark", run)) for name, run in timed.items()},
    }


def describe(tree: Tree, params: Params, evaluated: Iterable[Evaluated]) -> dict[str, Tree]:
    """For each run, transfer and external result what tables and pages must know of its settings, code and networks."""
    uncounted = {"parameters": {}, "parameters_at_paper_scale": {}, "blocks": {}}
    described = {
        each.target.name: {
            **uncounted,
            "settings": each.settings,
            "code": digest(code_of(each.target.stage, each.run)),
            "stage": each.target.stage,
            "run": asdict(each.run),
            "measured": _measured(params, each.target.holes),
            "label": each.label,
            "source": "",
            "beside": each.beside,
            "as_published": each.as_published,
        }
        for each in evaluated
    }
    for name in params.runs:
        described[name] |= _count_run(tree, params, name)
    for name, entry in params.external.items():
        described[name] = {
            **uncounted,
            "settings": entry.fingerprint,
            "code": digest(manifest("external")),
            "stage": "external",
            "run": entry.model_dump(),
            "measured": _measured(params, entry.holes),
            "label": entry.label,
            "source": entry.source,
            "beside": "",
            "as_published": False,
        }
    return described


def _measured(params: Params, kinds: list[str]) -> Tree:
    """How results are measured on holes of some kinds."""
    return {"evaluation": params.active.evaluation.model_dump(), "holes": params.holes.only(kinds).model_dump()}


def _count_run(tree: Tree, params: Params, name: str) -> Tree:
    found = {}
    for profile in (FULL_SCALE, params.profile):
        run = runs.resolve(tree, name, profile)
        found[profile] = counted(run, params.profiles[profile].slots[run.slot].size)
    return {**found[params.profile], "parameters_at_paper_scale": found[FULL_SCALE]["parameters"]}
