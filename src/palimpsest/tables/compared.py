"""A paper's table in its own order, published and ours beside each other, and a table of every metric."""

from collections.abc import Iterator
from functools import partial

from palimpsest.papers.metrics import REGIONS
from palimpsest.papers.tables import ComparisonTable, Row, Timed
from palimpsest.tables.cells import Cells
from palimpsest.tables.columns import FilledColumn, fill, ranked
from palimpsest.tables.context import DEVICES, Context
from palimpsest.tables.cost import cost_cell
from palimpsest.tables.model import NO_NUMBER, Cell, Head, Table
from palimpsest.tables.notes import MEASURED_ON, caption, metric_notes, notes, with_external
from palimpsest.tables.votes import votes_columns


def comparison_tables(context: Context) -> Iterator[Table]:
    """The paper's table, then one of every metric where its spec asks for it."""
    layout: ComparisonTable = context.layout
    under = [Cells(context, condition) for condition in layout.data]
    rows = with_external(context.measured, layout.rows, layout.data)
    columns = [*_compared(layout, under), *_timed(context), *(votes_columns(context) if context.poll else [])]
    yield Table(
        key=context.name,
        caption=caption(context, under),
        heads=[column.head for column in columns],
        rows=fill(columns, rows),
        notes=list(notes(context, under, rows)),
    )
    if layout.every_metric:
        for cells in under:
            yield every_metric(cells)


def _compared(layout: ComparisonTable, under: list[Cells]) -> Iterator[FilledColumn]:
    """Under each condition published, ours and the difference; before a slot's first, the data behind ours."""
    told = set()
    for cells in under:
        at, metrics = cells.condition, cells.context.metrics
        prefix = f"{at.mask}{' ' + at.ratio if at.ratio else ''}: " if len(under) > 1 else ""
        if at.slot not in told:
            told.add(at.slot)
            yield FilledColumn(MEASURED_ON, cells.measured_on)
        for name, metric in layout.published_metrics(metrics).items():
            head = Head(f"{prefix}{cells.published_on}", metric.head)
            yield FilledColumn(head, partial(cells.published, name), metric)
        for group in layout.measured:
            for column in group.columns:
                metric = metrics[column.metric]
                head = Head(f"{prefix}ours on {cells.pictures.dataset}, {group.group}", metric.head)
                yield FilledColumn(head, partial(cells.measured, column.metric), metric)
            for column in group.columns:
                if cells.same and column.compares:
                    head = Head(f"{prefix}ours − published, {group.group}", metrics[column.metric].head)
                    yield FilledColumn(head, partial(cells.difference, column))


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
    rows = with_external(context.measured, context.layout.rows, [condition])
    rows = [row for row in rows if cells.run(row)]
    lines = []
    for region, words in REGIONS.items():
        for name, metric in context.metrics.items():
            if metric.of == region:
                measured = [cells.measured(name, row) for row in rows]
                lines.append((metric.head, [Cell(words, "data"), Cell(name, "data"), *ranked(metric, measured)]))
    ours = f"ours on {cells.pictures.dataset}, {cells.holes}"
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
