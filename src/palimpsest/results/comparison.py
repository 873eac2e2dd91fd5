"""What two states of the project differ in: settings, and metrics that moved by more than chance explains."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from palimpsest.config.words import number_of
from palimpsest.config.yaml import InputError, Tree
from palimpsest.metrics import differences
from palimpsest.papers.metrics import read_metrics
from palimpsest.results.measured import Measured, read_holes
from palimpsest.workspace import Workspace

ABSENT = "absent"


@dataclass(frozen=True)
class Difference:
    """A metric of one run with holes of one kind, on the same pictures before and after."""

    run: str
    hole: str
    metric: str
    before: float  # mean
    after: float
    gained: differences.Difference  # after − before

    @property
    def moved(self) -> bool:
        return self.gained.sign != 0

    @property
    def undecided(self) -> bool:
        """Whether it differs, with no interval that would say if by chance."""
        return self.gained.low is None and self.gained.mean != 0


@dataclass(frozen=True)
class Comparison:
    """Every difference between two states."""

    settings: dict[str, tuple[object, object]]  # {dotted key: (before, after)} of those that changed
    differences: list[Difference]  # of metrics of single pictures
    alike: list[str]  # runs with the same means
    apart: dict[str, str]  # {run, or run and kind of hole: why it was not compared}
    other_code: list[str]  # compared runs that other source files measured


def changed_runs(before: Measured, after: Measured) -> list[str]:
    """The runs that have results before and after, and whose means are not all the same."""
    return [run for run in _shared(before, after) if before.results[run].holes != after.results[run].holes]


def compare(before: Measured, after: Measured, settings: tuple[Tree, Tree], metrics: list[str]) -> Comparison:
    """Compares `metrics` of every run, and the two contents of params.yaml; reads the values of `changed_runs`."""
    found, apart = [], {}
    for when, measured in (("before", before), ("after", after)):
        absent = [run for run in {**before.results, **after.results} if run not in measured.results]
        apart |= {run: f"{when}: {measured.why_absent(run)}" for run in absent}
    changed = changed_runs(before, after)
    for run in changed:
        old, new = (read_holes(Workspace(measured.root).results(run).per_image) for measured in (before, after))
        sizes = {measured.results[run].size for measured in (before, after)}
        for hole in (hole for hole in after.results[run].holes if hole in before.results[run].holes):
            if old[hole] == new[hole] and len(sizes) == 1:
                found += _differences(before, after, run, hole, metrics)
            else:
                apart[f"{run}, {hole} holes"] = "measured on other pictures or holes"
    return Comparison(
        settings=changed_settings(*settings),
        differences=found,
        alike=[run for run in _shared(before, after) if run not in changed],
        apart=apart,
        other_code=[run for run in changed if before.results[run].code != after.results[run].code],
    )


def _shared(before: Measured, after: Measured) -> list[str]:
    return [run for run in after.results if run in before.results]


def changed_settings(before: Tree, after: Tree) -> dict[str, tuple[object, object]]:
    """{dotted key: (before, after)} of every value that differs, ABSENT where there is none; a list is one value."""
    old, new = _flat(before), _flat(after)
    pairs = {key: (old.get(key, ABSENT), new.get(key, ABSENT)) for key in {**old, **new}}
    return {key: (a, b) for key, (a, b) in pairs.items() if a != b}


def _flat(tree: Tree, above: str = "") -> Tree:
    flat = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat


def _differences(before: Measured, after: Measured, run: str, hole: str, metrics: list[str]) -> Iterator[Difference]:
    """As claims are tested: over photographs and seeds."""
    old, new = before.values(run)[hole], after.values(run)[hole]
    photographs, trained = _photographs(before, after, run), (before.varies(run), after.varies(run))
    for metric in (name for name in metrics if name in old and name in new):
        means = [measured.aggregate(run, hole, metric).mean for measured in (before, after)]
        gained = differences.of_pictures(old[metric], new[metric], photographs, trained)
        yield Difference(run, hole, metric, *means, gained)


def _photographs(before: Measured, after: Measured, run: str) -> np.ndarray:
    """Which of a run's test pictures, the same before and after, are cut from the same photograph."""
    try:
        return after.photographs(after.results[run].slot)
    except InputError:
        return before.photographs(before.results[run].slot)


def to_text(found: Comparison) -> str:
    """For a terminal: the settings, then the differences that moved or that nothing decides."""
    shown = [each for each in found.differences if each.moved or each.undecided]
    moved = sum(each.moved for each in shown)
    unknown = f", {len(shown) - moved} without an interval" if len(shown) > moved else ""
    lines = ["settings that changed"] if found.settings else ["no setting changed"]
    lines += _aligned([[f"  {key}", f"{before} → {after}"] for key, (before, after) in found.settings.items()])
    compared, alike = number_of(len(found.differences), "metric"), number_of(len(found.alike), "run")
    lines.append(f"{moved} of {compared} moved{unknown}; {alike} unchanged")
    head = ["  run", "holes", "metric", "before", "after", "difference", "95 % interval", ""]
    lines += _aligned([head, *map(_row, shown)]) if shown else []
    lines += [f"not compared: {run}: {why}" for run, why in found.apart.items()]
    lines += [f"measured by other code: {', '.join(found.other_code)}"] if found.other_code else []
    return "\n".join(lines)


def _row(each: Difference) -> list[str]:
    metric, gained = read_metrics()[each.metric], each.gained
    interval = gained.why if gained.low is None else f"[{gained.low:+.3g}, {gained.high:+.3g}]"
    verdict = metric.verdict(gained.mean) if each.moved else ""
    means = [metric.printed(each.before), metric.printed(each.after)]
    return [f"  {each.run}", each.hole, each.metric, *means, f"{gained.mean:+.3g}", interval, verdict]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
