"""Figures of DeepFill v1 from kept samples and training logs, as PNG and PDF; equal inputs give equal bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from palimpsest.config import InputError
from palimpsest.data import Shard, spread
from palimpsest.masks import read_bank
from palimpsest.reporting.drawing import STYLE, Drawing, save
from palimpsest.reporting.holes import draw_holes
from palimpsest.reporting.results import Measured
from palimpsest.storage import read_arrays, read_json

PAPER, SLOT, HOLE = "deepfill-v1", "scenes", "rectangle"
METHODS = {
    "constant-fill": "constant fill",
    "patchmatch": "PatchMatch",
    "deepfill-v1-baseline": "baseline",
    "deepfill-v1": "full model",
}
ATTENTIONS = {
    "deepfill-v1-spatial-transformer": "spatial transformer",
    "deepfill-v1-appearance-flow": "appearance flow",
    "deepfill-v1": "contextual attention",
}
LOSSES = {
    "deepfill-v1": "WGAN-GP",
    "deepfill-v1-dcgan": "DCGAN",
    "deepfill-v1-lsgan": "LSGAN",
    "deepfill-v1-no-l1": "without l1",
}


def colour_wheel() -> np.ndarray:
    """(55, 3) in [0, 1]: the hues of the Middlebury optical-flow benchmark (Baker et al. 2011) in order of angle."""
    red, yellow, green, cyan, blue, magenta = np.array(
        [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], float
    )
    steps = [(red, yellow, 15), (yellow, green, 6), (green, cyan, 4), (cyan, blue, 11), (blue, magenta, 13)]
    return np.concatenate([a + (b - a) * np.arange(n)[:, None] / n for a, b, n in [*steps, (magenta, red, 6)]])


def colour_code(offsets: np.ndarray) -> np.ndarray:
    """Offsets (2, h, w) = (dy, dx) as colours, uint8 (h, w, 3): hue is direction, saturation length.

    White is the patch itself, full colour the picture's largest offset. As in the released code u = dy and v = dx, so
    pink is at the bottom left, green at the top right.
    """
    u, v = np.asarray(offsets, float) / max(np.hypot(*np.asarray(offsets, float)).max(), 1e-9)
    wheel = colour_wheel()
    place = (np.arctan2(-v, -u) / np.pi + 1) / 2 * (len(wheel) - 1)
    low = np.floor(place).astype(int)
    between = (place - low)[..., None]
    hue = (1 - between) * wheel[low] + between * wheel[(low + 1) % len(wheel)]
    return np.floor(255 * (1 - np.hypot(u, v)[..., None] * (1 - hue))).astype(np.uint8)


@dataclass(frozen=True)
class Samples:
    """The test pictures that every run kept, with what each run made of them."""

    ids: list[str]
    pictures: np.ndarray  # uint8 (K, H, W, 3)
    inputs: np.ndarray  # the same, hole white
    kept: dict[str, dict[str, np.ndarray]]  # run → result, offsets and so on

    def first(self, count: int) -> "Samples":
        """`count` of the pictures, spread over them all."""
        chosen = spread(len(self.ids), count)
        kept = {run: {name: array[chosen] for name, array in arrays.items()} for run, arrays in self.kept.items()}
        return Samples([self.ids[i] for i in chosen], self.pictures[chosen], self.inputs[chosen], kept)


def read_samples(root: Path, measured: Measured) -> Samples:
    """The kept samples of every run that has results in the slot; InputError where runs kept other pictures."""
    shard = Shard(root / "data" / SLOT / "shards" / "test")
    holes = read_bank(root / "data" / SLOT / "holes", HOLE, len(shard))
    index, kept = None, {}
    for run, result in measured.results.items():
        if result.data != SLOT:
            continue
        arrays = read_arrays(root / "results" / run / "samples.npz")
        if index is not None and not np.array_equal(index, arrays["index"]):
            raise InputError(
                f"results/{run}/samples.npz: holds other pictures than the runs before; `dvc repro` mends it"
            )
        index = arrays["index"]
        kept[run] = {name.split("/")[1]: array for name, array in arrays.items() if name.startswith(f"{HOLE}/")}
    if index is None:
        raise InputError(f"results: asked for samples of {SLOT!r}, found none; `dvc repro` makes them")
    pictures = np.stack([shard[i] for i in index])
    inputs = np.where(holes[index][..., None], np.uint8(255), pictures)
    return Samples([shard.ids[i] for i in index], pictures, inputs, kept)


Columns = list[tuple[str, Sequence[np.ndarray]]]  # head, one picture a row


def draw_grid(columns: Columns, labels: Sequence[str], wheel: bool = False, side: float = 1.5) -> Figure:
    """Pictures in rows and columns under their heads; `side` in inches; the colour wheel at the right."""
    width = len(columns) + (0.9 if wheel else 0)
    figure = Figure(figsize=(width * side, len(labels) * side + 0.3), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    ratios = [1.0] * len(columns) + ([0.9] if wheel else [])
    grid = figure.add_gridspec(len(labels), len(ratios), width_ratios=ratios)
    for x, (head, pictures) in enumerate(columns):
        for y, (label, picture) in enumerate(zip(labels, pictures, strict=True)):
            axes = figure.add_subplot(grid[y, x])
            _show(axes, picture)
            if y == 0:
                axes.set_title(head)
            if x == 0:
                axes.set_ylabel(label, fontsize=6, color="0.4")
    if wheel:
        _draw_wheel(figure.add_subplot(grid[: min(2, len(labels)), -1]))
    return figure


def _show(axes: Axes, picture: np.ndarray) -> None:
    axes.imshow(picture, cmap="gray", interpolation="nearest" if min(picture.shape[:2]) < 128 else None)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color="0.8", linewidth=0.5)


def _draw_wheel(axes: Axes) -> None:
    """The colour of each offset at its own place: up in the picture is up here."""
    offsets = np.mgrid[-60:61, -60:61]
    inside = np.hypot(*offsets) <= 60
    colours = colour_code(np.where(inside, offsets, 0))
    axes.imshow(np.dstack([colours, np.where(inside, 255, 0).astype(np.uint8)]), interpolation="bilinear")
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title("where to", fontsize=8)
    axes.set_xlabel("white: the patch itself\nrim: largest offset", fontsize=6.5)


def _maps(samples: Samples, run: str) -> list[np.ndarray]:
    return [colour_code(offsets) for offsets in samples.kept[run]["offsets"]]


def _methods(samples: Samples, methods: dict[str, str], measured: Measured) -> tuple[Columns, list[str]]:
    """A column of results for each run that has samples, and a line for each that has not."""
    columns = [(head, samples.kept[run]["result"]) for run, head in methods.items() if run in samples.kept]
    absent = [run for run in methods if run not in samples.kept]
    return columns, [f"{methods[run]} is left out: {_why(run, measured)}" for run in absent]


def _why(run: str, measured: Measured) -> str:
    return f"run {run} is missing ({measured.absent.get(run, 'not in params.yaml')})"


def qualitative(samples: Samples, measured: Measured, scene: str) -> Drawing:
    """Figure 6's columns, with the references that need no learning."""
    columns, absent = _methods(samples, METHODS, measured)
    columns = [("original", samples.pictures), ("input", samples.inputs), *columns]
    mapped = "offsets" in samples.kept.get(PAPER, {})
    if mapped:
        columns.append(("attention of full", _maps(samples, PAPER)))
    else:
        absent.append("the attention map is left out: it is the full model's")
    caption = (
        f"{scene} From left to right the original, the input (hole white), the results, and the attention map of the "
        f"full model: the colour of a place tells where the patch lies that it attends to most, as on the wheel."
    )
    title = "Results of every method, and where the full model looks"
    figure = draw_grid(columns, samples.ids, wheel=mapped)
    return Drawing(f"{PAPER}-qualitative", title, caption, figure, absent)


