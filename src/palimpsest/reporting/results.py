"""What was measured: the results on disk that the present settings made."""

import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ConfigDict

from palimpsest.config import InputError, Settings, build
from palimpsest.storage import read_json

CODE = ["src", "stages", "params.yaml", "dvc.yaml", "requirements.txt"]


class Result(Settings):
    """results/<run>/metrics.json."""

    model_config = ConfigDict(allow_inf_nan=True)  # PSNR of a perfect result

    run: str
    model: str
    profile: str
    data: str  # slot
    dataset: str
    size: int  # px
    images: int
    photos: int
    settings: str  # fingerprint
    holes: dict[str, dict[str, float]]  # {hole kind: {metric: mean}}


class Described(Settings):
    """What data/runs.json says of one run of the present settings."""

    settings: str  # fingerprint
    parameters: dict[str, int]  # {dotted name of a network or its part: count}
    parameters_at_paper_scale: dict[str, int]


@dataclass(frozen=True)
class Pictures:
    """The pictures of one slot that every run was measured on."""

    dataset: str
    size: int
    images: int
    photos: int

    def __str__(self) -> str:
        photos = f"{self.photos} photograph{'s' if self.photos != 1 else ''}"
        return f"{self.dataset}, {self.images} test pictures of {self.size} × {self.size} px from {photos}"


@dataclass(frozen=True)
class Measured:
    """Every run of the settings: its result, or its absence."""

    runs: dict[str, Described]
    results: dict[str, Result]
    absent: dict[str, str]  # run → why

    @cached_property
    def profile(self) -> str:
        """The one profile that all results were made at."""
        return self._agreed([result.profile for result in self.results.values()], "profiles")

    def pictures(self, slot: str) -> Pictures:
        """The pictures that stand in a slot; InputError where results disagree or there are none."""
        found = [
            Pictures(result.dataset, result.size, result.images, result.photos)
            for result in self.results.values()
            if result.data == slot
        ]
        return self._agreed(found, f"test pictures of {slot!r}")

    @property
    def slots(self) -> list[str]:
        return sorted({result.data for result in self.results.values()})

    def value(self, run: str, hole: str, metric: str) -> float | None:
        """A measured mean; none where it is missing."""
        result = self.results.get(run)
        return result.holes.get(hole, {}).get(metric) if result else None

    def _agreed(self, found: list, what: str):
        if not found:
            raise InputError(f"results: asked for {what}, found no results; `dvc repro` makes them")
        if len(different := sorted(set(found), key=str)) > 1:
            raise InputError(
                f"results: found {what} {' and '.join(map(str, different))}; accepted: one of them; "
                f"`dvc repro` makes every result anew"
            )
        return found[0]


def read_results(root: Path) -> Measured:
    """The results of the runs in data/runs.json; one that other settings made counts as absent."""
    listed = root / "data" / "runs.json"
    runs = {run: build(Described, tree, run, str(listed)) for run, tree in read_json(listed, dict).items()}
    results, absent = {}, {}
    for run, described in runs.items():
        path = root / "results" / run / "metrics.json"
        if not path.is_file():
            absent[run] = "not run"
        elif (result := build(Result, read_json(path, dict), "", str(path))).settings == described.settings:
            results[run] = result
        else:
            absent[run] = "its result was made under other settings"
    return Measured(runs, results, absent)


def commit(root: Path) -> str:
    """The last commit that touched code or settings, and whether they were changed since."""
    last, changes = (_git(root, *words, "--", *CODE) for words in (["log", "-1", "--format=%h"], ["status", "-s"]))
    return f"{last}{' + uncommitted changes' if changes else ''}" if last else "unknown"


def _git(root: Path, *words: str) -> str:
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
