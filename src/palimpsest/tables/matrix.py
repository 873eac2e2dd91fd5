"""Which method was run for which table."""

from dataclasses import dataclass, field

from palimpsest.config.yaml import Settings
from palimpsest.papers.paper import Paper, read_papers
from palimpsest.papers.tables import Blocks, Hyperparameters, Study, Timings
from palimpsest.results.measured import Measured
from palimpsest.study.polls import read_polls

RUN, ABSENT, UNVOTED = "run", "not yet run", "no votes"


@dataclass
class Method:
    """A method under the name that tables give it, and the runs that stand for it."""

    label: str
    names: set[str]  # runs, and its name within a paper
    run: str = ""  # the first of them that was measured
    cells: dict[str, str] = field(default_factory=dict)  # table → whether it was run


def matrix(measured: Measured) -> dict:
    """{tables: keys, methods: [{label, run, cells: {table: run, no votes or not yet run}}]}, in the papers' order.

    `run` is the first one that stands for a method, "" where none does.
    """
    polls = read_polls(measured)
    papers = read_papers()
    tables, methods = [], []
    for key, paper in papers.items():
        for number, layout in paper.numbered.items():
            tables.append(f"{key}-{number}")
            for label, name, runs in _rows(paper, layout):
                names = {f"{key}: {name}"} if name else set()
                names |= {run for each in runs for run in (each, measured.trained(each))}
                found = any(measured.has(run) for run in runs)
                voted = not isinstance(layout, Study) or polls[f"{key}-{number}"].whole
                method = _method(methods, label, names)
                method.cells[f"{key}-{number}"] = (RUN if voted else UNVOTED) if found else ABSENT
                method.run = method.run or next((run for run in runs if measured.has(run)), "")
    shown = [{"label": each.label, "run": each.run, "cells": each.cells} for each in methods]
    return {"tables": tables, "methods": shown}


def _rows(paper: Paper, layout: Settings) -> list[tuple[str, str | None, list[str]]]:
    """What stands for each method of a table: (label, published name, runs)."""
    match layout:
        case Blocks() | Hyperparameters():
            return [(paper.label, None, [layout.columns[0].run])]
        case Timings():
            return [(row.label, row.method, [row.run]) for row in layout.rows]
    return [(row.label, row.method, row.runs) for row in layout.rows]


def _method(methods: list[Method], label: str, names: set[str]) -> Method:
    """The method that has one of these names, new or known."""
    found = next((method for method in methods if method.names & names), None)
    if found is None:
        methods.append(found := Method(label, set()))
    found.names |= names
    return found
