"""What was measured: the results on disk that the present settings made."""

import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import stdev
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, NonNegativeInt, model_validator

from palimpsest.config.numbers import Count, Pixels, Seed
from palimpsest.config.words import number_of
from palimpsest.config.yaml import InputError, Name, Settings, Tree, build, each_once
from palimpsest.data.shards import read_photos
from palimpsest.metrics.aggregate import Aggregate
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.tables import Condition, Row, Study
from palimpsest.results.benchmark import Architecture, Benchmark
from palimpsest.storage import read_json, read_rows
from palimpsest.workspace import Workspace

SPREAD = 4  # numbers of an interval: low, high, how many values, how many undefined
PerImage = dict[str, dict[str, np.ndarray]]  # {hole kind: {metric: values}}; `hole_ratio` is what is missing
Means = Annotated[dict[str, float], Field(min_length=1)]


class Result(Settings):
    """results/<run>/metrics.json."""

    model_config = ConfigDict(allow_inf_nan=True)  # PSNR of a perfect result

    run: str
    model: str
    profile: str
    slot: Name
    dataset: str
    size: Pixels
    images: Count
    photos: Count
    settings: str  # fingerprint
    code: str  # hash of the manifest of the source files that measured it; "" where there was none
    features: str  # the network that its perceptual loss read; "" for none
    source: str  # of released weights: whose they are, file and hash; "" for our own
    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(each_once)]  # [0] where we trained nothing
    hole_ratios: dict[str, Annotated[float, Field(ge=0, le=1)]]  # {hole kind: mean}
    holes: Annotated[dict[str, Means], Field(min_length=1)]  # {hole kind: {metric: mean over seeds and pictures}}
    by_seed: dict[str, dict[str, list[float]]]  # {hole kind: {metric: mean of each seed}}
    intervals: dict[str, dict[str, list[float]]]  # {hole kind: {metric: Aggregate.spread}}; none for the whole set's
    missing: dict[str, str]  # {metric: why it could not be measured}

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for hole, means in self.holes.items():
            if strange := means.keys() - read_metrics().keys():
                raise ValueError(f"holes.{hole} has {min(strange)!r}, which is no metric")
            spreads = self.intervals.get(hole, {})
            if strange := [name for name, spread in spreads.items() if name not in means or len(spread) != SPREAD]:
                raise ValueError(f"intervals.{hole}.{strange[0]} is not {SPREAD} numbers about a mean")
            for name, (low, high, count, undefined) in spreads.items():
                if low > high:
                    raise ValueError(f"intervals.{hole}.{name} is {low} to {high}; accepted: the lower number first")
                if min(count, undefined) < 0 or count % 1 or count + undefined != self.images:
                    found = f"counts {count:g} values and {undefined:g} undefined ones"
                    raise ValueError(f"intervals.{hole}.{name} {found}; accepted: the {self.images} pictures in all")
            by_seed = self.by_seed.get(hole, {})
            if strange := [name for name in means if len(by_seed.get(name, [])) != len(self.seeds)]:
                raise ValueError(f"by_seed.{hole}.{strange[0]} is not a mean for each seed")
            if strange := by_seed.keys() - means.keys():
                raise ValueError(f"by_seed.{hole}.{min(strange)} has no mean in holes.{hole}")
        for other in (self.intervals, self.hole_ratios, self.by_seed):
            if strange := self.holes.keys() ^ other.keys():
                raise ValueError(f"holes, by_seed, intervals and hole_ratios differ in {min(strange)!r}")
        return self

    def aggregate(self, hole: str, metric: str) -> Aggregate | None:
        """A metric's mean over the pictures, and its interval; none where it was not measured."""
        if (mean := self.holes.get(hole, {}).get(metric)) is None:
            return None
        if (spread := self.intervals[hole].get(metric)) is None:
            return Aggregate(mean, None, None, self.images)
        low, high, count, undefined = spread
        return Aggregate(mean, low, high, int(count), int(undefined))

    def deviation(self, hole: str, metric: str) -> float | None:
        """The standard deviation over seeds of a metric's mean; none with one seed, or where a seed has no number."""
        found = self.by_seed[hole][metric]
        return stdev(found) if len(found) > 1 and all(map(math.isfinite, found)) else None

    def deviations(self, metric: str) -> list[float]:
        """Those of a metric with holes of each kind for which there is one."""
        found = (self.deviation(hole, metric) for hole, means in self.by_seed.items() if metric in means)
        return [each for each in found if each is not None]


class Described(Settings):
    """What resolved/runs.json says of one run, or of external results, under the present settings."""

    settings: str  # fingerprint
    code: str  # hash of the manifest of the source files that measure it now
    stage: Literal["evaluate", "transfer", "external"]  # that makes its results
    run: Tree  # its settings, and those of the runs it needs, in full
    measured: Tree  # the settings of its evaluation and of its holes
    blocks: dict[str, dict[str, NonNegativeInt]]  # {network or network.part: {kind of block: count}}
    parameters: dict[str, NonNegativeInt]  # {dotted name of a network or its part: count}
    parameters_at_paper_scale: dict[str, NonNegativeInt]
    label: str  # of the row of external results or a released network; "" for a run, which a table's spec names
    source: str  # where external results come from
    beside: str  # of a released network: the run of ours beneath which its rows stand; "" for none
    as_published: bool  # of a released network: whether its paper's authors trained it, on the data of that run


