"""Reads what the papers published: `<paper>.yaml`, checked against metrics.yaml and values.csv."""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from palimpsest.config.yaml import InputError, Settings, Tree, build, choices, one_of, read_yaml
from palimpsest.papers.claims import Claim, check_claims
from palimpsest.papers.figures import AgainstRatio, ClaimsFigure, FigureSpec, TimingFigure
from palimpsest.papers.metrics import PAPERS, Metrics, read_metrics
from palimpsest.papers.networks import BlockTable, ClaimTable, ParameterTable, SettingTable, TimingTable
from palimpsest.papers.tables import ComparisonTable, Study, StudyTable, WideTable
from palimpsest.papers.values import Values, read_values

ORDER = ["deepfill-v1", "tmad", "gm-srm", "crfill"]  # in a report; papers of one's own come after

TableSpec = Annotated[
    ComparisonTable | WideTable | StudyTable | BlockTable | SettingTable | ParameterTable | TimingTable | ClaimTable,
    Field(discriminator="kind"),
]


class Paper(Settings):
    """One paper; its tables are in its own order, those of its text last."""

    label: str
    title: str
    authors: str
    venue: str
    foreseen: list[str] = Field(default_factory=list)  # runs that its rows or claims name and params.yaml may lack
    tables: dict[str, TableSpec]
    claims: dict[str, Claim] = Field(default_factory=dict)  # of its text; those of its tables are read from them
    figures: dict[str, FigureSpec]

    @property
    def studies(self) -> dict[str, Study]:
        """{table: the user study whose votes it shows}."""
        return {key: table.study for key, table in self.tables.items() if table.study}

    @property
    def timed_runs(self) -> list[str]:
        """The runs whose speed, memory or size some table, figure or claim is about."""
        figures = [figure for figure in self.figures.values() if isinstance(figure, TimingFigure)]
        drawn = [column.run for figure in figures for column in figure.columns]
        claimed = [run for claim in self.claims.values() for run in claim.timed_runs]
        return [run for table in self.tables.values() for run in table.timed_runs] + drawn + claimed


def names(folder: Path = PAPERS) -> list[str]:
    """Keys of the papers, in the order of a report."""
    found = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "metrics")
    return [*(name for name in ORDER if name in found), *(name for name in found if name not in ORDER)]


def read_paper(name: str, metrics: Metrics, values: Values, folder: Path = PAPERS) -> Paper:
    """The spec of a paper; InputError for a key, metric, slot or method that is not known."""
    path = folder / f"{name}.yaml"
    paper = build(Paper, _read(path), "", path.name)
    for key, table in paper.tables.items():
        places = [place for place in values if (place.paper, place.table) == (name, table.source(key))]
        table.check(places, metrics, f"{path.name}: tables.{key}")
    check_claims(paper.claims, paper.tables, metrics, path.name)
    for key, figure in paper.figures.items():
        if isinstance(figure, ClaimsFigure):
            one_of(figure.paper, [name], f"{path.name}: figures.{key}.paper")
        for metric in figure.metrics if isinstance(figure, AgainstRatio) else ():
            one_of(metric, metrics, f"{path.name}: figures.{key}.metrics")
    return paper


@cache
def _read(path: Path) -> Tree:
    return read_yaml(path)


def check_runs(known: Iterable[str], folder: Path = PAPERS) -> None:
    """InputError where a paper names a run that is neither `known` nor foreseen by the paper."""
    for name in names(folder):
        tree = _read(folder / f"{name}.yaml")
        accepted = {*known, *tree.get("foreseen", [])}
        for key, run in _named(tree, f"{name}.yaml"):
            if run not in accepted:
                raise InputError(
                    f"{key}: found {run!r}, in neither params.yaml nor `foreseen`; alike: {choices(accepted, run)}"
                )


def _named(tree: object, at: str) -> Iterator[tuple[str, str]]:
    """(dotted key, run) of every run that a paper's file names, under `run`, `runs` or `against`."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        if key in ("run", "runs", "against"):
            several = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
            yield from ((f"{at}.{key}", run) for run in several if run is not None)
        else:
            yield from _named(value, f"{at}.{key}")


@cache
def read_papers() -> dict[str, Paper]:
    """Every paper, in the order of a report; read once, as YAML takes its time."""
    metrics, values = read_metrics(), read_values()
    return {name: read_paper(name, metrics, values) for name in names()}


def foreseen() -> set[str]:
    """The runs that some paper foresees."""
    return {run for paper in read_papers().values() for run in paper.foreseen}


def benchmarked() -> list[str]:
    """The runs whose speed, memory or size some table, figure or claim of any paper is about."""
    return list(dict.fromkeys(run for paper in read_papers().values() for run in paper.timed_runs))
