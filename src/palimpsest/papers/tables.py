"""How a paper's tables are laid out, and which run each row shows: tables that compare methods.

A table's key in <paper>.yaml is the number that the paper prints; what it says in its text is under a word.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field, PositiveInt

from palimpsest.config.yaml import InputError, Settings, one_of
from palimpsest.papers.metrics import Metric, Metrics
from palimpsest.papers.values import Place

TEXT = "text"  # in values.csv, the table of numbers that a paper's running text holds


class MethodRow(NamedTuple):
    """How a method appears in a table."""

    label: str
    name: str | None  # in values.csv
    runs: list[str]


class Layout(Settings):
    """What the tables of every kind have."""

    numbered: ClassVar[bool] = True  # whether the paper prints it as a table, under a number

    title: str

    def source(self, key: str) -> str:
        """The table of values.csv that holds its published numbers."""
        return key if self.numbered else TEXT

    def heading(self, key: str) -> str:
        """The table as a list of contents names it."""
        return f"Table {key}: {self.title}" if self.numbered else f"{self.title[0].upper()}{self.title[1:]}"

    def methods(self, paper: str) -> list[MethodRow]:
        """The methods that it shows; `paper` is the label of the paper's own."""
        return []

    @property
    def timed_runs(self) -> list[str]:
        """The runs whose speed, memory or size it shows."""
        return []

    @property
    def study(self) -> "Study | None":
        """The user study whose votes it shows."""
        return None

    def check(self, places: Sequence[Place], metrics: Metrics, at: str) -> None:
        """InputError where it names what neither metrics.yaml nor `places`, its published numbers, hold."""


class Condition(Settings):
    """Data and holes under which a table was measured; a paper's table has one or several."""

    dataset: str  # the paper's
    label: str  # the paper's name for it
    slot: str  # whose pictures are used
    ours: str | None = None  # the name of the paper's data among our datasets, where it is not `dataset`
    mask: str  # the paper's
    ratio: str  # the paper's range of hole ratios; "" without ranges
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

    @property
    def short(self) -> str:
        """What tells a condition from the others on its data."""
        return self.ratio or self.mask


class Row(Settings):
    """One method."""

    label: str
    run: str | dict[str, str]  # its run; {kind of hole: run} where each has its own
    method: str | None = None  # its name in values.csv; none where the paper has no such row

    def run_on(self, condition: Condition) -> str | None:
        """The run under a condition; none where the method has none there."""
        return self.run if isinstance(self.run, str) else self.run.get(condition.hole)

    @property
    def runs(self) -> list[str]:
        return [self.run] if isinstance(self.run, str) else list(dict.fromkeys(self.run.values()))


class MethodTable(Layout):
    """A table with a row for each method, under one or several conditions."""

    protocol: list[str]  # what the paper says of its measurement, and what it leaves open
    data: list[Condition] = Field(min_length=1)
    rows: list[Row]

    def methods(self, paper: str) -> list[MethodRow]:
        return [MethodRow(row.label, row.method, row.runs) for row in self.rows]

    def check(self, places: Sequence[Place], metrics: Metrics, at: str) -> None:
        holes = {condition.hole for condition in self.data}
        for row in self.rows:
            one_of(row.method, [*sorted({place.method for place in places}), None], f"{at}.rows: method")
            for key in row.run if isinstance(row.run, dict) else ():
                one_of(key, holes, f"{at}.rows: run")


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


