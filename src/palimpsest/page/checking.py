"""Checks a record, as the reviewer of a pull request needs it: whatever is wrong is one line with file and key."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image
from pydantic import BaseModel

from palimpsest.claims.formats import COLUMNS, to_csv
from palimpsest.claims.ledger import read_ledger
from palimpsest.config import runs
from palimpsest.config.runs import Target
from palimpsest.config.yaml import InputError, Tree, build, choices, read_yaml, section, shown
from palimpsest.data.catalogue import read_catalogue
from palimpsest.data.listed import Listed
from palimpsest.metrics.aggregate import defined_mean
from palimpsest.page.recording import GAP, LEDGER, PICTURES, SIDE, WIDEST, strip_names
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import read_papers
from palimpsest.results.headline import Row, rows
from palimpsest.results.measured import Result
from palimpsest.results.records import CURVES, STAGES, Errors, Kept, Record, read_once, read_record, weigh

CLOSE = 1e-4  # relative: further than float32, or another machine's last digits, move a number
NORMAL = 1.96  # standard errors from the mean to each end of a 95 % interval
MOVED = 0.8  # of this: further than the drawing of pictures, whose order is not on record, moves an end
INFINITE = "psnr"  # in the names of metrics that a perfect result makes infinite
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # of a picture
LINES = 5  # about one ledger, at most


@dataclass(frozen=True)
class Known:
    """What a project has, of which a record may speak."""

    params: Tree
    stages: list[str]
    public: list[str]  # datasets whose pictures may be passed on

    @classmethod
    def read(cls, root: Path) -> Self:
        params, datasets = read_yaml(root / "params.yaml"), read_catalogue(root / "datasets.yaml")
        stages = section(read_yaml(root / "dvc.yaml"), "stages")
        listed = [name for name, dataset in datasets.items() if isinstance(dataset, Listed)]
        return cls(params, [name for stage in stages for name in _expanded(stage, stages[stage], params)], listed)


def _expanded(stage: str, described: Tree, params: Tree) -> Iterator[str]:
    """The names of a stage of dvc.yaml, which has one for each item of a section of params.yaml, or one in all."""
    if items := described.get("foreach"):
        yield from (f"{stage}@{item}" for item in section(params, items.removeprefix("${").removesuffix("}")))
    else:
        yield stage


class Phase(BaseModel):
    """Of the settings of a training, which have much else, and of what follows, only what is checked."""

    iterations: int


class Schedule(BaseModel):
    phases: list[Phase] = []


class Scheduled(BaseModel):
    schedule: Schedule = Schedule()


class Training(BaseModel):
    """A run, with those that it needs."""

    name: str
    model: str
    settings: Scheduled = Scheduled()
    start: Self | None = None
    inside: Self | None = None

    @property
    def iterations(self) -> int:
        return sum(phase.iterations for phase in self.settings.schedule.phases)

    def all(self, seeds: list[int]) -> Iterator[tuple[Self, list[int]]]:
        """Itself with its seeds, and those that it needs, with the first."""
        yield self, seeds
        for need in filter(None, (self.start, self.inside)):
            yield from need.all(seeds[:1])


def check(folder: Path, known: Known) -> list[str]:
    """What is wrong with a record, a line each."""
    errors = Errors()
    with errors.caught():
        record = read_record(folder)
    if errors:
        return errors
    checks = (
        *(check_about, check_files, check_runs, check_curves, check_holes),
        *(check_values, check_ledger, check_pictures),
    )
    return [line for each in checks for line in each(record, known)]


def check_about(record: Record, known: Known) -> Iterator[str]:
    path, about = record.folder / "record.json", record.about
    if about.profile not in (profiles := section(known.params, "profiles")):
        yield f"{path}: profile is {about.profile!r}; accepted: {choices(profiles, about.profile)}"
    if not record.kept:
        yield f"{record.folder}/runs: found no run; accepted: one or more"
    for slot in about.slots.keys() - {each.result.slot for each in record.kept.values()}:
        yield f"{path}: slots.{slot}: found no run on it; accepted: slots with runs"
    dates = [each.made.date for each in record.kept.values()]
    if dates and about.date < max(dates):
        yield f"{path}: date is {about.date!r}; accepted: that of the last part, {max(dates)} or later"
    for stage in record.seconds.keys() - set(known.stages):
        yield f"{record.folder / STAGES}: found {shown(stage)}; accepted: {choices(known.stages, stage)}"


def check_files(record: Record, known: Known) -> Iterator[str]:
    belong = {"record.json", "benchmark.json", STAGES, CURVES, LEDGER}
    belong |= {f"runs/{run}.{ending}" for run in record.kept for ending in ("json", "npz")}
    belong |= {_strip(name) for row in _pictured(record, known) for name in strip_names(row)}
    found = weigh(record.folder).keys()
    for name in sorted(found - belong):
        yield f"{record.folder / name}: does not belong to this record; accepted: no such file"
    for name in sorted(belong - found):
        yield f"{record.folder / name}: not found"


def _pictured(record: Record, known: Known) -> Iterator[Row]:
    """The papers' own methods of which a record has pictures."""
    measured = record.measured
    for row in rows():
        if row.run in measured.kept(row.slot, row.hole) and measured.pictures(row.slot).dataset in known.public:
            yield row


