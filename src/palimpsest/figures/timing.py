"""Figures of cost: seconds, memory and multiply-adds against the size of the picture, and speed against quality."""

from collections.abc import Iterator

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from palimpsest.figures.drawing import Drawing
from palimpsest.figures.studio import Drawn, Studio
from palimpsest.papers.figures import TimingFigure
from palimpsest.papers.metrics import Metric, read_metrics
from palimpsest.results.benchmark import Architecture, Benchmark
from palimpsest.results.measured import Measured
from palimpsest.results.names import method_names
from palimpsest.results.scaling import power, shared_sizes

QUALITY = "lpips_alex"
FEWEST, PANELS = 2, 3  # runs of a panel; panels, those with most runs first
USUAL = 256  # px, as in the papers
FAR = 20  # times the fewest seconds; where the most are more, powers of ten alone are named
AROUND = 2.3  # factor between a point and the end of its axis: two of 1, 2, 5 and 10 are between the ends


def timing(studio: Studio, layout: TimingFigure) -> Drawn:
    """Seconds, peak memory and multiply-adds against the side of the picture."""
    benchmark = studio.measured.benchmark
    if benchmark is None:
        return None, ["nothing is measured yet: `dvc repro benchmark` measures it"]
    found = {column.head: benchmark.of(column.run) for column in layout.columns}
    absent = [
        f"{column.head} is left out: run {column.run} is missing" for column in layout.columns if not found[column.head]
    ]
    found = {head: architecture for head, architecture in found.items() if architecture}
    return draw_timing(found, benchmark) if found else None, absent


def draw_timing(found: dict[str, Architecture], benchmark: Benchmark) -> Figure:
    """A row a device: seconds, memory and multiply-adds on logarithmic axes; exponents are over the sizes all share."""
    panels = {"seconds": "seconds", "peak_mib": "peak memory (MiB)", "multiply_adds": "multiply-adds (10⁹)"}
    figure = Figure(figsize=(9.6, 2.9 * len(benchmark.devices) + 0.3), layout="constrained")
    grid = figure.subplots(len(benchmark.devices), len(panels), squeeze=False)
    for row, device in zip(grid, benchmark.devices, strict=True):
        shared = shared_sizes(list(found.values()), device)
        for axes, (what, words) in zip(row, panels.items(), strict=True):
            for head, architecture in found.items():
                counted = {int(size): count / 1e9 for size, count in architecture.multiply_adds.items()}
                values = counted if what == "multiply_adds" else architecture.seconds(device, what)
                fit = f", $N^{{{power(shared, [values[s] for s in shared]):.2f}}}$" if len(shared) > 1 else ""
                axes.plot(list(values), list(values.values()), marker="o", markersize=3, label=head + fit)
            axes.set(xscale="log", yscale="log", title=words)
            axes.set_xticks(benchmark.sizes, benchmark.sizes)
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
            axes.legend(fontsize=7)
        row[0].set_ylabel(benchmark.on(device), fontsize=7)
    figure.supxlabel("side of the picture (px), N its square", fontsize=9)
    return figure


def speed_against_quality(measured: Measured) -> Iterator[Drawing]:
    """Seconds a picture against LPIPS, a panel for each slot and kind of hole that enough timed runs share."""
    metric, size = read_metrics()[QUALITY], _size(measured)
    found = {scene: points for scene, points in _points(measured, size).items() if len(points) >= FEWEST}
    panels = {scene: found[scene] for scene in sorted(found, key=lambda scene: -len(found[scene]))[:PANELS]}
    title = f"Speed against quality: {metric.label} and seconds a picture of {size} px"
    caption = f"Profile {measured.profile}; {metric.head} of its runs, with 95 % intervals; lower left is better."
    if not panels:
        absent = f"fewer than {FEWEST} runs were both timed and measured on the same pictures and holes"
        yield Drawing("overview-speed", title, caption, None, [absent])
        return
    caption += f" Seconds at the papers' widths, one picture of {size} px at a time, on {measured.benchmark.on('cpu')}."
    caption += f" At most {PANELS} panels, those with the most runs."
    datasets = {slot: measured.pictures(slot).dataset for slot in measured.slots}
    yield Drawing("overview-speed", title, caption, draw_panels(panels, datasets, metric, method_names(measured)))


def _size(measured: Measured) -> int:
    """The side of the pictures whose seconds are shown, px: USUAL, or the smallest that was timed."""
    sizes = measured.benchmark.sizes if measured.benchmark else []
    return USUAL if USUAL in sizes or not sizes else sizes[0]


Points = dict[str, tuple[float, float, float, float]]  # {run: (seconds, mean, low, high)}


def _points(measured: Measured, size: int) -> dict[tuple[str, str], Points]:
    """{(slot, hole): points} of every run that was timed."""
    found: dict[tuple[str, str], Points] = {}
    for run, result in measured.results.items():
        architecture = measured.architecture(run)
        seconds = architecture.seconds("cpu").get(size) if architecture else None
        for hole in result.holes if seconds else ():
            value = measured.aggregate(run, hole, QUALITY)
            if value is not None and "/" not in hole:
                found.setdefault((result.slot, hole), {})[run] = (seconds, value.mean, value.low, value.high)
    return found


def draw_panels(
    panels: dict[tuple[str, str], Points], datasets: dict[str, str], metric: Metric, names: dict[str, str]
) -> Figure:
    """A row of panels with a point a run under its method's name, on the same logarithmic seconds."""
    figure = Figure(figsize=(4 * len(panels), 3), layout="constrained")
    row = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    runs = list(dict.fromkeys(run for points in panels.values() for run in points))
    every = [point[0] for points in panels.values() for point in points.values()]
    handles = {}
    for axes, ((slot, hole), points) in zip(row, panels.items(), strict=True):
        for run, (seconds, mean, low, high) in points.items():
            number = runs.index(run)
            style = {"color": f"C{number % 10}", "marker": "os^Dv"[number // 10 % 5], "markersize": 5}
            handles[run] = axes.errorbar(seconds, mean, [[mean - low], [high - mean]], linewidth=1, ls="", **style)
        axes.set(xscale="log", title=f"{datasets[slot]}, {hole} holes")
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if max(every) > FAR * min(every) else (1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(y=0.15)
    row[0].set_xlim(min(every) / AROUND, max(every) * AROUND)
    figure.supxlabel("seconds a picture", fontsize=9)
    figure.supylabel(metric.head, fontsize=9)
    columns = min(len(panels), len(handles))
    figure.legend(
        handles.values(), [names[run] for run in handles], loc="outside upper left", ncols=columns, fontsize=8
    )
    return figure
