"""Every figure of the report, as the papers' specs lay them out; equal inputs give equal bytes."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import active_children, parent_process
from pathlib import Path
from threading import Thread

from matplotlib import rc_context, rcParamsDefault

from palimpsest.figures.against_ratio import growing, ratios
from palimpsest.figures.claims import claims
from palimpsest.figures.drawing import STYLE, Drawing, lean_font, register, save
from palimpsest.figures.holes import draw_holes
from palimpsest.figures.pictures import failures, references, results, retrieval
from palimpsest.figures.studio import Drawn, Studio
from palimpsest.figures.timing import speed_against_quality, timing
from palimpsest.figures.training import curves, progress, sample_grids
from palimpsest.papers.figures import FigureSpec, OfPictures
from palimpsest.papers.paper import names, read_papers
from palimpsest.results.measured import Measured
from palimpsest.workspace import Workspace

KINDS: dict[str, Callable[[Studio, FigureSpec], Drawn]] = {
    "results": results,
    "references": references,
    "retrieval": retrieval,
    "failures": failures,
    "growing": growing,
    "ratios": ratios,
    "timing": timing,
    "curves": curves,
    "progress": progress,
    "sample-grids": sample_grids,
    "claims": claims,
}
Part = Callable[[], Iterator[Drawing]]


def draw_all(root: Path, measured: Measured, folder: Path) -> list[dict]:
    """Writes every figure into `folder` as PNG and PDF, with a process a core; what figures.json says of each."""
    parts = all_parts(root, measured)
    processes = min(os.cpu_count() or 1, len(parts))
    with lean_font() as font, ProcessPoolExecutor(processes, initializer=_begin, initargs=(font,)) as pool:
        try:
            return list(chain.from_iterable(pool.map(partial(_written, folder=folder), parts)))
        except KeyboardInterrupt:
            for worker in active_children():
                worker.terminate()
            raise


def _begin(font: Path) -> None:
    """Makes a worker ready; a signal ends it at once, and so does the end of the process that started it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    Thread(target=_end_with_parent, daemon=True).start()
    register(font)


def _end_with_parent() -> None:
    parent_process().join()
    os._exit(1)


def _written(part: Part, folder: Path) -> list[dict]:
    about = []
    with rc_context({**rcParamsDefault, **STYLE}):
        for drawing in part():
            if drawing.figure is not None:
                save(drawing.figure, folder / drawing.name)
            about.append(drawing.about)
    return about


def all_parts(root: Path, measured: Measured) -> list[Part]:
    """What draws the figures of each paper, of the overview and of each slot's holes, in the order of the report."""
    papers = [partial(draw_paper, root, measured, paper) for paper in names()]
    holes = [
        partial(draw_holes, slot, Workspace(root).slot(slot).holes, measured.pictures(slot)) for slot in measured.slots
    ]
    return [*papers, partial(speed_against_quality, measured), *holes]


def draw_paper(root: Path, measured: Measured, paper: str) -> Iterator[Drawing]:
    """The figures of one paper."""
    studio = Studio(root, measured)
    figures = read_papers()[paper].figures
    for name, layout in figures.items():
        figure, absent = KINDS[layout.kind](studio, layout)
        scene = f"Profile {measured.profile}"
        if isinstance(layout, OfPictures) and figure is not None:
            scene = f"Test pictures of {measured.pictures(layout.slot).dataset}, {layout.hole} holes, {scene.lower()}"
        yield Drawing(f"{paper}-{name}", layout.title, f"{scene}. {layout.caption}", figure, absent)