@dataclass(frozen=True)
class Pictures:
    """The pictures of one slot, on which every run was measured."""

    dataset: str
    size: int
    images: int
    photos: int

    def __str__(self) -> str:
        if not self.images:
            return "nothing has been measured yet"
        images, photos = number_of(self.images, "test picture"), number_of(self.photos, "photograph")
        return f"{self.dataset}, {images} of {self.size} × {self.size} px from {photos}"


NOT_MEASURED = Pictures("nothing yet", 0, 0, 0)


@dataclass(frozen=True)
class Measured:
    """Every run of the present settings, or of a record: its result, or why it has none."""

    runs: dict[str, Described]
    results: dict[str, Result]
    absent: dict[str, str]  # run → why
    root: Path
    benchmark: Benchmark | None  # none before it has run
    unknown: str = "not in params.yaml"  # why any other run has no result
    _values: dict[str, PerImage] = field(default_factory=dict)  # of each run, once read
    _photographs: dict[str, np.ndarray] = field(default_factory=dict)  # of each slot, once read

    @cached_property
    def profile(self) -> str:
        """The profile of all results; InputError where they differ, or where there are none."""
        if not self.results:
            found = "none that the present settings made"
            raise InputError(f"results: asked for measured runs, found {found}; `dvc repro` trains and measures them")
        return self._agreed([result.profile for result in self.results.values()], "profiles")

    def pictures(self, slot: str) -> Pictures:
        """The pictures of a slot, NOT_MEASURED without results; InputError where results disagree."""
        found = [
            Pictures(result.dataset, result.size, result.images, result.photos)
            for result in self.results.values()
            if result.slot == slot
        ]
        return self._agreed(found, f"test pictures of {slot!r}") if found else NOT_MEASURED

    @property
    def slots(self) -> list[str]:
        return list(dict.fromkeys(result.slot for result in self.results.values()))

    def aggregate(self, run: str, hole: str, metric: str) -> Aggregate | None:
        """A metric's mean over the pictures, and its interval; none where it was not measured."""
        return self.results[run].aggregate(hole, metric) if run in self.results else None

    def why_absent(self, run: str) -> str:
        """Why a run has no results, in words."""
        return self.absent.get(run, self.unknown)

    def why_missing(self, run: str, metric: str) -> str:
        """Why a run that has results has no value for a metric, in words."""
        return self.results[run].missing.get(metric, "not measured with holes of this kind")

    def external(self, slot: str, hole: str) -> dict[str, str]:
        """{label: name} of the external results on a slot's pictures with holes of a kind."""
        return {self.runs[name].label: name for name in self.kept(slot, hole) if self.runs[name].stage == "external"}

    def released(self, slot: str, hole: str, beside: Container[str]) -> list[str]:
        """The released networks that have results there, of methods whose runs are among `beside`.

        "" among them stands for methods that no run of ours trains.
        """
        named = [
            name for name in self.kept(slot, hole) if self.runs[name].stage == "transfer" and self.runs[name].label
        ]
        return [name for name in named if self.runs[name].beside in beside]

    @property
    def not_measured(self) -> dict[str, str]:
        """{label: why} of the released networks without results."""
        labels = {name: described.label for name, described in self.runs.items() if described.stage == "transfer"}
        return {label: self.absent[name] for name, label in labels.items() if label and name in self.absent}

    def trained(self, run: str) -> str:
        """The run whose weights a run uses: another one where it was transferred to other pictures."""
        described = self.runs.get(run)
        return described.run.get("name", run) if described else run

    def varies(self, run: str) -> bool:
        """Whether a run would come out otherwise with another seed: it, or that whose weights it uses, is trained."""
        return any(self.runs[name].parameters for name in (run, self.trained(run)) if name in self.runs)

    def has(self, run: str) -> bool:
        """Whether anything of a run was measured."""
        return run in self.results or self.architecture(run) is not None

    def architecture(self, run: str) -> Architecture | None:
        """What the benchmark found for a run; none where it was not measured."""
        return self.benchmark.of(run) if self.benchmark else None

    def kept(self, slot: str, hole: str) -> list[str]:
        """The results on a slot's pictures with holes of a kind, by name."""
        return [name for name, result in self.results.items() if result.slot == slot and hole in result.holes]

    def values(self, run: str) -> PerImage:
        """Every metric with holes of each kind, (seeds, N) of the pictures; InputError where they cannot be read."""
        if run not in self._values:
            path, result = Workspace(self.root).results(run).per_image, self.results[run]
            values = read_per_image(path, result.images, result.seeds)
            for hole, spreads in result.intervals.items():
                if lacking := spreads.keys() - values.get(hole, {}).keys():
                    raise InputError(f"{path}: has no {min(lacking)} with {hole} holes; `dvc repro` makes it anew")
            self._values[run] = values
        return self._values[run]

    def photographs(self, slot: str) -> np.ndarray:
        """(N,): test pictures with the same number are cut from the same photograph."""
        if slot not in self._photographs:
            stem = Workspace(self.root).slot(slot).shard("test")
            names, images = read_photos(stem), self.pictures(slot).images
            if len(names) != images:
                raise InputError(f"{stem}: found {len(names)} pictures, expected the {images} that were measured")
            self._photographs[slot] = np.unique(names, return_inverse=True)[1]
        return self._photographs[slot]

    def per_image(self, run: str) -> PerImage:
        """The means over seeds, (N,)."""
        return {
            hole: {name: values.mean(0) for name, values in found.items()} for hole, found in self.values(run).items()
        }

    def _agreed(self, found: list, what: str):
        if len(different := sorted(set(found), key=str)) > 1:
            raise InputError(
                f"results: found {what} {' and '.join(map(str, different))}; accepted: one of them; "
                f"`dvc repro` makes every result anew"
            )
        return found[0]


