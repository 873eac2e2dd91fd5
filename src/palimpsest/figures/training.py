"""Figures of how a network learned: what it logged, and what it made of the same pictures or latents."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from palimpsest.data.shards import spread
from palimpsest.figures.grids import Columns, draw_grid
from palimpsest.figures.studio import Drawn, Studio
from palimpsest.papers.figures import CurvesFigure, ProgressFigure, SampleGridsFigure
from palimpsest.papers.metrics import read_metrics
from palimpsest.results.curves import read_log
from palimpsest.results.samples import Arrays, hatched
from palimpsest.storage import read_arrays

FIRST, FURTHER = 1.4, 0.5  # width of a seed's line
MOMENTS = 6  # of a training, at most


def curves(studio: Studio, layout: CurvesFigure) -> Drawn:
    """Every logged quantity against the iteration."""
    pretrained = [run for run in layout.runs if run not in studio.measured.runs]  # they have no results
    present = [run for run in layout.runs if run in studio.measured.results or run in pretrained]
    present = [run for run in present if studio.training(run).log.is_file()]
    logs = {run: [read_log(log) for log in studio.logs(run)] for run in present}
    absent = studio.left_out([(run, run) for run in layout.runs if run not in present])
    logged = {run: seeds for run, seeds in logs.items() if any(seeds)}
    return draw_curves(logged) if logged else None, absent


def draw_curves(logs: dict[str, list[list[dict]]]) -> Figure:
    """Small multiples of {run: rows of the log of each seed}, thin lines for further seeds."""
    quantities = list(dict.fromkeys(key for seeds in logs.values() for rows in seeds for row in rows for key in row))
    quantities = [key for key in quantities if key not in ("iteration", "phase")]
    across = min(3, len(quantities))
    down = -(-len(quantities) // across)
    figure = Figure(figsize=(3.2 * across, 2.3 * down + 0.2 + 0.17 * len(logs)), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).flat
    lines, metrics = {}, read_metrics()
    for quantity, axes in zip(quantities, panels, strict=False):
        for number, (run, seeds) in enumerate(logs.items()):
            style = {"color": f"C{number % 10}", "linestyle": ["-", "--", ":"][number % 3]}
            for rows, width in zip(seeds, [FIRST] + [FURTHER] * (len(seeds) - 1), strict=True):
                points = [(row["iteration"], row[quantity]) for row in rows if quantity in row]
                if points:
                    mark = {"marker": "o", "markersize": 3} if len(points) == 1 else {}
                    (line,) = axes.plot(*zip(*points, strict=True), **style, **mark, linewidth=width)
                    lines.setdefault(run, line)
        axes.set_title(metrics[quantity].label if quantity in metrics else quantity.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.margins(x=0.02)
    for axes in list(figure.axes)[len(quantities) :]:
        axes.remove()
    several = any(len(seeds) > 1 for seeds in logs.values())
    figure.supxlabel("iteration; thin lines are further seeds" if several else "iteration", fontsize=9)
    figure.legend(lines.values(), lines.keys(), loc="outside upper left", ncols=min(3, len(lines)), fontsize=8)
    return figure


def progress(studio: Studio, layout: ProgressFigure) -> Drawn:
    """Validation pictures as a run filled them at some moments of its training."""
    if layout.run not in studio.measured.results:
        return None, studio.left_out([(layout.run, layout.run)])
    arrays = read_arrays(studio.training(layout.run).samples)
    if not (moments := moments_of(arrays)):
        return None, [f"run {layout.run} kept no pictures of its training"]
    pictures, holes = arrays["pictures"], arrays["holes"].astype(bool)
    inputs = hatched(pictures, holes.reshape(holes.shape[:3]))
    return draw_grid([("original", pictures), ("input", inputs), *moments], [""] * len(pictures)), []


def sample_grids(studio: Studio, layout: SampleGridsFigure) -> Drawn:
    """What a generative network, which has no results of its own, drew from each latent as it was trained."""
    path = studio.training(layout.run).samples
    if not path.is_file():
        return None, studio.left_out([(layout.run, layout.run)])
    if not (moments := moments_of(read_arrays(path))):
        return None, [f"run {layout.run} kept no pictures of its training"]
    columns = [(head, drawn[: layout.latents]) for head, drawn in moments]
    return draw_grid(columns, [""] * len(columns[0][1])), []


def moments_of(arrays: Arrays) -> Columns:
    """A column of pictures for each of at most MOMENTS of a training; none where none were kept."""
    iterations = arrays.get("iterations", ())
    return [(f"iteration {iterations[i]}", arrays["results"][i]) for i in spread(len(iterations), MOMENTS)]