def _strip(name: str) -> str:
    return f"pictures/{name}.png"


def check_runs(record: Record, known: Known) -> Iterator[str]:
    targets = {target.name: target for target in runs.targets(known.params)}
    for run, kept in record.kept.items():
        path, result = record.folder / "runs" / f"{run}.json", kept.result
        if result.run != run:
            yield f"{path}: result.run is {result.run!r}; accepted: {run}"
        if run not in targets:
            yield f"{path}: run {run!r} is not in params.yaml; accepted: its runs and transfers"
            continue
        if result.slot != targets[run].slot:
            yield f"{path}: result.slot is {result.slot!r}; accepted: {targets[run].slot}"
        for hole in result.holes.keys() - {f"{kind}{of}" for kind in targets[run].holes for of in ("", "/pieced")}:
            yield f"{path}: result.holes.{hole} is not evaluated; accepted: {choices(targets[run].holes, hole)}"
        if result.settings != kept.described.settings:
            yield f"{path}: result.settings is {result.settings!r}; accepted: described.settings"
        yield from (f"{path}: {line}" for line in _described(kept, targets[run]))


def _described(kept: Kept, target: Target) -> Iterator[str]:
    """What is wrong with how a run is described; nothing where `check_curves` says that it cannot be read."""
    described, errors = kept.described, Errors()
    if described.stage != target.stage:
        yield f"described.stage is {described.stage!r}; accepted: {target.stage}"
    with errors.caught():
        training = build(Training, described.run, "")
        if training.name != target.run:
            yield f"described.run.name is {shown(training.name)}; accepted: {target.run}"
        if training.model != kept.result.model:
            yield f"result.model is {shown(kept.result.model)}; accepted: described.run.model, {shown(training.model)}"
        if described.stage == "evaluate" and training.iterations and not any(described.parameters.values()):
            yield "described.parameters has none; accepted: those of what the run trains"


def check_curves(record: Record, _: Known) -> Iterator[str]:
    """Whether each is of a training that led to what is on record, and ends with it."""
    path, errors, trained = record.folder / CURVES, Errors(), {}
    for run, kept in record.kept.items():
        with errors.caught():
            described = build(Training, kept.described.run, "described.run", f"{record.folder}/runs/{run}.json")
            for training, seeds in described.all(kept.result.seeds) if kept.described.stage == "evaluate" else ():
                if training.iterations:
                    before, last = trained.get(training.name, (set(), 0))
                    trained[training.name] = (before | set(seeds), max(last, training.iterations))
    if errors:
        yield from errors
        return
    accepted = list(trained) or ["none, as no run on record has one"]
    for run in dict.fromkeys(run for run, _ in record.curves if run not in trained):
        yield f"{path}: found run {shown(run)}, which no training on record has; accepted: {choices(accepted, run)}"
    for (run, seed), points in record.curves.items():
        seeds, last = trained.get(run, ({seed}, math.inf))
        if seed not in seeds:
            yield f"{path}: {run}: found seed {seed}; accepted: {choices(sorted(seeds), seed)}"
        elif wrong := [iteration for iteration, _ in points if not 0 < iteration <= last]:
            yield f"{path}: {run}: found iteration {wrong[0]}; accepted: 1 to {last}"


