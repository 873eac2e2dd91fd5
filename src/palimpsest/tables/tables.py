"""Every table of every paper: a builder for each kind of layout."""

from collections.abc import Callable, Iterator

from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import read_papers
from palimpsest.papers.values import read_values
from palimpsest.results.measured import Measured
from palimpsest.results.reproduction import Beside
from palimpsest.study.polls import read_polls
from palimpsest.tables.compared import comparison_tables
from palimpsest.tables.context import Context
from palimpsest.tables.cost import claims_table, timing_table
from palimpsest.tables.counts import block_table, parameter_table, setting_table
from palimpsest.tables.model import Table
from palimpsest.tables.parity import parity_table
from palimpsest.tables.votes import study_table
from palimpsest.tables.wide import wide_table

BUILDERS: dict[str, Callable[[Context], Iterator[Table]]] = {
    "comparison": comparison_tables,
    "wide": wide_table,
    "study": study_table,
    "blocks": block_table,
    "settings": setting_table,
    "parameters": parameter_table,
    "timings": timing_table,
    "claims": claims_table,
}


def all_tables(measured: Measured, beside: Beside | None = None) -> list[Table]:
    """Every table, in the papers' order, then that of released networks; with the numbers of a record beside ours."""
    found = list(contexts(measured, beside))
    return [
        *(table for context in found for table in BUILDERS[context.layout.kind](context)),
        *parity_table(found),
    ]


def contexts(measured: Measured, beside: Beside | None = None) -> Iterator[Context]:
    """What each table is built from."""
    metrics, values, polls = read_metrics(), read_values(), read_polls(measured)
    for name, paper in read_papers().items():
        for key, layout in paper.tables.items():
            poll = polls.get(f"{name}-{key}")
            yield Context(name, paper.label, key, layout, values, metrics, measured, poll, beside)
