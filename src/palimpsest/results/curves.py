"""The training curves of every run and pretrained network: all in a tidy CSV, which `dvc plots` shows, and the one that
records keep."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import RootModel, model_validator

from palimpsest.config.yaml import Tree, build
from palimpsest.results.measured import Measured
from palimpsest.storage import read_json
from palimpsest.training.logged import LOGGED
from palimpsest.workspace import Workspace

COLUMNS = ["run", "seed", "iteration", "phase", "quantity", "value"]


def to_csv(root: Path, measured: Measured) -> str:
    """A row a run, seed, iteration and logged quantity."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for run, seeds in trained(measured).items():
        for seed, files in Workspace(root).run(run).of(seeds).items():
            for row in read_log(files.log) if files.log.is_file() else []:
                about = [run, seed, row["iteration"], row["phase"]]
                logged = {key: value for key, value in row.items() if key not in ("iteration", "phase")}
                rows.writerows([*about, key, value] for key, value in logged.items())
    return text.getvalue()


Curves = dict[tuple[str, int], list[tuple[int, float]]]  # {(run, seed): points (iteration, dB)}


def above_constant_fill(root: Path, measured: Measured) -> Curves:
    """How far each run and pretrained network was above the constant fill in the holes of validation pictures."""
    found: Curves = {}
    for run, seeds in trained(measured).items():
        for seed, files in Workspace(root).run(run).of(seeds).items():
            rows = read_log(files.log) if files.log.is_file() else []
            if points := [(row["iteration"], row[LOGGED]) for row in rows if LOGGED in row]:
                found[run, seed] = points
    return found


class Log(RootModel[list[dict[str, int | float | str]]]):
    """log.json of a training: a row for each iteration that was logged."""

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        for row in self.root:
            if not isinstance(row.get("iteration"), int) or not isinstance(row.get("phase"), str):
                raise ValueError("a row has no iteration or no phase")
        return self


def read_log(path: Path) -> list[Tree]:
    """The rows of a log.json; InputError where it holds anything else."""
    return build(Log, read_json(path, list), "", str(path)).root


def trained(measured: Measured) -> dict[str, list[int]]:
    """{run: its seeds} of those that have results, each after those it needs; neither transfers nor external results.

    A pretrained network has the first seed alone.
    """
    found: dict[str, list[int]] = {}
    for run, result in measured.results.items():
        if measured.runs[run].stage == "evaluate":
            for name in _pretrained(measured.runs[run].run):
                found.setdefault(name, result.seeds[:1])
            found[run] = result.seeds
    return found


def _pretrained(run: Tree) -> Iterator[str]:
    """The names of the runs that a run needs, in the order of their making."""
    for need in filter(None, (run.get("start"), run.get("inside"))):
        yield from _pretrained(need)
        yield need["name"]