def attentions(samples: Samples, measured: Measured, scene: str) -> Drawing:
    """Figure 8: input, result and map of three attention modules."""
    present = [run for run in ATTENTIONS if "offsets" in samples.kept.get(run, {})]
    absent = [f"{head} is left out: {_why(run, measured)}" for run, head in ATTENTIONS.items() if run not in present]
    caption = (
        f"{scene} Input, then result and attention map with each module in the place of contextual attention. A map "
        f"that looks the same for different inputs has learnt nothing of the picture."
    )
    columns: Columns = [("input", samples.inputs)]
    for run in present:
        columns += [(ATTENTIONS[run], samples.kept[run]["result"]), ("its map", _maps(samples, run))]
    figure = draw_grid(columns, samples.ids, wheel=True) if present else None
    return Drawing(f"{PAPER}-attention", "Attention modules side by side", caption, figure, absent)


def adversarial(samples: Samples, measured: Measured, scene: str) -> Drawing:
    """Figure 9 and the text's ablations: the adversarial losses, and the refinement without l1."""
    columns, absent = _methods(samples, LOSSES, measured)
    caption = (
        f"{scene} The full model trained with each adversarial loss, and with WGAN-GP but no l1 in the refinement."
    )
    shown = [("original", samples.pictures), ("input", samples.inputs), *columns]
    figure = draw_grid(shown, samples.ids) if columns else None
    return Drawing(f"{PAPER}-adversarial", "Adversarial losses side by side", caption, figure, absent)


