"""Reads what the papers published: `<paper>.yaml`, checked against metrics.yaml and values.csv."""

from functools import cache
from pathlib import Path

from pydantic import Field

from palimpsest.config.yaml import Settings, build, one_of, read_yaml
from palimpsest.papers.figures import AgainstRatio, FigureSpec, TimingFigure
from palimpsest.papers.metrics import PAPERS, Metrics, read_metrics
from palimpsest.papers.tables import (
    Blocks,
    Claim,
    Comparison,
    Hyperparameters,
    Parameters,
    Study,
    TableSpec,
    Timings,
    WideSpec,
)
from palimpsest.papers.values import Place, Values, read_values

ORDER = ["deepfill-v1", "tmad", "gm-srm", "crfill"]  # in a report; papers of one's own come after


class Paper(Settings):
    """One paper."""

    label: str
    title: str
    authors: str
    venue: str
    tables: dict[str, TableSpec]
    figures: dict[str, FigureSpec]
    timings: dict[str, Timings]
    claims: list[Claim]
    blocks: dict[str, Blocks] = Field(default_factory=dict)
    hyperparameters: dict[str, Hyperparameters] = Field(default_factory=dict)
    parameters: Parameters | None = None
    wide: dict[str, WideSpec] = Field(default_factory=dict)
    studies: dict[str, Study] = Field(default_factory=dict)

    @property
    def numbered(self) -> dict[str, Blocks | Hyperparameters | TableSpec | WideSpec | Study | Timings]:
        """Every table that has a number in the paper, in its order."""
        studies = {number: study for number, study in self.studies.items() if study.published}
        found = {**self.blocks, **self.hyperparameters, **self.wide, **self.tables, **studies, **self.timings}
        return dict(sorted(found.items(), key=lambda each: _counted(each[0])))


def _counted(number: str) -> int:
    """A table's number, arabic or roman up to VIII."""
    return int(number) if number.isdecimal() else ROMAN.index(number)


ROMAN = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII"]


def names(folder: Path = PAPERS) -> list[str]:
    """Keys of the papers, in the order of a report."""
    found = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "metrics")
    return [*(name for name in ORDER if name in found), *(name for name in found if name not in ORDER)]


def read_paper(name: str, metrics: Metrics, values: Values, folder: Path = PAPERS) -> Paper:
    """The spec of a paper; InputError for a key, metric, slot or method that is not known."""
    path = folder / f"{name}.yaml"
    paper = build(Paper, read_yaml(path), "", path.name)
    for part, tables in (("wide", paper.wide), ("tables", paper.tables)):
        for key, table in tables.items():
            here = {place for place in values if (place.paper, place.table) == (name, key)}
            _check(table, here, metrics, f"{path.name}: {part}.{key}")
    for key, table in paper.tables.items():
        if votes := table.votes:
            found = {(p.dataset, p.metric) for p in values if (p.paper, p.table) == (name, key)}
            one_of((votes.dataset, votes.metric), found, f"{path.name}: tables.{key}.votes: dataset, metric")
            one_of(votes.study, paper.studies, f"{path.name}: tables.{key}.votes: study")
    for key, study in paper.studies.items():
        here = {place for place in values if (place.paper, place.table) == (name, key)}
        _check_study(study, here, f"{path.name}: studies.{key}")
    for key, figure in paper.figures.items():
        for metric in figure.metrics if isinstance(figure, AgainstRatio) else ():
            one_of(metric, metrics, f"{path.name}: figures.{key}.metrics")
    for key, blocks in paper.blocks.items():
        for row in blocks.rows:
            one_of(len(row.published), [len(blocks.columns)], f"{path.name}: blocks.{key}.rows: published numbers")
    for key, timings in paper.timings.items():
        here = {place for place in values if (place.paper, place.table) == (name, key)}
        for timed in timings.published:
            one_of(timed.metric, {place.metric for place in here}, f"{path.name}: timings.{key}.published")
        for row in timings.rows:
            one_of(row.method, {place.method for place in here}, f"{path.name}: timings.{key}.rows: method")
    return paper


@cache
def read_papers() -> dict[str, Paper]:
    """Every paper, in the order of a report; read once, as YAML takes its time."""
    metrics, values = read_metrics(), read_values()
    return {name: read_paper(name, metrics, values) for name in names()}


def _check(table: Comparison, here: set[Place], metrics: Metrics, at: str) -> None:
    """InputError for what a table names and neither metrics.yaml nor the published numbers of that table hold."""
    for metric in table.published:
        one_of(metric if isinstance(metric, str) else metric.like, metrics, f"{at}.published")
    published = table.published_metrics(metrics)
    for metric in published:
        one_of(metric, {place.metric for place in here}, f"{at}.published")
    for _, column in table.columns:
        one_of(column.metric, metrics, f"{at}.measured: metric")
        one_of(column.published, [*published, None], f"{at}.measured: published")
    for condition in table.data:
        found = {(place.dataset, place.mask, place.ratio) for place in here}
        one_of((condition.dataset, condition.mask, condition.ratio), found, f"{at}.data: dataset, mask, ratio")
    _check_rows(table, here, at)


def _check_study(study: Study, here: set[Place], at: str) -> None:
    """InputError for a data set, method or slot that neither the published numbers nor the study itself hold."""
    for condition in study.data:
        one_of(condition.dataset, sorted({place.dataset for place in here}), f"{at}.data: dataset")
    _check_rows(study, here, at)


def _check_rows(layout: Comparison | Study, here: set[Place], at: str) -> None:
    keys = {key for c in layout.data for key in (c.slot, c.stand_in, c.hole) if key}
    for row in layout.rows:
        one_of(row.method, [*sorted({place.method for place in here}), None], f"{at}.rows: method")
        for key in row.run if isinstance(row.run, dict) else ():
            one_of(key, keys, f"{at}.rows: run")


def benchmarked(folder: Path = PAPERS) -> list[str]:
    """The runs whose speed, memory or size some table or figure shows."""
    metrics, values = read_metrics(folder), read_values(folder)
    found = []
    for paper in (read_paper(name, metrics, values, folder) for name in names(folder)):
        found += [row.run for timings in paper.timings.values() for row in timings.rows]
        found += [run for claim in paper.claims for run in (claim.run, claim.against) if run]
        for figure in paper.figures.values():
            found += [column.run for column in figure.columns] if isinstance(figure, TimingFigure) else []
        for table in paper.tables.values():
            found += [run for row in table.rows for run in row.runs] if table.timed else []
    return list(dict.fromkeys(found))
