"""The ledger: the verdict on every claim of every paper. docs/claims.md says how each comes about."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from palimpsest.claims.claim import Claim, CostClaim
from palimpsest.claims.costs import judge_cost
from palimpsest.claims.evidence import Evidence
from palimpsest.claims.orders import Reader, column_for
from palimpsest.claims.ranks import Agreement, Column, agreement
from palimpsest.claims.verdict import VERDICTS, Entry, judge
from palimpsest.config.words import number_of
from palimpsest.papers.paper import Paper
from palimpsest.papers.tables import Comparison, Condition
from palimpsest.papers.values import Place, read_values
from palimpsest.results.measured import Measured


@dataclass(frozen=True)
class Ledger:
    """Every claim with its verdict, and how far the order in each table agrees with the published one."""

    entries: list[Entry]
    agreements: dict[str, Agreement]  # {paper-table: its}; none where nothing ranks

    @property
    def by_id(self) -> dict[str, Entry]:
        return {entry.claim.id: entry for entry in self.entries}

    @property
    def stand_ins(self) -> int:
        """How many claims were tested on other photographs than the paper's."""
        return sum(entry.stand_in for entry in self.entries)

    def of(self, paper: str, table: str | None = None) -> list[Entry]:
        """Of a paper; of one of its tables, or of its text for ""."""
        mine = [entry for entry in self.entries if entry.claim.paper == paper]
        return mine if table is None else [entry for entry in mine if entry.claim.table == table]


def counts(entries: Iterable[Entry]) -> dict[str, int]:
    """{verdict: number}, in the order of VERDICTS, those that occur."""
    return _in_order(entry.verdict for entry in entries)


def distinct(entries: Iterable[Entry]) -> dict[str, int]:
    """{verdict: number of comparisons}, as `counts`: claims that are tested by the same numbers are one."""
    return _in_order(verdict for verdict, _ in _comparisons(entries))


def _comparisons(entries: Iterable[Entry]) -> set[tuple[str, Hashable]]:
    """Each comparison with each verdict that a claim about it has."""
    return {(entry.verdict, entry.claim.compared) for entry in entries}


def _in_order(verdicts: Iterable[str]) -> dict[str, int]:
    found = Counter(verdicts)
    return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def tallied(entries: list[Entry]) -> dict[str, str]:
    """{verdict: number of claims, with that of comparisons in brackets where it is smaller}."""
    return {verdict: f"{count}{fewer and f' ({fewer})'}" for verdict, count, fewer in _tally(entries)}


def counted(entries: list[Entry]) -> str:
    """The verdicts in words, each with its number, and that of its comparisons where these are fewer."""
    words = (f"{count} {verdict}{fewer and f' ({fewer} distinct)'}" for verdict, count, fewer in _tally(entries))
    return ", ".join(words)


def _tally(entries: list[Entry]) -> Iterator[tuple[str, int, str]]:
    """Each verdict, how many claims have it, and how many comparisons these are; "" where they are as many."""
    comparisons = distinct(entries)
    for verdict, count in counts(entries).items():
        yield verdict, count, str(comparisons[verdict]) if comparisons[verdict] < count else ""


def repeated(entries: list[Entry]) -> str:
    """How many comparisons the claims are, in a sentence; in one more, how many have several verdicts, if any."""
    verdicts = Counter(comparison for _, comparison in _comparisons(entries))
    several = sum(count > 1 for count in verdicts.values())
    disagreeing = f" {number_of(several, 'comparison')} got two verdicts, as published orders contradict each other."
    return (
        f"They are {len(verdicts)} distinct comparisons: where one set of pictures stands in for several datasets, the "
        f"same runs, metric and holes test several claims.{disagreeing if several else ''}"
    )


def read_ledger(measured: Measured, papers: dict[str, Paper]) -> Ledger:
    """Of some papers, from what was measured."""
    evidence, values = Evidence(measured), read_values()
    readers = [Reader(name, paper, values, evidence.metrics) for name, paper in papers.items()]
    return Ledger(
        entries=[_judged(claim, evidence) for reader in readers for claim in reader.claims()],
        agreements={key: found for reader in readers for key, found in _agreements(reader, evidence)},
    )


def _judged(claim: Claim, evidence: Evidence) -> Entry:
    return judge_cost(claim, evidence) if isinstance(claim, CostClaim) else judge(claim, evidence)


def _agreements(reader: Reader, evidence: Evidence) -> Iterator[tuple[str, Agreement]]:
    for key, layout in reader.paper.tables.items():
        if isinstance(layout, Comparison):
            columns = [column for at in layout.data for column in _columns(reader, key, layout, at, evidence)]
            if found := agreement(columns):
                yield f"{reader.name}-{key}", found


def _columns(reader: Reader, key: str, layout: Comparison, at: Condition, evidence: Evidence) -> Iterator[Column]:
    """Of each published metric with a better side that one of ours compares with: the methods that have both."""
    for name, metric in layout.published_metrics(evidence.metrics).items():
        tested = column_for(layout, name)
        if metric.direction == "none" or tested is None or not tested[1].compares:
            continue
        ours = tested[1].metric
        rows = []
        for row in layout.rows:
            place = Place(reader.name, layout.source(key), at.dataset, at.mask, at.ratio, row.method, name)
            run, printed = row.run_on(at), reader.values.get(place)
            if printed and printed.number is not None and not evidence.lacks(run, at.slot, at.measured, ours):
                unsure = evidence.of_seeds(run, at.slot, at.measured, ours)
                rows.append((printed.number, evidence.values(run, at.measured, ours), unsure))
        if len(rows) > 1 and evidence.metrics[ours].of != "set":
            values = np.stack([found.mean(0) for _, found, _ in rows])
            finite = np.isfinite(values).all(0)
            if finite.any():
                photographs = evidence.measured.photographs(at.slot)[finite]
                published, _, of_seeds = zip(*rows, strict=True)
                yield Column(np.array(published), values[:, finite], photographs, np.array(of_seeds))
