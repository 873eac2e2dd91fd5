"""Reads what the papers published: the spec of each table, the numbers, and the metrics they are given in.

Three kinds of file beside this one: `<paper>.yaml` says how a paper's tables are laid out and which run stands for
which row, `values.csv` holds every published number as printed, `metrics.yaml` says what each metric means.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

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


class Condition(Settings):
    """Data and holes under which a table was measured; a paper's table has one or several."""

    dataset: str  # the paper's
    label: str  # the paper's name for it
    slot: str  # of a profile's `data`: whose pictures stand here
    mask: str  # the paper's
    ratio: str  # the paper's bin of hole areas; "" without bins
    hole: str  # kind of our holes
    pieced: bool = False  # whether the pictures pieced from reference patches are measured, not the results

    @property
    def measured(self) -> str:
        """The name of what is measured, as in results/<run>/metrics.json."""
        return f"{self.hole}/pieced" if self.pieced else self.hole


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
    run: str | dict[str, str]  # the run that stands for it; {slot of data: run} where each slot has its own
    method: str | None = None  # its name in values.csv; none where the paper has no such row

    def run_on(self, slot: str) -> str | None:
        """The run on a slot's data; none where the method has none there."""
        return self.run if isinstance(self.run, str) else self.run.get(slot)


class Votes(Settings):
    """A column of votes from a user study."""

    label: str
    dataset: str
    metric: str
    reason: str  # why ours is missing


class TableSpec(Settings):
    """One table, in the paper's own order of rows and columns."""

    title: str
    protocol: list[str]  # what the paper says of its measurement, and what it leaves open
    data: list[Condition] = Field(min_length=1)
    published: list[str]  # metrics
    measured: list[Group]
    every_metric: bool  # whether a table of all metrics follows
    rows: list[Row]
    votes: Votes | None = None


class ParameterRow(Settings):
    """One run whose parameters are counted."""

    label: str
    run: str
    published: str | None  # as printed


class Parameters(Settings):
    """The paper's claim about the size of its networks."""

    title: str
    claim: str
    remark: str
    networks: list[str]
    rows: list[ParameterRow]


class Timed(Settings):
    """One published column of a timing table."""

    metric: str
    device: Literal["cpu", "cuda"]
    size: PositiveInt  # px


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

    run: str
    head: str
    map: bool  # whether a column with the map of its attention follows


class ResultsFigure(Settings):
    """Test pictures in rows: input, then the result of one run after another."""

    kind: Literal["results"]
    title: str
    caption: str
    slot: str  # of a profile's `data`
    hole: str  # kind of hole
    pictures: PositiveInt  # rows, at most the samples that runs keep
    original: bool  # whether the original stands first
    columns: list[Shown]


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


OfPictures = ResultsFigure | ReferencesFigure
FigureSpec = Annotated[OfPictures | CurvesFigure | ProgressFigure | TimingFigure, Field(discriminator="kind")]


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
    parameters: Parameters | None = None


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


Metrics = dict[str, Metric]
Values = dict[Place, Published]


def names(folder: Path = PAPERS) -> list[str]:
    """Keys of the papers, in the order of a report."""
    found = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "metrics")
    return [*(name for name in ORDER if name in found), *(name for name in found if name not in ORDER)]


def read_metrics(folder: Path = PAPERS) -> Metrics:
    """{id: metric}, those of the raw output last; InputError names file and key of what is wrong."""
    path = folder / "metrics.yaml"
    metrics = {name: build(Metric, tree, name, path.name) for name, tree in read_yaml(path).items()}
    return metrics | {f"{name}_raw": _of_raw_output(metric) for name, metric in metrics.items() if metric.raw}


def _of_raw_output(metric: Metric) -> Metric:
    words = f"{metric.definition.rstrip('.')}; x is the output before the known pixels are put back."
    return metric.model_copy(update={"definition": words, "of": "raw output"})


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
    for key, table in paper.tables.items():
        at = f"{path.name}: tables.{key}"
        here = {place for place in values if (place.paper, place.table) == (name, key)}
        columns = [column for group in table.measured for column in group.columns]
        for metric in table.published:
            _one_of(metric, metrics, f"{at}.published")
        for column in columns:
            _one_of(column.metric, metrics, f"{at}.measured: metric")
            _one_of(column.published, [*table.published, None], f"{at}.measured: published")
        for condition in table.data:
            found = {(place.dataset, place.mask, place.ratio) for place in here}
            _one_of((condition.dataset, condition.mask, condition.ratio), found, f"{at}.data: dataset, mask, ratio")
        for row in table.rows:
            _one_of(row.method, [*sorted({place.method for place in here}), None], f"{at}.rows: method")
            for slot in row.run if isinstance(row.run, dict) else ():
                _one_of(slot, {condition.slot for condition in table.data}, f"{at}.rows: run")
        if votes := table.votes:
            found = {(place.dataset, place.metric) for place in here}
            _one_of((votes.dataset, votes.metric), found, f"{at}.votes: dataset, metric")
    for key, timings in paper.timings.items():
        here = {place for place in values if (place.paper, place.table) == (name, key)}
        for timed in timings.published:
            _one_of(timed.metric, {place.metric for place in here}, f"{path.name}: timings.{key}.published")
        for row in timings.rows:
            _one_of(row.method, {place.method for place in here}, f"{path.name}: timings.{key}.rows: method")
    return paper


def _one_of(value: object, accepted: Iterable[object], at: str) -> None:
    if value not in (accepted := list(accepted)):
        raise InputError(f"{at}: found {value!r}; accepted: {', '.join(map(str, accepted))}")
