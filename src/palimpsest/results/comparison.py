"""What two states of the project differ in: settings, and metrics that moved by more than chance explains."""

from collections.abc import Iterator
from dataclasses import dataclass

from palimpsest.config.words import number_of
from palimpsest.config.yaml import Tree
from palimpsest.metrics.aggregate import Aggregate, paired
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
    of_pictures: Aggregate  # after − before of each picture; those without a finite one are left out

    @property
    def moved(self) -> bool:
        return self.of_pictures.leaves_out_0


@dataclass(frozen=True)
class Comparison:
    """Every difference between two states."""

    settings: dict[str, tuple[object, object]]  # {dotted key: (before, after)} of those that changed
    differences: list[Difference]
    alike: list[str]  # runs with the same means
    apart: dict[str, str]  # {run, or run and kind of hole: why it was not compared}
    other_code: list[str]  # compared runs that other source files measured


def changed_runs(before: Measured, after: Measured) -> list[str]:
    """The runs that have results before and after, and whose means are not all the same."""
    return [run for run in _shared(before, after) if before.results[run].holes != after.results[run].holes]


def compare(before: Measured, after: Measured, settings: tuple[Tree, Tree], metrics: list[str]) -> Comparison:
    """Compares `metrics` of every run, and the two contents of params.yaml; reads the values of `changed_runs`."""
    differences, apart = [], {}
    for when, measured in (("before", before), ("after", after)):
        absent = [run for run in {**before.results, **after.results} if run not in measured.results]
        apart |= {run: f"{when}: {measured.why_absent(run)}" for run in absent}
    changed = changed_runs(before, after)
    for run in changed:
        old, new = (read_holes(Workspace(measured.root).results(run).per_image) for measured in (before, after))
        sizes = {measured.results[run].size for measured in (before, after)}
        for hole in (hole for hole in after.results[run].holes if hole in before.results[run].holes):
            if old[hole] == new[hole] and len(sizes) == 1:
                differences += _differences(before, after, run, hole, metrics)
            else:
                apart[f"{run}, {hole} holes"] = "measured on other pictures or holes"
    return Comparison(
        settings=changed_settings(*settings),
        differences=differences,
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
    old, new = before.per_image(run)[hole], after.per_image(run)[hole]
    for metric in (name for name in metrics if name in old and name in new):
        means = [measured.aggregate(run, hole, metric).mean for measured in (before, after)]
        yield Difference(run, hole, metric, *means, paired(old[metric], new[metric]))


def to_text(found: Comparison) -> str:
    """For a terminal: the settings, then the differences that moved."""
    moved = [each for each in found.differences if each.moved]
    lines = ["settings that changed"] if found.settings else ["no setting changed"]
    lines += _aligned([[f"  {key}", f"{before} → {after}"] for key, (before, after) in found.settings.items()])
    compared, alike = number_of(len(found.differences), "metric"), number_of(len(found.alike), "run")
    lines.append(f"{len(moved)} of {compared} moved; {alike} unchanged")
    head = ["  run", "holes", "metric", "before", "after", "difference", "95 % interval", ""]
    lines += _aligned([head, *map(_row, moved)]) if moved else []
    lines += [f"not compared: {run}: {why}" for run, why in found.apart.items()]
    lines += [f"measured by other code: {', '.join(found.other_code)}"] if found.other_code else []
    return "\n".join(lines)


def _row(each: Difference) -> list[str]:
    metric, gained = read_metrics()[each.metric], each.of_pictures
    mean, low, high = (f"{value:+.3g}" for value in (gained.mean, gained.low, gained.high))
    means = [metric.printed(each.before), metric.printed(each.after)]
    return [f"  {each.run}", each.hole, each.metric, *means, mean, f"[{low}, {high}]", metric.verdict(gained.mean)]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
