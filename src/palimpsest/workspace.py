"""Where everything lies: the one place that knows the project's folders.

data/<slot>/      raw, credits, shards, report, holes and reference of the photographs that fill a slot
weights/          pretrained feature networks, a folder each
resolved/         what `check` makes of the settings: one file for each instance of a stage
runs/<run>/       weights.safetensors, log.json and samples.npz of a training with the first seed, and in seed-<s>/ with
                  every further one
results/<run>/    summary.json, metrics.json, per-image.csv and samples.npz of an evaluation; beside them
                  architectures.json and benchmark.json, the speed of all
reports/          tables, figures, gallery, studies and the page
records/          results on record, and votes/<study>.csv, what people voted
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class SlotFiles:
    """data/<slot>."""

    folder: Path

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def credits(self) -> Path:
        return self.folder / "credits"

    @property
    def shards(self) -> Path:
        return self.folder / "shards"

    @property
    def report(self) -> Path:
        return self.folder / "report"

    @property
    def account(self) -> Path:
        return self.report / "report.json"

    @property
    def holes(self) -> Path:
        return self.folder / "holes"

    @property
    def reference(self) -> Path:
        return self.folder / "reference"

    def shard(self, split: str) -> Path:
        """The two files of a split, without their endings."""
        return self.shards / split


@dataclass(frozen=True)
class NetworkFiles:
    """weights/<network>."""

    folder: Path

    @property
    def weights(self) -> Path:
        return self.folder / "weights.safetensors"

    @property
    def about(self) -> Path:
        return self.folder / "about.json"


@dataclass(frozen=True)
class RunFiles:
    """runs/<run>, and runs/<run>/seed-<s> of a further seed."""

    folder: Path

    def of(self, seeds: list[int]) -> dict[int, Self]:
        """{seed: its files}, the first seed's in this folder."""
        first, *further = seeds
        return {first: self} | {seed: self._further(seed) for seed in further}

    def nearest(self, seed: int) -> Self:
        """The files of a seed if it is a further one of this run, else those of the run's first."""
        further = self._further(seed)
        return further if further.folder.is_dir() else self

    def _further(self, seed: int) -> Self:
        return type(self)(self.folder / f"seed-{seed}")

    @property
    def weights(self) -> Path:
        return self.folder / "weights.safetensors"

    @property
    def log(self) -> Path:
        return self.folder / "log.json"

    @property
    def samples(self) -> Path:
        return self.folder / "samples.npz"


@dataclass(frozen=True)
class ResultFiles:
    """results/<run>."""

    folder: Path

    @property
    def summary(self) -> Path:
        """The few means that DVC shows."""
        return self.folder / "summary.json"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def per_image(self) -> Path:
        return self.folder / "per-image.csv"

    @property
    def samples(self) -> Path:
        return self.folder / "samples.npz"


@dataclass(frozen=True)
class ReportFiles:
    """reports."""

    folder: Path

    @property
    def tables(self) -> Path:
        return self.folder / "tables"

    @property
    def summary(self) -> Path:
        return self.tables / "summary.json"

    @property
    def claims(self) -> Path:
        """The ledger as the page reads it; beside it .csv and .tex."""
        return self.tables / "claims.json"

    @property
    def records(self) -> Path:
        """What is on record, as the page reads it."""
        return self.tables / "records.json"

    @property
    def measured(self) -> Path:
        """Every mean with its interval."""
        return self.folder / "metrics.csv"

    @property
    def figures(self) -> Path:
        return self.folder / "figures"

    @property
    def captions(self) -> Path:
        return self.figures / "figures.json"

    @property
    def curves(self) -> Path:
        return self.folder / "curves.csv"

    @property
    def gallery(self) -> Path:
        return self.folder / "gallery"

    @property
    def gallery_index(self) -> Path:
        return self.gallery / "index.json"

    @property
    def study(self) -> Path:
        return self.folder / "study"

    @property
    def page(self) -> Path:
        return self.folder / "index.html"

    @property
    def thumbnails(self) -> Path:
        return self.folder / "thumbnails"

    @property
    def document(self) -> Path:
        return self.folder / "report.tex"

    @property
    def pdf(self) -> Path:
        return self.folder / "pdf"

    @property
    def commit(self) -> Path:
        return self.folder / "commit.txt"


@dataclass(frozen=True)
class Workspace:
    """A project's folder; relative to where a stage runs when `root` is left out."""

    root: Path = Path()

    def slot(self, name: str) -> SlotFiles:
        return SlotFiles(self.root / "data" / name)

    @property
    def weights(self) -> Path:
        return self.root / "weights"

    def resolved(self, stage: str, name: str = "") -> Path:
        """The settings and source files of a stage, and of the run, slot or other that it takes."""
        return self.root / "resolved" / (f"{stage}/{name}.json" if name else f"{stage}.json")

    def run(self, name: str) -> RunFiles:
        return RunFiles(self.root / "runs" / name)

    def results(self, name: str) -> ResultFiles:
        return ResultFiles(self.root / "results" / name)

    @property
    def architectures(self) -> Path:
        return self.root / "results" / "architectures.json"

    @property
    def benchmark(self) -> Path:
        return self.root / "results" / "benchmark.json"

    @property
    def reports(self) -> ReportFiles:
        return ReportFiles(self.root / "reports")

    @property
    def records(self) -> Path:
        return self.root / "records"

    def votes(self, study: str) -> Path:
        return self.records / "votes" / f"{study}.csv"
