"""A paper's wide table: all methods in a block for each metric, a column for each condition."""

from collections.abc import Iterator
from functools import partial
from itertools import chain

from palimpsest.papers.tables import Column, WideTable
from palimpsest.tables.cells import Cells
from palimpsest.tables.columns import FilledColumn, fill
from palimpsest.tables.context import Context
from palimpsest.tables.model import Head, Table
from palimpsest.tables.notes import caption, notes, with_external


def wide_table(context: Context) -> Iterator[Table]:
    """The table, with ours beside the published numbers under each condition."""
    layout: WideTable = context.layout
    under = [Cells(context, condition) for condition in layout.data]
    rows = with_external(context.measured, layout, layout.data)
    published = layout.published_metrics(context.metrics)
    blocks = [
        (published.get(column.published, context.metrics[column.metric]).head, list(_parts(under, column)))
        for _, column in layout.columns
    ]
    parts = blocks[0][1]
    yield Table(
        key=context.name,
        caption=caption(context, under),
        heads=[column.head for column in chain(*parts)],
        rows=[line for _, columns in blocks for line in fill(list(chain(*columns)), rows)],
        notes=list(notes(context, under, rows)),
        blocks=[(head, len(rows)) for head, _ in blocks],
        parts=[len(part) for part in parts],
        ranked="block",
    )


def _parts(under: list[Cells], column: Column) -> Iterator[list[FilledColumn]]:
    """One metric's columns, those of one slot together: for each kind of hole published, ours and the difference.

    A slot that stands in for several data sets has the published numbers of each beside ours.
    """
    metrics = under[0].context.metrics
    published = under[0].context.layout.published_metrics(metrics).get(column.published)
    for slot in dict.fromkeys(cells.condition.slot for cells in under):
        of_slot = [cells for cells in under if cells.condition.slot == slot]
        found = []
        for measured in dict.fromkeys(cells.condition.measured for cells in of_slot):
            alike = [cells for cells in of_slot if cells.condition.measured == measured]
            group, ours = f"{alike[0].condition.short} holes", alike[0]
            for cells in alike:
                read = partial(cells.published, column.published)
                found.append(FilledColumn(Head(group, cells.published_on), read, published))
            read = partial(ours.measured, column.metric)
            found.append(FilledColumn(Head(group, ours.ours_on), read, metrics[column.metric]))
            for cells in alike:
                if cells.same:
                    head = Head(group, f"ours − published, {cells.condition.label}")
                    found.append(FilledColumn(head, partial(cells.difference, column)))
        yield found
