"""What figures are drawn from, and how they say what they leave out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from matplotlib.figure import Figure

from palimpsest.results.measured import Measured
from palimpsest.results.samples import Reader, Samples, read_samples, read_worst
from palimpsest.storage import read_arrays
from palimpsest.workspace import RunFiles, Workspace

Drawn = tuple[Figure | None, list[str]]  # none where there is nothing to draw, and what was left out


@dataclass(frozen=True)
class Studio:
    """The results under a folder, as figures read them."""

    root: Path
    measured: Measured
    read: Reader = field(default_factory=lambda: cache(read_arrays))  # many figures show the same samples

    def samples(self, slot: str, hole: str, count: int) -> Samples:
        """`count` of the pictures that every run kept."""
        return read_samples(self.root, self.measured, slot, hole, self.read).evenly(count)

    def worst(self, run: str, slot: str, hole: str, count: int) -> Samples:
        """The `count` pictures that a run filled worst, worst first."""
        return read_worst(self.root, self.measured, run, slot, hole, self.read).take(slice(count))

    def training(self, run: str) -> RunFiles:
        """What the training of a run left behind."""
        return Workspace(self.root).run(run)

    def logs(self, run: str) -> list[Path]:
        """The log of each of a run's seeds; a network without results, which was pretrained, has one."""
        files, result = self.training(run), self.measured.results.get(run)
        return [each.log for each in (files.of(result.seeds).values() if result else [files])]

    def left_out(self, runs: Sequence[tuple[str, str]]) -> list[str]:
        """A line for each (name in the figure, run) that the figure lacks, saying why."""
        return [f"{name} is left out: {self._why(run)}" for name, run in runs]

    def _why(self, run: str) -> str:
        if run in self.measured.results:
            return f"run {run} is missing (not measured here)"
        return f"not yet run ({run}: {self.measured.absent.get(run, 'no results found')})"
