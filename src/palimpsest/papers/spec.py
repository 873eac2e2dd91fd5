"""Reads what the papers published: the spec of each table, the numbers, and the metrics they are given in.

Three kinds of file beside this one: `<paper>.yaml` says how a paper's tables are laid out and which run stands for
which row, `values.csv` holds every published number as printed, `metrics.yaml` says what each metric means.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, NonNegativeInt, PositiveInt

from palimpsest.config import InputError, Settings, build, read_yaml

PAPERS = Path(__file__).parent
ORDER = ["deepfill-v1", "tmad", "gm-srm", "crfill"]  # in a report; papers of one's own come after

REGIONS = {"picture": "whole picture", "hole": "hole only", "raw output": "raw output", "set": "whole set"}


ARROWS = {"lower": " ↓", "higher": " ↑", "none": ""}


class Metric(Settings):
    """One metric, as a report explains it."""

    label: str
    unit: str  # "" where it has none
    direction: Literal["lower", "higher", "none"]  # which is better
    digits: NonNegativeInt  # after the point
    of: Literal["picture", "hole", "raw output", "set"]  # see REGIONS
    raw: bool  # whether it is measured on the raw output too, under `<id>_raw`
    definition: str  # one sentence with the formula

    @property
    def head(self) -> str:
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.label}{unit}{ARROWS[self.direction]}"


Metrics = dict[str, Metric]


class Condition(Settings):
    """Data and holes under which a table was measured; a paper's table has one or several."""

    dataset: str  # the paper's
    label: str  # the paper's name for it
    slot: str  # of a profile's `data`: whose pictures stand here
    stand_in: str | None = None  # the slot that stands in where nothing was measured on `slot`
    ours: str | None = None  # the name of the paper's data among our datasets; where none is given, `dataset`
    mask: str  # the paper's
    ratio: str  # the paper's bin of hole areas; "" without bins
    hole: str  # kind of our holes
    pieced: bool = False  # whether the pictures pieced from reference patches are measured, not the results

    @property
    def measured(self) -> str:
        """The name of what is measured, as in results/<run>/metrics.json."""
        return f"{self.hole}/pieced" if self.pieced else self.hole

    @property
    def own(self) -> str:
        """The name among our datasets of the data that the paper measured on."""
        return self.ours or self.dataset


class Unstated(Settings):
    """A published metric whose kind the paper leaves open, so that none of ours bears its name."""

    name: str  # as in values.csv
    label: str
    like: str  # the metric whose unit and direction it has


class Column(Settings):
    """One measured column."""

    metric: str
    published: str | None  # the published metric it corresponds to
    compares: bool  # whether the two measure the same, so that data alone decides on a difference
    reason: str


class Group(Settings):
    """Measured columns under one head."""

    group: str
    columns: list[Column]


class Row(Settings):
    """One method."""

    label: str
    run: str | dict[str, str]  # the run that stands for it; {slot of data or kind of hole: run} where several do
    method: str | None = None  # its name in values.csv; none where the paper has no such row

    def run_on(self, condition: Condition) -> str | None:
        """The run under a condition; none where the method has none there."""
        if isinstance(self.run, str):
            return self.run
        return self.run.get(condition.hole, self.run.get(condition.slot))

    @property
    def runs(self) -> list[str]:
        return [self.run] if isinstance(self.run, str) else list(dict.fromkeys(self.run.values()))


class Votes(Settings):
    """A column of votes from a user study in a table of other things."""

    label: str
    study: str  # its name among the paper's studies
    dataset: str
    metric: str


class Timed(Settings):
    """A column of seconds."""

    metric: str | None = None  # the published one; none where the paper has no number
    device: Literal["cpu", "cuda"]
    size: PositiveInt  # px


class Comparison(Settings):
    """Published numbers and ours, in the paper's own order of rows and metrics."""

    title: str
    protocol: list[str]  # what the paper says of its measurement, and what it leaves open
    data: list[Condition] = Field(min_length=1)
    published: list[str | Unstated]  # metrics
    measured: list[Group]
    rows: list[Row]

    @property
    def columns(self) -> list[tuple[str, Column]]:
        """Every measured column with its group."""
        return [(group.group, column) for group in self.measured for column in group.columns]

    def published_metrics(self, metrics: Metrics) -> Metrics:
        """{name in values.csv: what it means}."""
        return dict(_explained(metric, metrics) for metric in self.published)


def _explained(published: str | Unstated, metrics: Metrics) -> tuple[str, Metric]:
    if isinstance(published, str):
        return published, metrics[published]
    return published.name, metrics[published.like].model_copy(update={"label": published.label})


