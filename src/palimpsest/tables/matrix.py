"""Which method was run for which table."""

from dataclasses import dataclass, field

from palimpsest.papers.paper import read_papers
from palimpsest.papers.tables import MethodRow, MethodTable
from palimpsest.results.measured import Measured, with_released
from palimpsest.study.polls import read_polls

RUN, ABSENT, UNVOTED = "run", "not yet run", "no votes"


@dataclass
class Method:
    """A method under the shortest name that tables give it, and the runs that stand for it."""

    label: str
    names: set[str]  # runs, and its name within a paper
    run: str = ""  # the first of them that was measured
    cells: dict[str, str] = field(default_factory=dict)  # table → whether it was run


def matrix(measured: Measured) -> dict:
    """{tables: keys, methods: [{label, run, cells: {table: run, no votes or not yet run}}]}, in the papers' order.

    `run` is the first one of a method, "" where it has none.
    """
    polls = read_polls(measured)
    tables, methods = [], []
    for name, paper in read_papers().items():
        for key, layout in paper.tables.items():
            if not (shown := layout.methods(paper.label)):
                continue
            table = f"{name}-{key}"
            tables.append(table)
            voted = layout.kind != "study" or polls[table].whole
            if isinstance(layout, MethodTable):
                below = with_released(layout.rows, layout.data, measured, newer=getattr(layout, "external", True))
                shown += [MethodRow(row.label, None, row.runs) for row in below if row not in layout.rows]
            for each in shown:
                method = _method(methods, each.label, _names(name, each, measured))
                found = [run for run in each.runs if measured.has(run)]
                method.label = min(method.label, each.label, key=len)
                method.cells[table] = (RUN if voted else UNVOTED) if found else ABSENT
                method.run = method.run or next(iter(found), "")
    listed = [{"label": each.label, "run": each.run, "cells": each.cells} for each in methods]
    return {"tables": tables, "methods": listed}


def _names(paper: str, method: MethodRow, measured: Measured) -> set[str]:
    """What tells a method from others: its runs, those whose weights they use, and its name within a paper."""
    runs = {each for run in method.runs for each in (run, measured.trained(run))}
    return {*runs, f"{paper}: {method.name}"} if method.name else runs


def _method(methods: list[Method], label: str, names: set[str]) -> Method:
    """The method that has one of these names, new or known."""
    found = next((method for method in methods if method.names & names), None)
    if found is None:
        methods.append(found := Method(label, set()))
    found.names |= names
    return found
