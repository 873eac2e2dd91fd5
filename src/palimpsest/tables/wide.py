"""A paper's wide table: all methods in a block for each metric, a column for each condition."""

from collections.abc import Iterator
from functools import partial
from itertools import chain, groupby

from palimpsest.papers.tables import Column, WideTable
from palimpsest.tables.cells import Cells
from palimpsest.tables.columns import FilledColumn, fill
from palimpsest.tables.context import Context
from palimpsest.tables.model import Head, Table
from palimpsest.tables.notes import MEASURED_ON, caption, notes, with_external


def wide_table(context: Context) -> Iterator[Table]:
    """The table, with ours beside the published numbers of each data set."""
    layout: WideTable = context.layout
    under = [Cells(context, condition) for condition in layout.data]
    rows = with_external(context.measured, layout.rows, layout.data)
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
    """One metric's columns, those of one data set together: published, ours and the difference.

    Ours appear once where several conditions share slot and holes, after the last of them.
    """
    metrics = under[0].context.metrics
    published = under[0].context.layout.published_metrics(metrics).get(column.published)
    last = {(cells.condition.slot, cells.condition.measured): cells for cells in under}
    for _, of_one in groupby(under, lambda cells: cells.condition.dataset):
        together = list(of_one)
        found = [
            FilledColumn(
                Head(cells.published_on, cells.condition.short), partial(cells.published, column.published), published
            )
            for cells in together
        ]
        ours = [cells for cells in together if last[cells.condition.slot, cells.condition.measured] is cells]
        found += [FilledColumn(MEASURED_ON, cells.measured_on) for cells in ours[:1]]
        for cells in ours:
            head = Head(f"ours on {cells.pictures.dataset}", cells.condition.short)
            found.append(FilledColumn(head, partial(cells.measured, column.metric), metrics[column.metric]))
        for cells in ours:
            if cells.same:
                head = Head(f"ours − published, {cells.condition.label}", cells.condition.short)
                found.append(FilledColumn(head, partial(cells.difference, column)))
        yield found
