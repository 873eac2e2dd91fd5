"""docs/curves.svg: how each training of a record rose above the constant fill, or did not."""

from collections import Counter
from pathlib import Path
from statistics import fmean

import matplotlib
from matplotlib.figure import Figure

from palimpsest.results.curves import Curves
from palimpsest.results.names import method_names
from palimpsest.results.records import Record

FIGURE = "curves.svg"  # beside the page
ACROSS = 4
LOWEST, HIGHEST = -4, 6  # dB shown
RISE = 0.2  # dB


def block(record: Record) -> str:
    """The block `curves` of docs/findings.md."""
    if not record.curves:
        return "No curves are on record."
    names, ends, rises = _names(record), {}, {}
    for run, seeds in _by_run(record.curves).items():
        gains = [[gain for _, gain in points] for points in seeds]
        ends[run] = fmean(each[-1] for each in gains)
        rises[run] = fmean(each[-1] - each[-1 - len(each) // 4] for each in gains)
    below = [names[run] for run, end in ends.items() if end < 0]
    rising = [names[run] for run, rise in rises.items() if rise > RISE]
    return (
        f"![PSNR in the hole less that of the constant fill, against the iteration, a panel a method]({FIGURE})\n\n"
        f"Below the constant fill at the end: {'; '.join(below) or 'none'}.\n\n"
        f"Rose by more than {RISE} dB in the last quarter of the training: {'; '.join(rising) or 'none'}."
    )


def _names(record: Record) -> dict[str, str]:
    """What each run with a curve is called."""
    known = method_names(record.measured)
    return told_apart({run: known.get(run, run) for run in _by_run(record.curves)})


def told_apart(names: dict[str, str]) -> dict[str, str]:
    """{run: its name}, with the run in brackets where several have the same name."""
    often = Counter(names.values())
    return {run: f"{name} ({run})" if often[name] > 1 else name for run, name in names.items()}


def _by_run(curves: Curves) -> dict[str, list[list[tuple[int, float]]]]:
    """{run: points of each seed}."""
    found: dict[str, list[list[tuple[int, float]]]] = {}
    for (run, _), points in curves.items():
        found.setdefault(run, []).append(points)
    return found


def draw(record: Record, path: Path) -> None:
    """A panel a run, with a line for each seed; 0 is the constant fill."""
    runs, names = _by_run(record.curves), _names(record)
    down = -(-len(runs) // ACROSS)
    figure = Figure(figsize=(2.3 * ACROSS, 1.5 * down + 0.3), layout="constrained")
    panels = figure.subplots(down, ACROSS, squeeze=False, sharey=True).flat
    for axes, (run, seeds) in zip(panels, runs.items(), strict=False):
        for points in seeds:
            axes.plot(*zip(*points, strict=True), color="#2b6cb0", linewidth=1)
        axes.axhline(0, color="#888888", linewidth=0.8)
        axes.set(ylim=(LOWEST, HIGHEST))
        axes.set_title(names[run], fontsize=8)
        axes.tick_params(labelsize=7)
    for axes in list(figure.axes)[len(runs) :]:
        axes.remove()
    figure.supylabel("dB above the constant fill, in the hole", fontsize=8)
    figure.supxlabel("iteration", fontsize=8)
    with matplotlib.rc_context({"svg.hashsalt": record.name, "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