class Study(Settings):
    """A user study: raters see the input and what several methods made of it, and pick one."""

    title: str
    question: str  # what the page asks
    protocol: list[str]  # what the paper says of its study, and what it leaves open
    data: list[Condition] = Field(min_length=1)
    pictures: PositiveInt  # of each condition, in the paper
    raters: PositiveInt  # in the paper
    published: list[Literal["vote_share_percent", "winning_samples"]]  # columns of its own table; [] where it has none
    rows: list[Row]


class TableSpec(Comparison):
    """A table with a column for each metric under each condition."""

    every_metric: bool  # whether a table of all metrics follows
    votes: Votes | None = None
    timed: list[Timed] = Field(default_factory=list)  # columns of seconds a picture on this machine


class WideSpec(Comparison):
    """A table with a block of rows for each metric and a column for each condition."""


class ParameterRow(Settings):
    """One run whose parameters are counted."""

    label: str
    run: str
    published: str | None  # as printed


class Part(Settings):
    """A column of a table of blocks: one network."""

    head: str
    run: str
    network: str  # its dotted name


class BlockRow(Settings):
    """One kind of block."""

    label: str
    block: str  # its class
    published: list[int]  # one number a column


class Blocks(Settings):
    """A table of how many blocks each network has; published counts beside counted ones."""

    title: str
    protocol: list[str]
    columns: list[Part]
    rows: list[BlockRow]


class SettingColumn(Settings):
    """One run whose settings are printed."""

    head: str
    run: str


class SettingRow(Settings):
    """One setting."""

    group: str
    label: str
    published: str  # as printed
    setting: str  # its dotted name within a run


class Hyperparameters(Settings):
    """A table of settings; published values beside those of the runs that ran."""

    title: str
    protocol: list[str]
    columns: list[SettingColumn]
    rows: list[SettingRow]


class Parameters(Settings):
    """The paper's claim about the size of its networks."""

    title: str
    claim: str
    remark: str
    networks: list[str]
    rows: list[ParameterRow]


class TimedRow(Settings):
    """One architecture."""

    label: str
    method: str  # its name in values.csv
    complexity: str  # as the paper says
    run: str


class Timings(Settings):
    """A table of speed; published seconds beside seconds, memory and counts of this machine."""

    title: str
    protocol: list[str]
    published: list[Timed]
    rows: list[TimedRow]


class Claim(Settings):
    """What a paper's text says of a method's speed or size."""

    claim: str
    published: str  # as printed
    run: str
    quantity: Literal["seconds", "frames_per_second", "memory_saved", "parameters"]
    device: Literal["cpu", "cuda"]
    size: PositiveInt  # px
    against: str | None = None  # the run whose memory is saved


class Shown(Settings):
    """One run's column of a figure."""

    run: str | dict[str, str]  # {slot of data: run} where it has one for each
    head: str
    map: bool  # whether a column with the map of its attention follows

    def on(self, slot: str) -> Self:
        """The column with the run of one slot's pictures; with any other where it has none there."""
        if isinstance(self.run, str):
            return self
        return self.model_copy(update={"run": self.run.get(slot, next(iter(self.run.values())))})


class ResultsFigure(Settings):
    """Test pictures in rows: input, then the result of one run after another."""

    kind: Literal["results"]
    title: str
    caption: str
    slot: str | None = None  # of a profile's `data`; none: a figure of the pictures of each slot at hand
    hole: str  # kind of hole
    pictures: PositiveInt  # rows, at most the samples that runs keep
    original: bool  # whether the original stands first
    columns: list[Shown]

    def on(self, slot: str) -> Self:
        """The figure of one slot's pictures."""
        return self.model_copy(update={"slot": slot, "columns": [column.on(slot) for column in self.columns]})


class CurvesFigure(Settings):
    """Every logged quantity against the iteration, one line a run."""

    kind: Literal["curves"]
    title: str
    caption: str
    runs: list[str]


class ProgressFigure(Settings):
    """What a run made of the same pictures as it was trained."""

    kind: Literal["progress"]
    title: str
    caption: str
    run: str


class SheetsFigure(Settings):
    """What a generative network drew from the same latents as it was trained, a latent a row."""

    kind: Literal["sheets"]
    title: str
    caption: str
    run: str
    latents: PositiveInt  # at most those that the run kept


class Mechanism(Settings):
    """One run that picks reference patches."""

    run: str
    head: str


class ReferencesFigure(Settings):
    """Test pictures in rows: input, then for each mechanism result, references and the picture pieced from them."""

    kind: Literal["references"]
    title: str
    caption: str
    slot: str
    hole: str
    pictures: PositiveInt
    patches: PositiveInt  # marked in each picture
    columns: list[Mechanism]


class TimingFigure(Settings):
    """Seconds and memory against the size of the picture, one line an architecture."""

    kind: Literal["timing"]
    title: str
    caption: str
    columns: list[Mechanism]


