"""Released networks under our protocol beside the numbers that their papers publish: the check of our reading."""

from collections.abc import Iterable, Iterator

from palimpsest.papers.tables import Comparison
from palimpsest.tables.cells import Cells
from palimpsest.tables.context import Context
from palimpsest.tables.model import Cell, Head, Table
from palimpsest.tables.notes import INTERVAL, with_external

KEY = "released"
COLUMNS = ["table", "data", "holes", "metric"]
TITLE = "Released networks: published numbers, and the same weights measured here"
MEANING = (
    "Every published number whose data and protocol are the paper's, and whose network was released with the data that "
    "it learned from. No training lies between the two, so a difference is one of data, holes, metric or arithmetic."
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
        released = set(context.measured.released(condition.slot, condition.measured)) if cells.same else ()
        for row in with_external(context.measured, layout, [condition]):
            for _, column in layout.columns if row.run in released and row.method else ():
                difference = cells.difference(column, row)
                if difference.number is None:
                    continue
                metric = context.metrics[column.metric]
                about = [context.title, condition.label, cells.holes, metric.head]
                published, ours = cells.published(column.published, row), cells.measured(column.metric, row)
                found = context.measured.aggregate(row.run, condition.measured, column.metric)
                inside = "" if found.low is None else "yes" if found.low <= published.number <= found.high else "no"
                shown = [published, ours, difference, Cell(inside or "–", "data" if inside else "none")]
                yield row.label, [*(Cell(text, "data") for text in about), *shown]
