"""What each stage is given: the settings that it reads and the manifest of its source files, and nothing else."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from palimpsest.config import runs
from palimpsest.config.runs import FULL_SCALE, Run, Target
from palimpsest.config.yaml import Tree, digest
from palimpsest.data.catalogue import Dataset, filled_slot
from palimpsest.evaluation.external import External
from palimpsest.manifests import MODELS, Manifest, manifest, published_hash
from palimpsest.models import configure
from palimpsest.papers.paper import benchmarked
from palimpsest.settings.networks import counted
from palimpsest.settings.params import Params

ONCE = ["tables", "figures", "gallery", "report"]  # stages without settings of their own


def resolve_all(tree: Tree, params: Params, datasets: Mapping[str, Dataset]) -> Iterator[tuple[str, str, Tree]]:
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
    for target in runs.targets(tree):
        yield target.stage, target.name, _evaluation(tree, params, target)
    for name, entry in params.external.items():
        yield "external", name, external(params, entry)
    timed = _timed(tree, params)
    architectures = {name: asdict(run) for name, run in timed.items()}
    yield "architectures", "", {"code": manifest("architectures", MODELS), "runs": architectures}
    yield "benchmark", "", _benchmark(params, timed)
    published = published_hash()
    yield "study", "", {"code": manifest("study"), "published": published, "study": active.study.model_dump()}
    yield from ((stage, "", {"code": manifest(stage), "published": published}) for stage in ONCE)
    yield "runs", "", describe(tree, params)


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
        "frechet_network": runs.frechet_network(tree, name),
        "crops": params.active.slots[run.slot].model_dump(),
        "holes": params.holes.only(schedule.holes if schedule else []).model_dump(),
        "training": params.active.training.model_dump(),
    }


def _evaluation(tree: Tree, params: Params, target: Target) -> Tree:
    run = runs.resolve(tree, target.run)
    return {
        "code": code_of(target.stage, run),
        "run": asdict(run),
        "settings": runs.target_fingerprint(tree, target),
        "slot": target.slot,
        "dataset": params.active.slots[target.slot].dataset,
        "holes": target.holes,
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


def describe(tree: Tree, params: Params) -> dict[str, Tree]:
    """For each run, transfer and external result what tables and pages must know of its settings, code and networks."""
    nothing = {"parameters": {}, "parameters_at_paper_scale": {}, "blocks": {}, "label": "", "source": ""}
    described = {
        target.name: {
            **nothing,
            "settings": runs.target_fingerprint(tree, target),
            "code": digest(code_of(target.stage, runs.resolve(tree, target.run))),
            "stage": target.stage,
            "run": asdict(runs.resolve(tree, target.run)),
            "measured": _measured(params, target.holes),
        }
        for target in runs.targets(tree)
    }
    for name in params.runs:
        described[name] |= _count_run(tree, params, name)
    for name, entry in params.external.items():
        described[name] = {
            **nothing,
            "settings": entry.fingerprint,
            "code": digest(manifest("external")),
            "stage": "external",
            "run": entry.model_dump(),
            "measured": _measured(params, entry.holes),
            "label": entry.label,
            "source": entry.source,
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
