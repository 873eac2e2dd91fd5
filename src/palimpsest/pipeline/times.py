"""How long each stage took the last time that it ran: here, or when the newest record of the same profile was made.

Seconds are kept a seed, so that they hold for any number of seeds.
"""

import csv
import statistics
from collections.abc import Iterable
from pathlib import Path

from palimpsest.config import runs
from palimpsest.config.yaml import InputError, read_yaml, section
from palimpsest.storage import read_json, write_json
from palimpsest.workspace import Workspace

ON_RECORD = "stages.csv"  # in the folder of a record
OF_RUNS = ("train", "evaluate", "transfer")  # kinds of stages that work through the seeds of a run
UNKNOWN = 10.0  # s, of a stage of which no other is known either


class Times:
    """scratch/stages.json, {profile: {stage: seconds}}, for the active profile."""

    def __init__(self, root: Path, scratch: Path):
        self.path = scratch / "stages.json"
        self.params = read_yaml(root / "params.yaml")
        self.profile = section(self.params, "profile")
        try:
            self.all: dict[str, dict[str, float]] = read_json(self.path, dict)
        except InputError:  # none yet, and they only order the queue
            self.all = {}
        self.here = self.all.setdefault(self.profile, {})
        self.a_seed = _on_record(Workspace(root), self.profile) | self.here

    @property
    def took(self) -> dict[str, float]:
        """{stage: seconds} of those that have run, with the present number of seeds."""
        return {name: seconds * self._seeds(name, self.profile) for name, seconds in self.a_seed.items()}

    def expected(self, names: Iterable[str], profile: str | None = None) -> dict[str, float]:
        """Seconds of each: its own, or the median of its kind, as train@x is of kind train.

        With as many seeds as a profile has, the active one when left out.
        """
        profile = profile or self.profile
        seconds = {name: self.a_seed[name] if name in self.a_seed else self._usual(_kind(name)) for name in names}
        return {name: each * self._seeds(name, profile) for name, each in seconds.items()}

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those that were never measured, so that `expected` goes by others."""
        return [name for name in names if name not in self.a_seed]

    def _usual(self, kind: str) -> float:
        alike = [seconds for name, seconds in self.a_seed.items() if _kind(name) == kind]
        return statistics.median(alike or self.a_seed.values() or [UNKNOWN])

    def _seeds(self, name: str, profile: str) -> int:
        """How many seeds a stage works through."""
        kind, _, run = name.partition("@")
        if kind == "transfer":
            run = self.params.get("transfers", {}).get(run, {}).get("run")
        trained = kind in OF_RUNS and run in self.params.get("runs", {})
        return len(runs.seeds(self.params, run, profile)) if trained else 1

    def keep(self, name: str, seconds: float) -> None:
        self.here[name] = self.a_seed[name] = round(seconds / self._seeds(name, self.profile), 2)
        write_json(self.path, self.all)


def _kind(name: str) -> str:
    return name.partition("@")[0]


def _on_record(workspace: Workspace, profile: str) -> dict[str, float]:
    """Those of the newest record of a profile; none where there is no record with times."""
    found = {}
    for path in workspace.records.glob("*/record.json"):
        record, times = read_json(path, dict), path.with_name(ON_RECORD)
        if record["profile"] == profile and times.is_file():
            found[record["date"]] = times
    if not found:
        return {}
    with found[max(found)].open(encoding="utf-8", newline="") as file:
        return {row["stage"]: float(row["seconds"]) for row in csv.DictReader(file)}
