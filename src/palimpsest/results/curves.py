"""The training curves of every run and pretrained network as one tidy CSV, which `dvc plots` shows."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import RootModel, model_validator

from palimpsest.config.yaml import Tree, build
from palimpsest.results.measured import Measured
from palimpsest.storage import read_json
from palimpsest.workspace import Workspace

COLUMNS = ["run", "iteration", "phase", "quantity", "value"]


def to_csv(root: Path, measured: Measured) -> str:
    """A row a run, iteration and logged quantity."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for run in trained(measured):
        path = Workspace(root).run(run).log
        for row in read_log(path) if path.is_file() else []:
            logged = {key: value for key, value in row.items() if key not in ("iteration", "phase")}
            rows.writerows([run, row["iteration"], row["phase"], key, value] for key, value in logged.items())
    return text.getvalue()


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


def trained(measured: Measured) -> list[str]:
    """The runs that have results, each after those it needs; neither transfers nor external results."""
    own = [run for run in measured.results if measured.runs[run].stage == "evaluate"]
    return list(dict.fromkeys(name for run in own for name in [*_pretrained(measured.runs[run].run), run]))


def _pretrained(run: Tree) -> Iterator[str]:
    """The names of the runs that a run needs, in the order of their making."""
    for need in filter(None, (run.get("start"), run.get("inside"))):
        yield from _pretrained(need)
        yield need["name"]