def check_holes(record: Record, _: Known) -> Iterator[str]:
    """Whether holes of a kind are as large for every run on the pictures of a slot."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for run, kept in record.kept.items():
        for hole, ratio in kept.result.hole_ratios.items():
            at = f"{record.folder}/runs/{run}.json: result.hole_ratios.{hole}"
            found.setdefault((kept.result.slot, hole.partition("/")[0]), {})[at] = ratio
    for ratios in found.values():
        usual = Counter(ratios.values()).most_common(1)[0][0]
        for at, ratio in ratios.items():
            if not _alike(ratio, usual):
                yield f"{at} is {ratio}; accepted: {usual}, as its like"


def check_values(record: Record, _: Known) -> Iterator[str]:
    """Whether every mean is a number, that of its seeds and of the single values, and within its interval."""
    metrics = read_metrics()
    for run, kept in record.kept.items():
        path = record.folder / "runs" / f"{run}.json"
        for hole, means in kept.result.holes.items():
            for metric, mean in means.items():
                at = f"{path}: result.holes.{hole}.{metric}"
                if metric not in metrics:
                    yield f"{at} is not a metric of metrics.yaml"
                elif math.isnan(mean) and kept.result.aggregate(hole, metric).count:
                    yield f"{at} is no number; accepted: a number, where a picture has a value"
                elif _infinite(metric, mean):
                    yield f"{at} is {mean}; accepted: a finite number"
                else:
                    yield from (f"{path}: result.{line}" for line in _against_itself(kept.result, hole, metric))
        for hole, found in record.measured.values(run).items():
            for metric, values in found.items():
                if _infinite(metric, values):
                    yield f"{path.with_suffix('.npz')}: {hole}, {metric}: found infinite values; accepted: finite ones"
                else:
                    wrong = _against_values(kept.result, hole, metric, values)
                    yield from (f"{path}: result.{line} of its values" for line in wrong)


def _infinite(metric: str, numbers: np.ndarray | float) -> bool:
    """Whether some number is infinite that cannot be."""
    return bool(np.isneginf(numbers).any() or (INFINITE not in metric and np.isinf(numbers).any()))


def _against_itself(result: Result, hole: str, metric: str) -> Iterator[str]:
    """What is wrong with a mean that can be seen without single values."""
    said, seeds = result.aggregate(hole, metric), result.by_seed[hole][metric]
    if not said.undefined and not _alike(sum(seeds) / len(seeds), said.mean):
        yield f"by_seed.{hole}.{metric} is {shown(seeds)}; accepted: numbers whose mean is {said.mean}"
    if said.low is not None and not _between(said.low, said.mean, said.high):
        yield f"intervals.{hole}.{metric} is {said.low} to {said.high}; accepted: about the mean, {said.mean}"


def _against_values(result: Result, hole: str, metric: str, values: np.ndarray) -> Iterator[str]:
    """What is wrong with a mean whose single values, (seeds, N), are kept."""
    at, said, each = f"{hole}.{metric}", result.aggregate(hole, metric), values.mean(0)
    defined, mean = each[~np.isnan(each)], defined_mean(each)
    if not _alike(mean, said.mean):
        yield f"holes.{at} is {said.mean}; accepted: {mean:.6g}, the mean"
    for seed, found, wanted in zip(result.seeds, result.by_seed[hole][metric], map(defined_mean, values), strict=True):
        if not _alike(found, wanted):
            yield f"by_seed.{at} is {found} with seed {seed}; accepted: {wanted:.6g}, the mean"
    if said.low is None:
        yield f"intervals.{at} is missing; accepted: the interval"
    elif len(defined) != said.count:
        yield f"intervals.{at} counts {said.count} pictures; accepted: {len(defined)}, the number"
    elif len(defined) and np.isfinite(defined).all():
        half = NORMAL * defined.std() / math.sqrt(len(defined))
        ends = ((said.low, mean - half), (said.high, mean + half))
        if not all(_alike(*end) or abs(end[0] - end[1]) <= MOVED * half for end in ends):
            accepted = f"about {mean - half:.4g} to {mean + half:.4g}, the interval"
            yield f"intervals.{at} is {said.low} to {said.high}; accepted: {accepted}"


def check_ledger(record: Record, _: Known) -> Iterator[str]:
    """Whether the ledger follows from the values."""
    path = record.folder / LEDGER
    if not path.is_file():
        return  # as `check_files` says
    try:
        said = {row[0]: row for row in read_once(path, "a ledger", COLUMNS, 1)}
    except InputError as error:
        yield str(error)
        return
    _, *follows = csv.reader(io.StringIO(to_csv(read_ledger(record.measured, read_papers()))))
    makes = f"`python -m palimpsest record {record.name} --ledger` makes it"
    if not said:
        yield f"{path}: found no claims; accepted: the {len(follows)} that follow from the values; {makes}"
        return
    wrong = []
    for row in follows:
        cells = zip(COLUMNS, said.pop(row[0], [None] * len(row)), row, strict=True)
        if unlike := next((each for each in cells if not _same(*each[1:])), None):
            key, found, wanted = unlike
            wrong.append(f"{row[0]}: {key} is {found!r}; accepted: {wanted!r}; {makes}")
    wrong += [f"{claim}: no such claim; accepted: those of the papers" for claim in said]
    yield from (f"{path}: {line}" for line in wrong[:LINES])
    if len(wrong) > LINES:
        yield f"{path}: {len(wrong) - LINES} more"


def _same(found: str | None, wanted: str) -> bool:
    if found == wanted:
        return True
    try:
        return _alike(float(found), float(wanted))
    except (TypeError, ValueError):
        return False


def _alike(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-6) or (math.isnan(one) and math.isnan(other))


def _between(low: float, mean: float, high: float) -> bool:
    return low <= mean <= high or _alike(low, mean) or _alike(mean, high)


def check_pictures(record: Record, known: Known) -> Iterator[str]:
    """Whether each strip can be read, and those of a slot are as many pictures of the slot's size."""
    found: dict[str, dict[Path, tuple[int, int]]] = {}
    for row in _pictured(record, known):
        for path in (record.folder / _strip(name) for name in strip_names(row)):
            try:
                if path.is_file():
                    found.setdefault(row.slot, {})[path] = _size(path)
            except UNREADABLE:
                yield f"{path}: asked for a PNG, found another format, too many pixels, or a file cut short or damaged"
    for slot, sizes in found.items():
        side = min(SIDE, record.about.slots[slot].size)
        accepted = {((side + GAP) * count - GAP, side) for count in range(1, PICTURES + 1)}
        usual = Counter(sizes.values()).most_common(1)[0][0]
        for path, size in sizes.items():
            if size not in accepted:
                yield (
                    f"{path}: found {size[0]} x {size[1]} px; accepted: at most {max(accepted)[0]} x {side}, "
                    f"{PICTURES} pictures of {side} px side by side"
                )
            elif size != usual:
                yield f"{path}: found {size[0]} x {size[1]} px; accepted: {usual[0]} x {usual[1]}, as its like"


def _size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG, of which what is not too large is read whole."""
    with Image.open(path, formats=["PNG"]) as picture:
        if picture.width <= WIDEST and picture.height <= SIDE:
            picture.load()
        return picture.size
