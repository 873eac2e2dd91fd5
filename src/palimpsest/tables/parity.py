"""Released networks under our protocol beside the numbers that their papers publish: the check of our reading."""

from collections.abc import Iterable, Iterator

from palimpsest.papers.tables import Comparison, Row
from palimpsest.results.measured import with_released
from palimpsest.tables.cells import Cells
from palimpsest.tables.context import Context
from palimpsest.tables.model import Cell, Head, Table
from palimpsest.tables.notes import INTERVAL

KEY = "released"
COLUMNS = ["table", "data", "holes", "metric"]
TITLE = "Released networks: what their papers publish, and what the released weights give here"
MEANING = (
    "Published numbers of networks that their authors released, measured on the paper's data under its protocol. A "
    "difference comes from the data, the holes, the metric or our reading of the paper."
)


def parity_table(contexts: Iterable[Context]) -> Iterator[Table]:
    """One table over all papers; none where no released network was measured on a paper's own data."""
    rows = [row for context in contexts if isinstance(context.layout, Comparison) for row in _rows(context)]
    if rows:
        heads = [Head("measured on", name, False) for name in COLUMNS]
        heads += [Head("mean", "published"), Head("mean", "ours"), Head("difference", "ours − published")]
        heads.append(Head("difference", "published is in our interval", False))
        yield Table(KEY, TITLE, heads, rows, [("Compared", MEANING), ("Interval", INTERVAL)], corner="network")


def _rows(context: Context) -> Iterator[tuple[str, list[Cell]]]:
    layout: Comparison = context.layout
    for condition in layout.data:
        cells = Cells(context, condition)
        shown = with_released(layout.rows, [condition], context.measured, newer=False) if cells.same else []
        for row in shown:
            if row not in layout.rows and row.method:
                yield from _compared(cells, row)


def _compared(cells: Cells, row: Row) -> Iterator[tuple[str, list[Cell]]]:
    """A line for each metric that the paper publishes of a released network's method."""
    context, condition = cells.context, cells.condition
    for _, column in context.layout.columns:
        if (difference := cells.difference(column, row)).number is not None:
            about = [context.title, condition.label, cells.holes, context.metrics[column.metric].head]
            published, ours = cells.published(column.published, row), cells.measured(column.metric, row)
            found = context.measured.aggregate(row.run, condition.measured, column.metric)
            inside = Cell("–", "none")
            if found.low is not None:
                inside = Cell("yes" if found.low <= published.number <= found.high else "no", "data")
            yield row.label, [*(Cell(text, "data") for text in about), published, ours, difference, inside]
