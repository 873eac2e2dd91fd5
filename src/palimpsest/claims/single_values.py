"""Which single values of which runs claims and tables compare; a record keeps these."""

from functools import cache

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
    metrics, found = read_metrics(), {}
    for name, paper in read_papers().items():
        for claim in Reader(name, paper, read_values(), metrics).claims():
            if isinstance(claim, PictureClaim):
                for run in (run for pair in claim.pairs for run in (pair.run, pair.against)):
                    found.setdefault(run, set()).update((hole, claim.metric) for hole in claim.holes)
        for layout in paper.tables.values():
            if isinstance(layout, Comparison):
                for at in layout.data:
                    for run in filter(None, (row.run_on(at) for row in layout.rows)):
                        found.setdefault(run, set()).update((at.measured, each.metric) for _, each in layout.columns)
    found.setdefault(REFERENCE, set()).update((row.hole, row.metric) for row in rows())
    for kept in found.values():
        kept.update((row.hole, BEATEN) for row in rows())
    return found