HEAD = ["seed", "image", "hole", "hole_ratio"]  # of per-image.csv, before the metrics


def read_per_image(path: Path, images: int, seeds: list[int]) -> PerImage:
    """{hole kind: {metric: (seeds, N) values of the `images` pictures}}; InputError for a file of anything else."""
    head, *rows = read_rows(path, "a run's values", HEAD, more=True)
    kinds = {kind: [row for row in rows if row[2] == kind] for kind in dict.fromkeys(row[2] for row in rows)}
    try:
        columns = {kind: np.array([row[3:] for row in lines], float).T for kind, lines in kinds.items()}
    except ValueError as error:
        raise InputError(f"{path}: found a value that is no number") from error
    for kind, lines in kinds.items():
        if [row[0] for row in lines] != [str(seed) for seed in seeds for _ in range(images)]:
            expected = f"{images} pictures of each seed, {', '.join(map(str, seeds))}"
            raise InputError(f"{path}: found {len(lines)} rows with {kind} holes; accepted: {expected}, in this order")
        if not (columns[kind][0] >= 0).all() or not (columns[kind][0] <= 1).all():
            strange = next(row for row in lines if not 0 <= float(row[3]) <= 1)
            raise InputError(f"{path}: found the hole_ratio {strange[3]} of {strange[1]}; accepted: from 0 to 1")
    shape = (len(seeds), images)
    return {
        kind: {name: values.reshape(shape) for name, values in zip(head[3:], found, strict=True)}
        for kind, found in columns.items()
    }


def read_holes(path: Path) -> dict[str, list[tuple[str, str]]]:
    """{hole kind: (picture, hole ratio) of each picture} of a file that `read_per_image` can read."""
    holes: dict[str, dict[str, str]] = {}
    for _, picture, kind, ratio, *_ in read_rows(path, "a run's values", HEAD, more=True)[1:]:
        holes.setdefault(kind, {})[picture] = ratio
    return {kind: list(ratios.items()) for kind, ratios in holes.items()}


def read_results(root: Path) -> Measured:
    """The results of the runs in resolved/runs.json; one that other settings made counts as absent."""
    listed = Workspace(root).resolved("runs")
    runs = {run: build(Described, tree, run, str(listed)) for run, tree in read_json(listed, dict).items()}
    results, absent = {}, {}
    for run, described in runs.items():
        path = Workspace(root).results(run).metrics
        tree = read_json(path, dict) if path.is_file() else {"settings": described.settings, "absent": "not run"}
        if tree.get("settings", described.settings) != described.settings:
            absent[run] = "its result was made under other settings"
        elif "absent" in tree:
            absent[run] = tree["absent"]
        else:
            results[run] = build(Result, tree, "", str(path))
    path = Workspace(root).benchmark
    benchmark = build(Benchmark, read_json(path, dict), "", str(path)) if path.is_file() else None
    return Measured(runs, results, absent, root, benchmark)


def with_released(rows: Sequence[Row], data: Sequence[Condition], measured: Measured, newer: bool = True) -> list[Row]:
    """The rows, each with those of released networks of its method beneath it; `newer` methods come last.

    Such a row has the method's published numbers beside it where its authors trained the network on the data that they
    are for.
    """

    def released(beside: set[str], method: str | None) -> Iterator[Row]:
        for name in dict.fromkeys(name for each in data for name in measured.released(each.slot, each.hole, beside)):
            described = measured.runs[name]
            yield Row(label=described.label, run=name, method=method if described.as_published else None)

    shown = []
    for row in rows:
        shown += [row, *released({measured.trained(run) for run in row.runs}, row.method)]
    return [*shown, *(released({""}, None) if newer else ())]


def runs_shown(study: Study, condition: Condition, measured: Measured) -> dict[str, str]:
    """{label: run} of the methods that have results under a condition."""
    kept, rows = measured.kept(condition.slot, condition.hole), with_released(study.rows, study.data, measured)
    return {row.label: run for row in rows if (run := row.run_on(condition)) in kept}