def curves(root: Path, measured: Measured) -> Drawing:
    """Every logged quantity against the iteration, one panel a quantity, one line a run."""
    logs = {run: read_json(root / "runs" / run / "log.json", list) for run in measured.results}
    logs = {run: rows for run, rows in logs.items() if rows}
    absent = [f"{run} is left out: {_why(run, measured)}" for run in measured.absent]
    caption = (
        f"Each quantity of the training log against the iteration, profile {measured.profile}; a method that learns "
        f"nothing has no curve. Adversarial terms of different losses have scales of their own."
    )
    figure = draw_curves(logs) if logs else None
    return Drawing(f"{PAPER}-curves", "Training curves", caption, figure, absent)


def draw_curves(logs: dict[str, list[dict]]) -> Figure:
    """Small multiples of {run: rows of a log}."""
    quantities = list(dict.fromkeys(key for rows in logs.values() for row in rows for key in row))
    quantities = [key for key in quantities if key not in ("iteration", "phase")]
    across = min(3, len(quantities))
    down = -(-len(quantities) // across)
    figure = Figure(figsize=(3.2 * across, 2.3 * down + 0.2 + 0.17 * len(logs)), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).flat
    lines = {}
    for quantity, axes in zip(quantities, panels, strict=False):
        for number, (run, rows) in enumerate(logs.items()):
            points = [(row["iteration"], row[quantity]) for row in rows if quantity in row]
            if points:
                style = {"color": f"C{number % 10}", "linestyle": ["-", "--", ":"][number % 3], "linewidth": 1.4}
                lines[run] = axes.plot(*zip(*points, strict=True), **style)[0]
        axes.set_title(quantity.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.margins(x=0.02)
    for axes in list(figure.axes)[len(quantities) :]:
        axes.remove()
    figure.supxlabel("iteration", fontsize=9)
    figure.legend(lines.values(), lines.keys(), loc="outside upper left", ncols=min(3, len(lines)), fontsize=8)
    return figure


def progress(root: Path, measured: Measured, scene: str) -> Drawing:
    """Results of the full model on the same pictures as its training goes on."""
    path = root / "runs" / PAPER / "samples.npz"
    arrays = read_arrays(path) if PAPER in measured.results and path.exists() else {}
    figure = None
    if len(arrays.get("iterations", [])):
        chosen = spread(len(arrays["iterations"]), 6)
        pictures, holes = arrays["pictures"], arrays["holes"].astype(bool)
        shown = np.where(holes.reshape(holes.shape[:3])[..., None], np.uint8(255), pictures)
        columns: Columns = [("original", pictures), ("input", shown)]
        columns += [(f"iteration {arrays['iterations'][i]}", arrays["results"][i]) for i in chosen]
        figure = draw_grid(columns, [""] * len(pictures))
    absent = [] if figure else [f"run {PAPER} kept no pictures of its training"]
    caption = f"Validation pictures of {scene} as filled by the full model while it learns."
    return Drawing(f"{PAPER}-progress", "The full model while it learns", caption, figure, absent)


def draw_all(root: Path, measured: Measured, folder: Path) -> list[Drawing]:
    """Writes every figure into `folder` as PNG and PDF; what cannot be drawn says why."""
    samples = read_samples(root, measured)
    dataset = measured.pictures(SLOT).dataset
    scene = f"Test pictures of {dataset} with {HOLE} holes, profile {measured.profile}."
    with rc_context({**rcParamsDefault, **STYLE}):
        drawings = [
            qualitative(samples, measured, scene),
            attentions(samples.first(4), measured, scene),
            adversarial(samples.first(4), measured, scene),
            curves(root, measured),
            progress(root, measured, dataset),
            *draw_holes(root / "data" / SLOT / "holes", measured.pictures(SLOT)),
        ]
        for drawing in drawings:
            if drawing.figure is not None:
                save(drawing.figure, folder / drawing.name)
    return drawings
