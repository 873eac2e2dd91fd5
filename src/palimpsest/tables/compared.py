"""A paper's table in its own order, published and ours beside each other, and a table of every metric."""

from collections.abc import Iterator
from functools import partial

from palimpsest.papers.metrics import REGIONS, Metric
from palimpsest.papers.tables import Column, ComparisonTable, Row, Timed
from palimpsest.tables.cells import Cells
from palimpsest.tables.columns import FilledColumn, fill, ranked
from palimpsest.tables.context import DEVICES, Context
from palimpsest.tables.cost import cost_cell
from palimpsest.tables.model import NO_NUMBER, Cell, Head, Table
from palimpsest.tables.notes import caption, metric_notes, notes, with_external
from palimpsest.tables.votes import votes_table


def comparison_tables(context: Context) -> Iterator[Table]:
    """The paper's table, a block a kind of hole; then those of its votes and of every metric that its spec asks for."""
    layout: ComparisonTable = context.layout
    under = [Cells(context, condition) for condition in layout.data]
    rows = with_external(context.measured, layout, layout.data)
    blocks = [[*_compared(cells), *_timed(context)] for cells in under]
    several = len(under) > 1
    yield Table(
        key=context.name,
        caption=caption(context, under),
        heads=[column.head for column in blocks[0]],
        rows=[line for columns in blocks for line in fill(columns, rows)],
        notes=list(notes(context, under, rows)),
        blocks=[(f"{cells.condition.short} holes", len(rows)) for cells in under] if several else [],
        blocked="holes",
        ranked="block" if several else "column",
    )
    if context.poll:
        yield votes_table(context)
    if layout.every_metric:
        for cells in under:
            yield every_metric(cells)


def _compared(cells: Cells) -> Iterator[FilledColumn]:
    """Of each metric published, ours and the difference, what compares first; then the metrics of ours alone."""
    layout, metrics = cells.context.layout, cells.context.metrics
    for name, metric in layout.published_metrics(metrics).items():
        yield FilledColumn(Head(metric.head, cells.published_on), partial(cells.published, name), metric)
        beside = [(group, column) for group, column in layout.columns if column.published == name]
        for group, column in sorted(beside, key=lambda each: not each[1].compares):
            yield from _measured(cells, metric, group, column)
    for group, column in layout.columns:
        if column.published is None:
            yield from _measured(cells, metrics[column.metric], group, column)


def _measured(cells: Cells, metric: Metric, group: str, column: Column) -> Iterator[FilledColumn]:
    """One of our metrics under the head of `metric`, and how it differs from the published one where they compare."""
    own = cells.context.metrics[column.metric]
    another = "" if own.head == metric.head else f": {own.head}"
    head = Head(metric.head, f"{cells.ours_on}, {group}{another}")
    yield FilledColumn(head, partial(cells.measured, column.metric), own)
    if cells.context.beside:
        yield FilledColumn(Head(metric.head, f"{cells.on_record}, {group}"), partial(cells.recorded, column.metric))
    if cells.same and column.compares:
        yield FilledColumn(Head(metric.head, f"ours − published, {group}"), partial(cells.difference, column))


def _timed(context: Context) -> Iterator[FilledColumn]:
    """Seconds a picture on this machine."""
    for timed in context.layout.timed:
        head = Head(f"ours, seconds on a {DEVICES[timed.device]} ↓", f"{timed.size} px")
        yield FilledColumn(head, partial(_seconds, context, timed))


def _seconds(context: Context, timed: Timed, row: Row) -> Cell:
    """Of a row with one run; external results were not timed here."""
    return cost_cell(context, row.run, timed.device, timed.size, "seconds") if isinstance(row.run, str) else NO_NUMBER


def every_metric(cells: Cells) -> Table:
    """All that was measured of a table's methods under one condition, a row a metric."""
    context, condition = cells.context, cells.condition
    rows = with_external(context.measured, context.layout, [condition])
    rows = [row for row in rows if cells.run(row)]
    lines = []
    for region, words in REGIONS.items():
        for name, metric in context.metrics.items():
            if metric.of == region:
                measured = [cells.measured(name, row) for row in rows]
                lines.append((metric.head, [Cell(words, "data"), Cell(name, "data"), *ranked(metric, measured)]))
    ours = f"{cells.ours_on}, {cells.holes}"
    several = len(context.layout.data) > 1
    return Table(
        key=f"{context.name}-every-metric"
        + (f"-{condition.slot}-{condition.measured.replace('/', '-')}" if several else ""),
        caption=f"{caption(context, [cells])}, every metric",
        heads=[Head("metric", "of", False), Head("metric", "id", False), *(Head(ours, row.label) for row in rows)],
        rows=lines,
        notes=list(metric_notes(cells, rows)),
        corner="name",
        parts=[2 + len(rows)],
        ranked="row",
    )