class OneRunFigure(Settings):
    """What figures of one run's test pictures share."""

    title: str
    caption: str
    slot: str
    hole: str
    pictures: PositiveInt
    run: str


class RetrievalFigure(OneRunFigure):
    """Test pictures in rows: what a run retrieves for one missing patch, a colour a rank, and what it makes of it."""

    kind: Literal["retrieval"]


class FailuresFigure(OneRunFigure):
    """The test pictures that a run fills worst, the worst first."""

    kind: Literal["failures"]
    head: str


class AgainstShare(Settings):
    """What figures of metrics against the share of the picture that is missing have in common."""

    title: str
    caption: str
    holes: Annotated[list[str], Field(min_length=2)]  # kinds, from small to large
    metrics: Annotated[list[str], Field(min_length=1)]


class GrowingFigure(AgainstShare):
    """One test picture with growing holes, a row a run, and each run's metrics against the share that is missing."""

    kind: Literal["growing"]
    slot: str
    columns: list[Mechanism]


class RatiosFigure(AgainstShare):
    """Each method's metrics against the share that is missing, a row of panels for the data of each slot."""

    kind: Literal["ratios"]
    rows: list[Row]


OfPictures = ResultsFigure | ReferencesFigure | RetrievalFigure | FailuresFigure
FigureSpec = Annotated[
    OfPictures | GrowingFigure | RatiosFigure | CurvesFigure | ProgressFigure | SheetsFigure | TimingFigure,
    Field(discriminator="kind"),
]


class Paper(Settings):
    """One paper."""

    label: str
    title: str
    authors: str
    venue: str
    tables: dict[str, TableSpec]
    figures: dict[str, FigureSpec]
    timings: dict[str, Timings]
    claims: list[Claim]
    blocks: dict[str, Blocks] = Field(default_factory=dict)
    hyperparameters: dict[str, Hyperparameters] = Field(default_factory=dict)
    parameters: Parameters | None = None
    wide: dict[str, WideSpec] = Field(default_factory=dict)
    studies: dict[str, Study] = Field(default_factory=dict)

    @property
    def numbered(self) -> dict[str, Blocks | Hyperparameters | TableSpec | WideSpec | Study | Timings]:
        """Every table that has a number in the paper, in its order."""
        studies = {number: study for number, study in self.studies.items() if study.published}
        found = {**self.blocks, **self.hyperparameters, **self.wide, **self.tables, **studies, **self.timings}
        return dict(sorted(found.items(), key=lambda each: _counted(each[0])))


def _counted(number: str) -> int:
    """A table's number, arabic or roman up to VIII."""
    return int(number) if number.isdecimal() else ROMAN.index(number)


ROMAN = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII"]


@dataclass(frozen=True)
class Published:
    """One published number."""

    text: str  # as printed; "" where the paper prints no number, for the reason in the note
    legible: bool  # where not, the text is a guess: never shown as a number, never compared
    note: str

    @property
    def number(self) -> float | None:
        return float(self.text) if self.legible and self.text else None


class Place(NamedTuple):
    """Where a published number stands: the key columns of values.csv, in its order."""

    paper: str
    table: str
    dataset: str
    mask: str
    ratio: str
    method: str
    metric: str


Values = dict[Place, Published]


def names(folder: Path = PAPERS) -> list[str]:
    """Keys of the papers, in the order of a report."""
    found = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "metrics")
    return [*(name for name in ORDER if name in found), *(name for name in found if name not in ORDER)]


@cache
def read_metrics(folder: Path = PAPERS) -> Metrics:
    """{id: metric}, those of the raw output last; InputError names file and key of what is wrong."""
    path = folder / "metrics.yaml"
    metrics = {name: build(Metric, tree, name, path.name) for name, tree in read_yaml(path).items()}
    return metrics | {f"{name}_raw": _of_raw_output(metric) for name, metric in metrics.items() if metric.raw}


def _of_raw_output(metric: Metric) -> Metric:
    words = f"{metric.definition.rstrip('.')}; x is the output before the known pixels are put back."
    return metric.model_copy(update={"definition": words, "of": "raw output"})


