"""Figures from kept samples and training logs, as the papers' specs lay them out; equal inputs give equal bytes."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from pathlib import Path

import numpy as np
from matplotlib import rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from palimpsest.data.shards import Shard, spread
from palimpsest.figures.drawing import STYLE, Drawing, lean_font, register, save
from palimpsest.figures.grids import PATCH, Boxed, Columns, Corner, Marked, colour_code, cut_out, draw_grid, paint
from palimpsest.figures.holes import draw_holes
from palimpsest.figures.overview import draw_overview
from palimpsest.holes.bank import read_bank
from palimpsest.papers.figures import (
    CurvesFigure,
    FailuresFigure,
    FigureSpec,
    GrowingFigure,
    OfPictures,
    ProgressFigure,
    RatiosFigure,
    ReferencesFigure,
    ResultsFigure,
    RetrievalFigure,
    SampleGridsFigure,
    TimingFigure,
)
from palimpsest.papers.metrics import REGIONS, read_metrics
from palimpsest.papers.paper import names, read_papers
from palimpsest.results.measured import Architecture, Benchmark, Measured
from palimpsest.results.samples import Reader, Samples, read_samples
from palimpsest.storage import read_arrays, read_json
from palimpsest.tables.cost import power, shared_sizes
from palimpsest.workspace import Workspace

STRIDE = 8  # px, as in layers/patches.py, which needs torch
MISSING = "red"  # a missing patch, beside the ranks of those that are retrieved for it
RANKED = ["deepskyblue", "limegreen", "orange", "magenta", "gold", "cyan", "violet", "sienna"]
Drawn = tuple[Figure | None, list[str]]


def retrieved_patches(height: int, retrieved: np.ndarray) -> tuple[int, Corner, list[Corner]]:
    """Side of a patch, the missing patch nearest to the hole's middle, and the patches that are retrieved for it.

    `height` of the picture; `retrieved` (h, w, N, 2): corners (y, x) px for each patch of the grid, -1 where none is
    missing.
    """
    side = round(height / len(retrieved))
    missing = np.argwhere(retrieved[:, :, 0, 0] >= 0)
    y, x = missing[np.square(missing - missing.mean(0)).sum(1).argmin()].tolist()
    return side, (y * side, x * side), [tuple(corner) for corner in retrieved[y, x].tolist()]


def reference_patches(hole: np.ndarray, offsets: np.ndarray, count: int) -> list[tuple[tuple[int, int], ...]]:
    """The corners of `count` patches whose middle is missing, spread over the hole, and of their references.

    `hole` bool (H, W), `offsets` (2, H / 8, W / 8) in patches of 16 px at a stride of 8.
    """
    middle = hole[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    inside = np.argwhere(middle)
    chosen = inside[spread(len(inside), count)] if len(inside) else inside
    corner = np.array([STRIDE, STRIDE])
    margin = (PATCH - STRIDE) // 2
    return [
        tuple(tuple(int(v) for v in place * corner - margin) for place in (patch, patch + offsets[:, *patch]))
        for patch in chosen
    ]


@dataclass(frozen=True)
class Studio:
    """What figures are drawn from; one method a kind of figure: (figure or none, what it leaves out)."""

    root: Path
    measured: Measured
    read: Reader = field(default_factory=lambda: cache(read_arrays))  # many figures show the same samples

    def samples(self, slot: str, hole: str) -> Samples:
        return read_samples(self.root, self.measured, slot, hole, self.read)

    def layouts(self, name: str, layout: FigureSpec) -> list[tuple[str, FigureSpec]]:
        """A figure's name and layout; where it has no slot of its own, those of each slot at hand."""
        if not isinstance(layout, ResultsFigure) or layout.slot is not None:
            return [(name, layout)]
        slots = self.measured.slots
        at_hand = [slot for slot in slots if self._shown(layout.on(slot))]
        return [(f"{name}-{slot}", layout.on(slot)) for slot in at_hand or slots[:1]]

    def _shown(self, layout: ResultsFigure) -> bool:
        """Whether any of a figure's runs was measured on its slot."""
        return any(column.run in self.measured.kept(layout.slot, layout.hole) for column in layout.columns)

    def results(self, layout: ResultsFigure) -> Drawn:
        """Input, results and attention maps, a test picture a row."""
        if not self.measured.kept(layout.slot, layout.hole):
            return None, [self._left_out(column.head, column.run) for column in layout.columns]
        samples = self.samples(layout.slot, layout.hole).first(layout.pictures)
        columns: Columns = [("original", samples.pictures)] if layout.original else []
        columns.append(("input", samples.inputs))
        absent, mapped = [], False
        for column in layout.columns:
            kept = samples.kept.get(column.run, {})
            if "result" not in kept:
                absent.append(self._left_out(column.head, column.run))
                continue
            columns.append((column.head, kept["result"]))
            if column.map and "offsets" in kept:
                columns.append(("its map", [colour_code(offsets) for offsets in kept["offsets"]]))
                mapped = True
            elif column.map:
                absent.append(f"the map of {column.head} is left out: run {column.run} shows none")
        return draw_grid(columns, samples.ids, wheel=mapped), absent

    def references(self, layout: ReferencesFigure) -> Drawn:
        """For each mechanism result, marked reference patches and the picture pieced from all of them."""
        if not self.measured.kept(layout.slot, layout.hole):
            return None, [self._left_out(column.head, column.run) for column in layout.columns]
        samples = self.samples(layout.slot, layout.hole).first(layout.pictures)
        columns: Columns = [("original", samples.pictures), ("input", samples.inputs)]
        absent = []
        for column in layout.columns:
            kept = samples.kept.get(column.run, {})
            if "pieced" not in kept:
                absent.append(self._left_out(column.head, column.run))
                continue
            marked = [
                Marked(result, reference_patches(hole, offsets, layout.patches))
                for result, hole, offsets in zip(kept["result"], samples.holes, kept["offsets"], strict=True)
            ]
            pieced = np.where(samples.holes[..., None], kept["pieced"], samples.pictures)
            columns += [(column.head, kept["result"]), ("its references", marked), ("pieced from them", pieced)]
        return draw_grid(columns, samples.ids), absent

    def retrieval(self, layout: RetrievalFigure) -> Drawn:
        """Input, where a missing patch's candidates come from, the patch that is made of them, and each of them."""
        if layout.run not in self.measured.kept(layout.slot, layout.hole):
            return None, [self._left_out(layout.run, layout.run)]
        samples = self.samples(layout.slot, layout.hole).first(layout.pictures)
        kept = samples.kept[layout.run]
        if "retrieved" not in kept:
            return None, [f"run {layout.run} shows no retrieved patches"]
        colours = [RANKED[rank % len(RANKED)] for rank in range(kept["retrieved"].shape[3])]
        found, made, ranks = [], [], [[] for _ in colours]
        for shown, result, retrieved in zip(samples.inputs, kept["result"], kept["retrieved"], strict=True):
            side, missing, corners = retrieved_patches(len(result), retrieved)
            found.append(Boxed(result, side, [(missing, MISSING), *zip(corners, colours, strict=True)]))
            made.append(cut_out(result, missing, side, MISSING))
            for rank, corner, colour in zip(ranks, corners, colours, strict=True):
                rank.append(cut_out(shown, corner, side, colour))
        columns = [("input", samples.inputs), ("result, retrieved from", found), ("the patch", made)]
        columns += [(f"rank {number}", rank) for number, rank in enumerate(ranks, 1)]
        return draw_grid(columns, samples.ids), []

    def failures(self, layout: FailuresFigure) -> Drawn:
        """Original, input and result of the pictures that a run fills worst."""
        if layout.run not in self.measured.kept(layout.slot, layout.hole):
            return None, [self._left_out(layout.run, layout.run)]
        arrays = self.read(Workspace(self.root).results(layout.run).samples)
        places = arrays[f"worst/{layout.hole}/index"][: layout.pictures]
        shard = Shard(Workspace(self.root).slot(layout.slot).shard("test"))
        holes = read_bank(Workspace(self.root).slot(layout.slot).holes, layout.hole, len(shard))[places]
        pictures = np.stack([shard[i] for i in places])
        results = arrays[f"worst/{layout.hole}/result"][: layout.pictures]
        inputs = np.where(holes[..., None], np.uint8(255), pictures)
        columns = [("original", pictures), ("input", inputs), (layout.head, results)]
        return draw_grid(columns, [shard.ids[i] for i in places]), []

    def growing(self, layout: GrowingFigure) -> Drawn:
        """Each metric against the hole ratio, and one picture with every hole."""
        runs = [c for c in layout.columns if all(c.run in self.measured.kept(layout.slot, h) for h in layout.holes)]
        absent = [self._left_out(column.head, column.run) for column in layout.columns if column not in runs]
        if not runs:
            return None, absent
        samples = [self.samples(layout.slot, hole).first(1) for hole in layout.holes]
        width, above, below = 1.4 * len(samples) + 0.4, 2.4, 1.4 * (len(runs) + 1) + 0.1
        figure = Figure(figsize=(width, above + below), layout="constrained")
        charts, pictures = figure.subfigures(2, 1, height_ratios=[above, below])
        for axes, name in zip(np.atleast_1d(charts.subplots(1, len(layout.metrics))), layout.metrics, strict=True):
            self._draw_ratios(axes, name, layout.holes, {column.head: column.run for column in runs})
        charts.axes[0].legend(fontsize=8)
        shown = [("", [s.inputs[0], *(s.kept[c.run]["result"][0] for c in runs)]) for s in samples]
        paint(pictures, width, below, shown, ["input", *(column.head for column in runs)])
        return figure, absent

    def ratios(self, layout: RatiosFigure) -> Drawn:
        """Each metric against the hole ratio, on the pictures of each slot at hand."""
        panels = {slot: self._throughout(slot, layout) for slot in self.measured.slots}
        panels = {slot: runs for slot, runs in panels.items() if any(runs.values())}
        drawn = {run for runs in panels.values() for run in runs.values()}
        absent = [self._left_out(row.label, row.runs[0]) for row in layout.rows if not drawn & set(row.runs)]
        if not panels:
            return None, absent
        across = len(layout.metrics)
        figure = Figure(figsize=(3.6 * across, 2.7 * len(panels) + 0.4), layout="constrained")
        lines = {}
        for row, (slot, runs) in zip(figure.subplots(len(panels), across, squeeze=False), panels.items(), strict=True):
            for axes, name in zip(row, layout.metrics, strict=True):
                lines |= self._draw_ratios(axes, name, layout.holes, runs)
            row[0].set_ylabel(self.measured.pictures(slot).dataset, fontsize=8)
        lines = {row.label: lines[row.label] for row in layout.rows if row.label in lines}
        figure.legend(lines.values(), lines.keys(), loc="outside upper left", ncols=min(4, len(lines)), fontsize=8)
        return figure, absent

    def _throughout(self, slot: str, layout: RatiosFigure) -> dict[str, str | None]:
        """{method: its run that was measured on a slot with holes of every kind, none where there is none}."""
        kept = set.intersection(*(set(self.measured.kept(slot, hole)) for hole in layout.holes))
        return {row.label: next((run for run in row.runs if run in kept), None) for row in layout.rows}

    def _draw_ratios(self, axes: Axes, metric: str, holes: list[str], runs: dict[str, str | None]) -> dict[str, Line2D]:
        """A metric's means and intervals against the hole ratio, {head: line}; a head keeps its colour."""
        lines = {}
        for number, (head, run) in enumerate(runs.items()):
            if run is None:
                continue
            found = [self.measured.aggregate(run, hole, metric) for hole in holes]
            ratios = [100 * self.measured.hole_ratio(run, hole) for hole in holes]
            style = {"marker": "o", "markersize": 3, "color": f"C{number % 10}", "label": head}
            lines[head] = axes.plot(ratios, [value.mean for value in found], **style)[0]
            bounds = ([value.low for value in found], [value.high for value in found])
            axes.fill_between(ratios, *bounds, alpha=0.15, color=style["color"])
        explained = read_metrics()[metric]
        axes.set(title=f"{explained.head}, {REGIONS[explained.of]}", xlabel="missing (%)")
        return lines

    def timing(self, layout: TimingFigure) -> Drawn:
        """Seconds and peak memory against the side of the picture."""
        benchmark = self.measured.benchmark
        if benchmark is None:
            return None, ["nothing is measured yet: `dvc repro benchmark` makes it"]
        lines = {column.head: benchmark.of(column.run) for column in layout.columns}
        absent = [f"{column.head} is left out: run {column.run} is missing" for column in layout.columns]
        absent = [line for line, found in zip(absent, lines.values(), strict=True) if found is None]
        found = {head: architecture for head, architecture in lines.items() if architecture}
        return draw_timing(found, benchmark) if found else None, absent

    def curves(self, layout: CurvesFigure) -> Drawn:
        pretrained = [run for run in layout.runs if run not in self.measured.runs]  # they have no results
        present = [run for run in layout.runs if run in self.measured.results or run in pretrained]
        present = [run for run in present if (Workspace(self.root).run(run).log).is_file()]
        logs = {run: read_json(Workspace(self.root).run(run).log, list) for run in present}
        absent = [self._left_out(run, run) for run in layout.runs if run not in present]
        return draw_curves({run: rows for run, rows in logs.items() if rows}) if any(logs.values()) else None, absent

    def progress(self, layout: ProgressFigure) -> Drawn:
        """Validation pictures as a run filled them at six moments of its training."""
        if layout.run not in self.measured.results:
            return None, [self._left_out(layout.run, layout.run)]
        arrays = read_arrays(Workspace(self.root).run(layout.run).samples)
        if not (moments := moments_of(arrays)):
            return None, [f"run {layout.run} kept no pictures of its training"]
        pictures, holes = arrays["pictures"], arrays["holes"].astype(bool)
        shown = np.where(holes.reshape(holes.shape[:3])[..., None], np.uint8(255), pictures)
        return draw_grid([("original", pictures), ("input", shown), *moments], [""] * len(pictures)), []

    def sample_grids(self, layout: SampleGridsFigure) -> Drawn:
        """What a run, which is not measured, drew from each latent at six moments of its training."""
        path = Workspace(self.root).run(layout.run).samples
        if not path.is_file():
            return None, [self._left_out(layout.run, layout.run)]
        if not (moments := moments_of(read_arrays(path))):
            return None, [f"run {layout.run} kept no pictures of its training"]
        columns = [(head, drawn[: layout.latents]) for head, drawn in moments]
        return draw_grid(columns, [""] * len(columns[0][1])), []

    def _left_out(self, what: str, run: str) -> str:
        if run in self.measured.results:
            return f"{what} is left out: run {run} is missing (not measured here)"
        return f"{what} is left out: not yet run ({run}: {self.measured.absent.get(run, 'nothing of it is at hand')})"


