"""How a paper's tables of networks are laid out: what they are made of, how they are trained, what they cost."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from palimpsest.config.yaml import Settings, one_of
from palimpsest.papers.metrics import Metrics
from palimpsest.papers.tables import Layout, MethodRow, Timed
from palimpsest.papers.values import Place


class Network(Settings):
    """A column: one network."""

    head: str  # the method in values.csv
    run: str
    network: str  # its dotted name


class Block(Settings):
    """A row: one kind of block."""

    label: str  # the metric in values.csv
    block: str  # its class


class BlockTable(Layout):
    """How many blocks each network has; published counts beside counted ones."""

    kind: Literal["blocks"]
    protocol: list[str]
    columns: list[Network]
    rows: list[Block]

    def methods(self, paper: str) -> list[MethodRow]:
        return [MethodRow(paper, None, [self.columns[0].run])]

    def check(self, places: Sequence[Place], metrics: Metrics, at: str) -> None:
        for column in self.columns:
            one_of(column.head, {place.method for place in places}, f"{at}.columns: head")
        for row in self.rows:
            one_of(row.label, {place.metric for place in places}, f"{at}.rows: label")


class SettingColumn(Settings):
    """One run whose settings are printed."""

    head: str
    run: str


class SettingRow(Settings):
    """One setting."""

    group: str
    label: str
    published: str | None  # the metric in values.csv; none where the paper does not give it
    setting: str  # its dotted name within a run


class SettingTable(Layout):
    """Published settings beside those of the runs that ran."""

    kind: Literal["settings"]
    protocol: list[str]
    method: str  # in values.csv
    columns: list[SettingColumn]
    rows: list[SettingRow]

    def methods(self, paper: str) -> list[MethodRow]:
        return [MethodRow(paper, None, [self.columns[0].run])]

    def check(self, places: Sequence[Place], metrics: Metrics, at: str) -> None:
        one_of(self.method, {place.method for place in places}, f"{at}.method")
        for row in self.rows:
            one_of(row.published, [*(place.metric for place in places), None], f"{at}.rows: published")


class ParameterRow(Settings):
    """One run whose parameters are counted."""

    label: str
    run: str
    method: str | None = None  # in values.csv; none where the paper gives no number


class ParameterTable(Layout):
    """The size of a paper's networks, beside what its text says of it."""

    numbered: ClassVar[bool] = False
    metric: ClassVar[str] = "parameters_millions"  # in values.csv

    kind: Literal["parameters"]
    claim: str
    remark: str
    networks: list[str]
    rows: list[ParameterRow]

    def check(self, places: Sequence[Place], metrics: Metrics, at: str) -> None:
        given = [place.method for place in places if place.metric == self.metric]
        for row in self.rows:
            one_of(row.method, [*given, None], f"{at}.rows: method")


class TimedRow(Settings):
    """One architecture."""

    label: str
    method: str  # its name in values.csv
    complexity: str  # as the paper says
    run: str


class PublishedTime(Timed):
    """A published column of seconds."""

    metric: str  # its name in values.csv


class TimingTable(Layout):
    """Published seconds beside seconds, memory and counts of this machine."""

    kind: Literal["timings"]
    protocol: list[str]
    published: list[PublishedTime]
    rows: list[TimedRow]

    def methods(self, paper: str) -> list[MethodRow]:
        return [MethodRow(row.label, row.method, [row.run]) for row in self.rows]

    @property
    def timed_runs(self) -> list[str]:
        return [row.run for row in self.rows]

    def check(self, places: Sequence[Place], metrics: Metrics, at: str) -> None:
        for timed in self.published:
            one_of(timed.metric, {place.metric for place in places}, f"{at}.published")
        for row in self.rows:
            one_of(row.method, {place.method for place in places}, f"{at}.rows: method")


class Claim(Settings):
    """What a paper's text says of a run."""

    claim: str
    run: str
    published: str | None  # the metric in values.csv; none where the paper gives no number


class SizeClaim(Claim):
    """Of its size."""

    quantity: Literal["parameters"]


class CostClaim(Claim):
    """Of its speed or memory."""

    quantity: Literal["seconds", "frames_per_second", "memory_saved"]
    device: Literal["cpu", "cuda"]
    size: PositiveInt  # px
    against: str | None = None  # the run whose memory is saved


class ClaimTable(Layout):
    """What a paper's text says of its own method beside our measurement."""

    numbered: ClassVar[bool] = False

    kind: Literal["claims"]
    method: str  # in values.csv
    rows: list[Annotated[SizeClaim | CostClaim, Field(discriminator="quantity")]]

    @property
    def timed_runs(self) -> list[str]:
        return [run for claim in self.rows for run in (claim.run, getattr(claim, "against", None)) if run]

    def check(self, places: Sequence[Place], metrics: Metrics, at: str) -> None:
        one_of(self.method, {place.method for place in places}, f"{at}.method")
        for claim in self.rows:
            one_of(claim.published, [*(place.metric for place in places), None], f"{at}.rows: published")
