"""Columns become rows of cells, the best and second best numbers of each column marked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from palimpsest.papers.metrics import Metric
from palimpsest.papers.tables import Row
from palimpsest.tables.model import Cell, Head


@dataclass(frozen=True)
class FilledColumn:
    """One column: its heads, the cell of each row, and the metric that ranks its cells; none where none does."""

    head: Head
    cell: Callable[[Row], Cell]
    metric: Metric | None = None


def fill(columns: Sequence[FilledColumn], rows: Sequence[Row]) -> list[tuple[str, list[Cell]]]:
    """The label and the cells of each row."""
    grid = [ranked(column.metric, [column.cell(row) for row in rows]) for column in columns]
    return [(row.label, list(cells)) for row, cells in zip(rows, zip(*grid, strict=True), strict=True)]


def ranked(metric: Metric | None, cells: list[Cell]) -> list[Cell]:
    """The cells with the best and the second best number marked; numbers that print alike tie.

    None is marked beside an illegible number, which may be better.
    """
    if metric is None or metric.direction == "none" or any(cell.status == "illegible" for cell in cells):
        return cells
    values = [_as_printed(cell, metric) for cell in cells]
    order = sorted({value for value in values if value is not None}, reverse=metric.direction == "higher")
    marks = dict(zip(order, ("best", "second"), strict=False))
    return [replace(cell, mark=marks.get(value, "")) for cell, value in zip(cells, values, strict=True)]


def _as_printed(cell: Cell, metric: Metric) -> float | None:
    """The number that a cell shows: a published one has the paper's own digits."""
    if cell.number is None or cell.status == "published":
        return cell.number
    return round(cell.number, metric.digits)
