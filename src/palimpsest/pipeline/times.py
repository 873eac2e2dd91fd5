"""How long each stage took the last time that it ran: here, or when the newest record of the same profile was made."""

import csv
import statistics
from collections.abc import Iterable
from pathlib import Path

from palimpsest.config.yaml import InputError, read_yaml, section
from palimpsest.storage import read_json, write_json
from palimpsest.workspace import Workspace

ON_RECORD = "stages.csv"  # in the folder of a record
UNKNOWN = 10.0  # s, of a stage of which no other is known either


class Times:
    """scratch/stages.json, {profile: {stage: seconds}}, for the active profile."""

    def __init__(self, root: Path, scratch: Path):
        self.path = scratch / "stages.json"
        self.profile = section(read_yaml(root / "params.yaml"), "profile")
        try:
            self.all: dict[str, dict[str, float]] = read_json(self.path, dict)
        except InputError:  # none yet, and they only order the queue
            self.all = {}
        self.here = self.all.setdefault(self.profile, {})
        self.took = _on_record(Workspace(root), self.profile) | self.here

    def expected(self, names: Iterable[str]) -> dict[str, float]:
        """Seconds of each: its own, or the median of its kind, as train@x is of kind train."""
        return {name: self.took.get(name) or self._usual(_kind(name)) for name in names}

    def _usual(self, kind: str) -> float:
        alike = [seconds for name, seconds in self.took.items() if _kind(name) == kind]
        return statistics.median(alike or self.took.values() or [UNKNOWN])

    def keep(self, name: str, seconds: float) -> None:
        self.here[name] = self.took[name] = round(seconds, 2)
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
