"""The training curves of every run and pretrained network as one tidy CSV, which `dvc plots` shows."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from palimpsest.config.yaml import Tree
from palimpsest.results.measured import Measured
from palimpsest.storage import read_json
from palimpsest.workspace import Workspace

COLUMNS = ["run", "seed", "iteration", "phase", "quantity", "value"]


def to_csv(root: Path, measured: Measured) -> str:
    """A row a run, seed, iteration and logged quantity."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for run, seeds in trained(measured).items():
        for seed, files in Workspace(root).run(run).of(seeds).items():
            for row in read_json(files.log, list) if files.log.is_file() else []:
                about = [run, seed, row["iteration"], row["phase"]]
                logged = {key: value for key, value in row.items() if key not in ("iteration", "phase")}
                rows.writerows([*about, key, value] for key, value in logged.items())
    return text.getvalue()


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
