"""How a paper's tables are laid out, and which run stands for which row."""

from typing import Literal

from pydantic import Field, PositiveInt

from palimpsest.config.yaml import Settings
from palimpsest.papers.metrics import Metric, Metrics


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