@cache
def read_values(folder: Path = PAPERS) -> Values:
    """Every published number; InputError for a number twice, or a legible one that is none."""
    path = folder / "values.csv"
    values: Values = {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        wanted = [*Place._fields, "value", "legible", "note"]
        if rows.fieldnames != wanted:
            raise InputError(f"{path.name}: found columns {rows.fieldnames}; accepted: {wanted}")
        for line, row in enumerate(rows, 2):
            place = Place(*(row[field] for field in Place._fields))
            if place in values:
                raise InputError(f"{path.name}, line {line}: {', '.join(filter(None, place))} stands here twice")
            _one_of(row["legible"], ["yes", "no"], f"{path.name}, line {line}: legible")
            values[place] = Published(row["value"], row["legible"] == "yes", row["note"])
            try:
                _ = values[place].number
            except ValueError as error:
                raise InputError(f"{path.name}, line {line}: value {row['value']!r} is no number") from error
    return values


def read_paper(name: str, metrics: Metrics, values: Values, folder: Path = PAPERS) -> Paper:
    """The spec of a paper; InputError for a key, metric, slot or method that is not known."""
    path = folder / f"{name}.yaml"
    paper = build(Paper, read_yaml(path), "", path.name)
    for part, tables in (("wide", paper.wide), ("tables", paper.tables)):
        for key, table in tables.items():
            here = {place for place in values if (place.paper, place.table) == (name, key)}
            _check(table, here, metrics, f"{path.name}: {part}.{key}")
    for key, table in paper.tables.items():
        if votes := table.votes:
            found = {(p.dataset, p.metric) for p in values if (p.paper, p.table) == (name, key)}
            _one_of((votes.dataset, votes.metric), found, f"{path.name}: tables.{key}.votes: dataset, metric")
            _one_of(votes.study, paper.studies, f"{path.name}: tables.{key}.votes: study")
    for key, study in paper.studies.items():
        here = {place for place in values if (place.paper, place.table) == (name, key)}
        _check_study(study, here, f"{path.name}: studies.{key}")
    for key, figure in paper.figures.items():
        for metric in figure.metrics if isinstance(figure, AgainstShare) else ():
            _one_of(metric, metrics, f"{path.name}: figures.{key}.metrics")
    for key, blocks in paper.blocks.items():
        for row in blocks.rows:
            _one_of(len(row.published), [len(blocks.columns)], f"{path.name}: blocks.{key}.rows: published numbers")
    for key, timings in paper.timings.items():
        here = {place for place in values if (place.paper, place.table) == (name, key)}
        for timed in timings.published:
            _one_of(timed.metric, {place.metric for place in here}, f"{path.name}: timings.{key}.published")
        for row in timings.rows:
            _one_of(row.method, {place.method for place in here}, f"{path.name}: timings.{key}.rows: method")
    return paper


@cache
def read_papers() -> dict[str, Paper]:
    """Every paper, in the order of a report; read once, as YAML takes its time."""
    metrics, values = read_metrics(), read_values()
    return {name: read_paper(name, metrics, values) for name in names()}


def _check(table: Comparison, here: set[Place], metrics: Metrics, at: str) -> None:
    """InputError for what a table names and neither metrics.yaml nor the published numbers of that table hold."""
    for metric in table.published:
        _one_of(metric if isinstance(metric, str) else metric.like, metrics, f"{at}.published")
    published = table.published_metrics(metrics)
    for metric in published:
        _one_of(metric, {place.metric for place in here}, f"{at}.published")
    for _, column in table.columns:
        _one_of(column.metric, metrics, f"{at}.measured: metric")
        _one_of(column.published, [*published, None], f"{at}.measured: published")
    for condition in table.data:
        found = {(place.dataset, place.mask, place.ratio) for place in here}
        _one_of((condition.dataset, condition.mask, condition.ratio), found, f"{at}.data: dataset, mask, ratio")
    _check_rows(table, here, at)


def _check_study(study: Study, here: set[Place], at: str) -> None:
    """InputError for a data set, method or slot that neither the published numbers nor the study itself hold."""
    for condition in study.data:
        _one_of(condition.dataset, sorted({place.dataset for place in here}), f"{at}.data: dataset")
    _check_rows(study, here, at)


def _check_rows(layout: Comparison | Study, here: set[Place], at: str) -> None:
    keys = {key for c in layout.data for key in (c.slot, c.stand_in, c.hole) if key}
    for row in layout.rows:
        _one_of(row.method, [*sorted({place.method for place in here}), None], f"{at}.rows: method")
        for key in row.run if isinstance(row.run, dict) else ():
            _one_of(key, keys, f"{at}.rows: run")


def benchmarked(folder: Path = PAPERS) -> list[str]:
    """The runs whose speed, memory or size some table or figure shows."""
    metrics, values = read_metrics(folder), read_values(folder)
    found = []
    for paper in (read_paper(name, metrics, values, folder) for name in names(folder)):
        found += [row.run for timings in paper.timings.values() for row in timings.rows]
        found += [run for claim in paper.claims for run in (claim.run, claim.against) if run]
        for figure in paper.figures.values():
            found += [column.run for column in figure.columns] if isinstance(figure, TimingFigure) else []
        for table in paper.tables.values():
            found += [run for row in table.rows for run in row.runs] if table.timed else []
    return list(dict.fromkeys(found))


def _one_of(value: object, accepted: Iterable[object], at: str) -> None:
    if value not in (accepted := list(accepted)):
        raise InputError(f"{at}: found {value!r}; accepted: {', '.join(map(str, accepted))}")
