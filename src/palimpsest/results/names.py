"""What methods and holes are called where people read of them."""

import re

from palimpsest.papers.figures import ResultsFigure
from palimpsest.papers.paper import read_papers
from palimpsest.results.curves import trained
from palimpsest.results.measured import Measured


def method_names(measured: Measured) -> dict[str, str]:
    """{run: what its method is called}.

    That is the shortest name in a table for it or for the run whose weights it uses; without one its paper and its head
    in a figure, or else the run's own name. External results have their label. Pretrained networks are among them.
    """
    in_tables: dict[str, str] = {}
    in_figures: dict[str, str] = {}
    for paper in read_papers().values():
        for layout in paper.tables.values():
            for each in layout.methods(paper.label):
                in_tables |= {run: min(in_tables.get(run, each.label), each.label, key=len) for run in each.runs}
        for figure in paper.figures.values():
            for column in figure.columns if isinstance(figure, ResultsFigure) else ():
                in_figures[column.run] = f"{paper.label}, {column.head}"

    def name(run: str) -> str:
        found = (in_tables.get(run), in_tables.get(measured.trained(run)), in_figures.get(run))
        return next(filter(None, found), run)

    names = {run: described.label or name(run) for run, described in measured.runs.items()}
    return {network: _of_network(network, names) for network in trained(measured)} | names


def _of_network(network: str, names: dict[str, str]) -> str:
    """A pretrained network is called after the run whose name begins its own; without one by its own name."""
    run = max((run for run in names if network.startswith(f"{run}-")), key=len, default=None)
    return f"{names[run]}'s {network.removeprefix(f'{run}-').replace('-', ' ')} network" if run else network


def holes_in_words(kind: str) -> str:
    """A kind of holes, as in a result: in bins and centres of a size, the numbers are per cent of the picture."""
    name, _, pieced = kind.partition("/")
    words = f"{name} holes"
    if found := re.fullmatch(r"irregular-(\d+)-(\d+)-any", name):
        words = f"irregular holes of {found[1]} to {found[2]} %"
    elif found := re.fullmatch(r"centre-(\d+)", name):
        words = f"centre holes of {found[1]} %"
    return f"{words}, pictures pieced from reference patches" if pieced else words
