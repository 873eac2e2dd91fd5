"""What a table is built from, and the cells that tables of several kinds share."""

from collections.abc import Iterator
from dataclasses import dataclass

from palimpsest.papers.metrics import Metrics
from palimpsest.papers.tables import Condition, Layout
from palimpsest.papers.values import Place, Values
from palimpsest.results.measured import Measured
from palimpsest.results.reproduction import Beside
from palimpsest.study.polls import Poll
from palimpsest.tables.model import Cell

DEVICES = {"cpu": "CPU", "cuda": "GPU"}
SMOKE = (
    "Profile tiny trains narrow networks for a short time on small crops of a handful of photographs. Its numbers "
    "prove that the pipeline works and say nothing about the methods."
)


def stand_in(dataset: str, condition: Condition) -> str:
    """The note on numbers that were measured on other data than the paper's."""
    return f"{dataset} stands in for the paper's data, {condition.label}: no difference is computed."


@dataclass(frozen=True)
class Context:
    """A table's layout, and all that its cells are taken from."""

    paper: str  # its key
    label: str  # the paper's
    key: str  # the table's in <paper>.yaml
    layout: Layout
    values: Values
    metrics: Metrics
    measured: Measured
    poll: Poll | None = None  # of the study whose votes it shows
    beside: Beside | None = None  # a record; none before there is one

    @property
    def name(self) -> str:
        """What the table's files are called."""
        return f"{self.paper}-{self.key}"

    @property
    def title(self) -> str:
        """The paper and, where the table has one, its number."""
        return f"{self.label}, Table {self.key}" if self.layout.numbered else self.label

    @property
    def caption(self) -> str:
        return f"{self.title}: {self.layout.title}"

    @property
    def smoke(self) -> Iterator[tuple[str, str]]:
        """The note on results that say nothing about the methods."""
        if self.measured.profile == "tiny":
            yield "Smoke run", SMOKE

    def published(
        self, method: str | None, metric: str | None, at=("", "", ""), about="published", unit="", lack="–"
    ) -> Cell:
        """A published number with its unit; `at` is its (dataset, mask, ratio), `lack` what an absent one prints as."""
        place = Place(self.paper, self.layout.source(self.key), *at, method, metric)
        if (value := self.values.get(place)) is None:
            return Cell("–", "none", about="not in the paper")
        if not value.legible:
            return Cell("illegible", "illegible", about=value.note)
        if not value.text:
            return Cell(lack, "none", about=value.note)
        return Cell(f"{value.text} {unit}".strip(), "published", value.number, about=about)

    def not_yet_run(self, run: str) -> Cell:
        """The cell of a method without results."""
        return Cell("not yet run", "missing", about=f"run {run}: {self.measured.why_absent(run)}")

    def counted(self, run: str, count: int | None, about: str) -> Cell:
        """The parameters or blocks of one of a run's networks; none where it has no such network."""
        if run not in self.measured.runs:
            return self.not_yet_run(run)
        if count is None:
            return Cell("–", "none", about=f"{run} has no such network")
        return Cell(f"{count:,}", "measured", count, about=about, provenance=f"provenance/{run}")