class Comparison(MethodTable):
    """Published numbers and ours, in the paper's own order of rows and metrics."""

    own: list[str]  # the paper's method and its ablations, in values.csv: how they compare with every row is a claim
    external: bool  # whether external results have rows here; not where variants of one method are compared
    published: list[str | Unstated]  # metrics
    measured: list[Group]

    @property
    def columns(self) -> list[tuple[str, Column]]:
        """Every measured column with its group."""
        return [(group.group, column) for group in self.measured for column in group.columns]

    def published_metrics(self, metrics: Metrics) -> Metrics:
        """{name in values.csv: what it means}."""
        return dict(_explained(metric, metrics) for metric in self.published)

    def check(self, places: Sequence[Place], metrics: Metrics, at: str) -> None:
        for metric in self.published:
            one_of(metric if isinstance(metric, str) else metric.like, metrics, f"{at}.published")
        for method in self.own:
            one_of(method, [row.method for row in self.rows if row.method], f"{at}.own")
        published = self.published_metrics(metrics)
        for metric in published:
            one_of(metric, {place.metric for place in places}, f"{at}.published")
        for _, column in self.columns:
            one_of(column.metric, metrics, f"{at}.measured: metric")
            one_of(column.published, [*published, None], f"{at}.measured: published")
        _refuse_several([condition.slot for condition in self.data], f"{at}.data: slot")
        for condition in self.data:
            found = {(place.dataset, place.mask, place.ratio) for place in places}
            one_of((condition.dataset, condition.mask, condition.ratio), found, f"{at}.data: dataset, mask, ratio")
        super().check(places, metrics, at)


def _explained(published: str | Unstated, metrics: Metrics) -> tuple[str, Metric]:
    if isinstance(published, str):
        return published, metrics[published]
    return published.name, metrics[published.like].model_copy(update={"label": published.label})


def _refuse_several(found: list[str], at: str) -> None:
    if len(set(found)) > 1:
        raise InputError(f"{at}: found {', '.join(dict.fromkeys(found))}; accepted: one for the whole table")


class Study(MethodTable):
    """A user study: raters see the input and what several methods made of it, and pick one."""

    question: str  # what the page asks
    pictures: PositiveInt  # of each condition, in the paper
    raters: PositiveInt  # in the paper

    @property
    def conditions(self) -> list[Condition]:
        """Each slot and kind of hole once, as one set of pictures may stand for several of the paper's."""
        found: dict[tuple[str, str], Condition] = {}
        for condition in self.data:
            found.setdefault((condition.slot, condition.hole), condition)
        return list(found.values())


class Votes(Settings):
    """A column of votes from a user study in a table of other things."""

    label: str
    dataset: str  # of the published votes
    metric: str
    study: Study


class Timed(Settings):
    """A column of seconds."""

    device: Literal["cpu", "cuda"]
    size: PositiveInt  # px


class ComparisonTable(Comparison):
    """A table with a column for each metric under each condition."""

    kind: Literal["comparison"]
    every_metric: bool  # whether a table of all metrics follows
    votes: Votes | None = None
    timed: list[Timed] = Field(default_factory=list)  # columns of seconds a picture on this machine

    @property
    def timed_runs(self) -> list[str]:
        return [run for row in self.rows for run in row.runs] if self.timed else []

    @property
    def study(self) -> Study | None:
        return self.votes.study if self.votes else None

    def check(self, places: Sequence[Place], metrics: Metrics, at: str) -> None:
        super().check(places, metrics, at)
        _refuse_several([condition.dataset for condition in self.data], f"{at}.data: dataset")
        if votes := self.votes:
            found = {(place.dataset, place.metric) for place in places}
            one_of((votes.dataset, votes.metric), found, f"{at}.votes: dataset, metric")
            votes.study.check(places, metrics, f"{at}.votes.study")


class WideTable(Comparison):
    """A table with a block of rows for each metric and a column for each condition."""

    kind: Literal["wide"]


class StudyTable(Study):
    """A table of the votes of a user study."""

    kind: Literal["study"]
    published: list[Literal["vote_share_percent", "winning_samples"]]  # its columns

    @property
    def study(self) -> Study:
        return self

    def check(self, places: Sequence[Place], metrics: Metrics, at: str) -> None:
        for condition in self.data:
            one_of(condition.dataset, sorted({place.dataset for place in places}), f"{at}.data: dataset")
        for metric in self.published:
            one_of(metric, {place.metric for place in places}, f"{at}.published")
        super().check(places, metrics, at)
