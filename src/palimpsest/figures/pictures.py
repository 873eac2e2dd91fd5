"""Figures of test pictures in rows: results, reference patches, retrieved patches and failures."""

import numpy as np

from palimpsest.data.shards import spread
from palimpsest.figures.grids import PATCH, Boxed, Columns, Corner, Marked, colour_code, cut_out, draw_grid
from palimpsest.figures.studio import Drawn, Studio
from palimpsest.papers.figures import FailuresFigure, ReferencesFigure, ResultsFigure, RetrievalFigure, Shown
from palimpsest.results.measured import Measured

STRIDE = 8  # px, as in layers/patches.py, which needs torch
MISSING = "red"  # a missing patch, beside the ranks of those that are retrieved for it
RANKED = ["deepskyblue", "limegreen", "orange", "magenta", "gold", "cyan", "violet", "sienna"]


def results(studio: Studio, layout: ResultsFigure) -> Drawn:
    """Input, results and attention maps, a test picture a row."""
    if not studio.measured.kept(layout.slot, layout.hole):
        return None, studio.left_out([(column.head, column.run) for column in layout.columns])
    samples = studio.samples(layout.slot, layout.hole, layout.pictures)
    columns: Columns = [("original", samples.pictures)] if layout.original else []
    columns.append(("input", samples.inputs))
    absent, mapped = [], False
    for column in with_released(layout, studio.measured):
        kept = samples.kept.get(column.run, {})
        if "result" not in kept:
            absent += studio.left_out([(column.head, column.run)])
            continue
        columns.append((column.head, kept["result"]))
        shown = kept.get("flow", kept.get("offsets"))
        if column.map and shown is not None and not shown.any():
            absent.append(f"the map of {column.head} is left out: each place of it leads to the place itself")
        elif column.map and shown is not None:
            columns.append(("its map", [colour_code(offsets) for offsets in shown]))
            mapped = True
        elif column.map:
            absent.append(f"the map of {column.head} is left out: run {column.run} has none")
    return draw_grid(columns, samples.ids, wheel=mapped), absent


def with_released(layout: ResultsFigure, measured: Measured) -> list[Shown]:
    """The columns, each with those of released networks of its method after it; newer methods come last."""

    def released(beside: str) -> list[Shown]:
        names = measured.released(layout.slot, layout.hole, {beside})
        return [Shown(run=name, head=measured.runs[name].label, map=False) for name in names]

    shown = [each for column in layout.columns for each in (column, *released(measured.trained(column.run)))]
    return shown + released("")


def references(studio: Studio, layout: ReferencesFigure) -> Drawn:
    """For each mechanism the result, some of its reference patches, and the picture pieced together from all."""
    if not studio.measured.kept(layout.slot, layout.hole):
        return None, studio.left_out([(column.head, column.run) for column in layout.columns])
    samples = studio.samples(layout.slot, layout.hole, layout.pictures)
    columns: Columns = [("original", samples.pictures), ("input", samples.inputs)]
    absent = []
    for column in layout.columns:
        kept = samples.kept.get(column.run, {})
        if "pieced" not in kept:
            absent += studio.left_out([(column.head, column.run)])
            continue
        marked = [
            Marked(result, reference_patches(hole, offsets, layout.patches))
            for result, hole, offsets in zip(kept["result"], samples.holes, kept["offsets"], strict=True)
        ]
        pieced = np.where(samples.holes[..., None], kept["pieced"], samples.pictures)
        columns += [(column.head, kept["result"]), ("its references", marked), ("pieced from them", pieced)]
    return draw_grid(columns, samples.ids), absent


def reference_patches(hole: np.ndarray, offsets: np.ndarray, count: int) -> list[tuple[Corner, Corner]]:
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


def retrieval(studio: Studio, layout: RetrievalFigure) -> Drawn:
    """Input, where a missing patch's candidates come from, the patch made of them, and each candidate."""
    if layout.run not in studio.measured.kept(layout.slot, layout.hole):
        return None, studio.left_out([(layout.run, layout.run)])
    samples = studio.samples(layout.slot, layout.hole, layout.pictures)
    kept = samples.kept[layout.run]
    if "retrieved" not in kept:
        return None, [f"run {layout.run} retrieves no patches"]
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


def retrieved_patches(height: int, retrieved: np.ndarray) -> tuple[int, Corner, list[Corner]]:
    """Side of a patch, the missing patch nearest to the hole's middle, and the patches that are retrieved for it.

    `height` of the picture; `retrieved` (h, w, N, 2): corners (y, x) px for each patch of the grid, -1 where none is
    missing.
    """
    side = round(height / len(retrieved))
    missing = np.argwhere(retrieved[:, :, 0, 0] >= 0)
    y, x = missing[np.square(missing - missing.mean(0)).sum(1).argmin()].tolist()
    return side, (y * side, x * side), [tuple(corner) for corner in retrieved[y, x].tolist()]


def failures(studio: Studio, layout: FailuresFigure) -> Drawn:
    """Original, input and result of the pictures that a run fills worst."""
    if layout.run not in studio.measured.kept(layout.slot, layout.hole):
        return None, studio.left_out([(layout.run, layout.run)])
    worst = studio.worst(layout.run, layout.slot, layout.hole, layout.pictures)
    made = worst.kept[layout.run]["result"]
    return draw_grid([("original", worst.pictures), ("input", worst.inputs), (layout.head, made)], worst.ids), []