def moments_of(arrays: dict[str, np.ndarray]) -> Columns:
    """A column of pictures for each of at most six moments of a training; none where none were kept."""
    iterations = arrays.get("iterations", np.empty(0))
    return [(f"iteration {iterations[i]}", arrays["results"][i]) for i in spread(len(iterations), 6)]


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


def draw_curves(logs: dict[str, list[dict]]) -> Figure:
    """Small multiples of {run: rows of a log}."""
    quantities = list(dict.fromkeys(key for rows in logs.values() for row in rows for key in row))
    quantities = [key for key in quantities if key not in ("iteration", "phase")]
    across = min(3, len(quantities))
    down = -(-len(quantities) // across)
    figure = Figure(figsize=(3.2 * across, 2.3 * down + 0.2 + 0.17 * len(logs)), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).flat
    lines, metrics = {}, read_metrics()
    for quantity, axes in zip(quantities, panels, strict=False):
        for number, (run, rows) in enumerate(logs.items()):
            points = [(row["iteration"], row[quantity]) for row in rows if quantity in row]
            if points:
                style = {"color": f"C{number % 10}", "linestyle": ["-", "--", ":"][number % 3], "linewidth": 1.4}
                style |= {"marker": "o", "markersize": 3} if len(points) == 1 else {}
                lines[run] = axes.plot(*zip(*points, strict=True), **style)[0]
        axes.set_title(metrics[quantity].label if quantity in metrics else quantity.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.margins(x=0.02)
    for axes in list(figure.axes)[len(quantities) :]:
        axes.remove()
    figure.supxlabel("iteration", fontsize=9)
    figure.legend(lines.values(), lines.keys(), loc="outside upper left", ncols=min(3, len(lines)), fontsize=8)
    return figure


def draw_all(root: Path, measured: Measured, folder: Path) -> list[dict]:
    """Writes every figure into `folder` as PNG and PDF, with a process a core; what figures.json says of each."""
    parts = all_parts(root, measured)
    processes = min(os.cpu_count() or 1, len(parts))
    with lean_font() as font, ProcessPoolExecutor(processes, initializer=register, initargs=(font,)) as pool:
        return list(chain.from_iterable(pool.map(partial(_written, folder=folder), parts)))


def _written(part: Callable[[], Iterator[Drawing]], folder: Path) -> list[dict]:
    about = []
    with rc_context({**rcParamsDefault, **STYLE}):
        for drawing in part():
            if drawing.figure is not None:
                save(drawing.figure, folder / drawing.name)
            about.append(drawing.about)
    return about


def every_drawing(root: Path, measured: Measured) -> Iterator[Drawing]:
    """Every figure of every paper, and the test holes of every slot; what cannot be drawn says why."""
    for part in all_parts(root, measured):
        yield from part()


def all_parts(root: Path, measured: Measured) -> list[Callable[[], Iterator[Drawing]]]:
    """What draws the figures of each paper, of the overview and of each slot's holes, in the order of a report."""
    papers = [partial(of_paper, root, measured, paper) for paper in names()]
    holes = [
        partial(draw_holes, slot, Workspace(root).slot(slot).holes, measured.pictures(slot)) for slot in measured.slots
    ]
    return [*papers, partial(draw_overview, measured), *holes]


def of_paper(root: Path, measured: Measured, paper: str) -> Iterator[Drawing]:
    studio = Studio(root, measured)
    figures = read_papers()[paper].figures
    for name, layout in chain.from_iterable(studio.layouts(*each) for each in figures.items()):
        figure, absent = getattr(studio, layout.kind.replace("-", "_"))(layout)
        scene = f"Profile {measured.profile}"
        if isinstance(layout, OfPictures) and figure is not None:
            scene = f"Test pictures of {measured.pictures(layout.slot).dataset}, {layout.hole} holes, {scene.lower()}"
        yield Drawing(f"{paper}-{name}", layout.title, f"{scene}. {layout.caption}", figure, absent)
