"""Which single values of which runs claims and tables compare; a record keeps these."""

from collections.abc import Iterator
from functools import cache
from itertools import chain, product

from palimpsest.claims.claim import PictureClaim
from palimpsest.claims.orders import Reader
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import read_papers
from palimpsest.papers.tables import Comparison
from palimpsest.papers.values import read_values
from palimpsest.results.headline import BEATEN, REFERENCE, rows


def compared(run: str) -> set[tuple[str, str]]:
    """(kind of hole, metric) of each."""
    return _compared().get(run, set())


@cache
def _compared() -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {REFERENCE: {(row.hole, row.metric) for row in rows()}}
    for run, hole, metric in chain(_in_claims(), _in_tables()):
        found.setdefault(run, set()).add((hole, metric))
    against_reference = {(row.hole, BEATEN) for row in rows()}
    return {run: wanted | against_reference for run, wanted in found.items()}


def _in_claims() -> Iterator[tuple[str, str, str]]:
    """(run, kind of hole, metric) of each."""
    readers = (Reader(name, paper, read_values(), read_metrics()) for name, paper in read_papers().items())
    for claim in chain.from_iterable(reader.claims() for reader in readers):
        if isinstance(claim, PictureClaim):
            runs = chain.from_iterable((pair.run, pair.against) for pair in claim.pairs)
            yield from ((run, hole, claim.metric) for run, hole in product(runs, claim.holes))


def _in_tables() -> Iterator[tuple[str, str, str]]:
    layouts = chain.from_iterable(paper.tables.values() for paper in read_papers().values())
    for layout in (layout for layout in layouts if isinstance(layout, Comparison)):
        for at, row, (_, column) in product(layout.data, layout.rows, layout.columns):
            if run := row.run_on(at):
                yield run, at.measured, column.metric
