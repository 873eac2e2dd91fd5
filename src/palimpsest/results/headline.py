"""What README shows first: each paper's own method, the published number and ours."""

from collections.abc import Iterator
from dataclasses import dataclass

from palimpsest.papers.paper import Paper, read_papers
from palimpsest.papers.tables import Column, Comparison
from palimpsest.papers.values import Place
from palimpsest.results.measured import Measured

METRIC = "psnr"  # the published one
REFERENCE = "constant-fill"  # the run that every method has to beat
BEATEN = "psnr_hole"  # the metric by which it has to


@dataclass(frozen=True)
class Row:
    """A paper's own method: where the paper's number is, and what was measured in its place."""

    method: str
    published: Place
    published_on: str  # the paper's name for its data
    slot: str
    hole: str  # kind
    region: str  # that the metric covers: the hole, or the whole picture
    run: str
    metric: str


def rows() -> Iterator[Row]:
    """A row for each paper: its own method, under the first condition of its first table with a PSNR.

    The method is the run that bears the paper's name; a paper without one has no row.
    """
    for name, paper in read_papers().items():
        for number, table in paper.tables.items():
            if isinstance(table, Comparison) and METRIC in table.published:
                yield from _rows_of(name, paper, number, table)
                break


def _rows_of(name: str, paper: Paper, number: str, table: Comparison) -> Iterator[Row]:
    condition = table.data[0]
    region, column = _column(table)
    for row in table.rows:
        if name in row.runs:
            yield Row(
                method=paper.label,
                published=Place(name, number, condition.dataset, condition.mask, condition.ratio, row.method, METRIC),
                published_on=condition.label,
                slot=condition.slot,
                hole=condition.measured,
                region=region,
                run=row.run_on(condition),
                metric=column.metric,
            )


def _column(table: Comparison) -> tuple[str, Column]:
    """The column that measures what the paper's PSNR measures, and its region."""
    alike = [(region, column) for region, column in table.columns if column.published == METRIC]
    return max(alike, key=lambda each: each[1].compares)


def mean(measured: Measured, run: str, row: Row) -> float | None:
    """Of a run under the condition of a row; none where it was not measured."""
    result = measured.results.get(run)
    return result.holes.get(row.hole, {}).get(row.metric) if result and result.slot == row.slot else None
