"""A paper's wide table: all methods in a block for each metric, a column for each condition."""

from collections.abc import Iterator
from functools import partial

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
        (published.get(column.published, context.metrics[column.metric]).head, list(_columns(under, column)))
        for _, column in layout.columns
    ]
    yield Table(
        key=context.name,
        caption=caption(context, under),
        heads=[column.head for column in blocks[0][1]],
        rows=[line for _, columns in blocks for line in fill(columns, rows)],
        notes=list(notes(context, under, rows)),
        blocks=[(head, len(rows)) for head, _ in blocks],
        ranked="block",
    )


def _columns(under: list[Cells], column: Column) -> Iterator[FilledColumn]:
    """One metric's columns: for each kind of hole the published ones of each data set, ours, and the difference."""
    metrics = under[0].context.metrics
    published = under[0].context.layout.published_metrics(metrics).get(column.published)
    for measured in dict.fromkeys(cells.condition.measured for cells in under):
        alike = [cells for cells in under if cells.condition.measured == measured]
        group, ours = f"{alike[0].condition.short} holes", alike[0]
        for cells in alike:
            read = partial(cells.published, column.published)
            yield FilledColumn(Head(group, cells.published_on), read, published)
        yield FilledColumn(Head(group, ours.ours_on), partial(ours.measured, column.metric), metrics[column.metric])
        if ours.context.beside:
            yield FilledColumn(Head(group, ours.on_record), partial(ours.recorded, column.metric))
        for cells in alike:
            if cells.same:
                head = Head(group, f"ours − published, {cells.condition.label}")
                yield FilledColumn(head, partial(cells.difference, column))
