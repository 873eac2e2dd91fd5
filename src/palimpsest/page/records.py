"""records/<date>-<profile>: what one reproduction measured, and with what; small enough for Git.

record.json     date, profile, device, versions, pictures, commit, settings, and the rows of README's table
metrics.csv     every mean with its 95 % interval
picture.png     a figure of the report
"""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from PIL import Image
from pydantic import ConfigDict

from palimpsest.config.yaml import InputError, Settings, build, one_of
from palimpsest.page.commit import commit
from palimpsest.papers.paper import Paper, read_papers
from palimpsest.papers.tables import Column, Comparison
from palimpsest.papers.values import Place
from palimpsest.results.measured import Measured, read_results
from palimpsest.results.summary import summary
from palimpsest.storage import read_json, replacing, write_json, write_text
from palimpsest.workspace import Workspace

METRIC = "psnr"  # the published metric in README's table
REFERENCE = "constant-fill"  # the run that every method has to beat
PICTURE = "deepfill-v1-qualitative"  # the figure in README
LARGEST = 400_000  # bytes of the picture
SHRINK = 0.9  # factor on its sides until it is small enough
COLUMNS = ["run", "slot", "hole", "metric", "mean", "low", "high"]
DIGITS = 6  # significant digits in metrics.csv


class Row(Settings):
    """A paper's own method: where the paper's number is, and what was measured in its place."""

    model_config = ConfigDict(allow_inf_nan=True)  # PSNR of a perfect result

    method: str
    published: list[str]  # the key of its row in values.csv
    published_on: str  # the paper's name for its data
    dataset: str  # the one we measured on
    hole: str  # kind
    region: str  # that the metric covers: the hole, or the whole picture
    run: str
    metric: str
    ours: float | None  # mean; none where the method was not run
    reference: float | None  # mean of the constant fill

    @property
    def place(self) -> Place:
        return Place(*self.published)


class Record(Settings):
    """record.json."""

    date: str  # ISO 8601, UTC
    profile: str
    commit: str  # of the code
    device: str
    versions: dict[str, str]
    pictures: dict[str, dict[str, str | int]]  # {slot: dataset, size, images, photos}
    settings: dict[str, str]  # {run: fingerprint}
    caption: str  # of the picture
    rows: list[Row]


def write_record(root: Path, date: datetime, name: str | None) -> Path:
    """Puts what the pipeline made on record, in records/<date>-<name>; <date>-<profile> without a name.

    Returns the folder; InputError where the pipeline has not made something that belongs to a record.
    """
    workspace, measured = Workspace(root), read_results(root)
    if measured.benchmark is None:
        raise InputError(f"{workspace.benchmark}: asked for the device, found no file; `dvc repro` makes it")
    captions = workspace.reports.captions
    figures = {figure["name"]: figure for figure in read_json(captions, list)}
    one_of(PICTURE, figures, str(captions))
    record = Record(
        date=date.isoformat(timespec="seconds"),
        profile=measured.profile,
        commit=commit(root),
        device=measured.benchmark.on(list(measured.benchmark.devices)[-1]),
        versions=measured.benchmark.versions,
        pictures=summary(measured)["data"],
        settings={run: result.settings for run, result in sorted(measured.results.items())},
        caption=figures[PICTURE]["title"],
        rows=list(rows(measured)),
    )
    folder = workspace.records / f"{date:%Y-%m-%d}-{name or record.profile}"
    write_text(folder / "metrics.csv", shorten(workspace.reports.measured))
    save_picture(workspace.reports.figures / f"{PICTURE}.png", folder / "picture.png")
    write_json(folder / "record.json", record.model_dump())
    return folder


def newest(root: Path) -> tuple[Path, Record]:
    """The latest record and its folder; InputError where there is none."""
    found = {path.parent: read_record(path) for path in Workspace(root).records.glob("*/record.json")}
    if not found:
        raise InputError(f"{Workspace(root).records}: asked for a record, found none; `make release` writes one")
    return max(found.items(), key=lambda each: datetime.fromisoformat(each[1].date))


def read_record(path: Path) -> Record:
    return build(Record, read_json(path, dict), "", str(path))


def rows(measured: Measured) -> Iterator[Row]:
    """A row for each paper: its own method, under the first condition of its first table with a PSNR.

    The method is the run that bears the paper's name; a paper without one has no row.
    """
    for name, paper in read_papers().items():
        for number, table in paper.tables.items():
            if isinstance(table, Comparison) and METRIC in table.published:
                yield from _rows_of(measured, name, paper, number, table)
                break


def _rows_of(measured: Measured, name: str, paper: Paper, number: str, table: Comparison) -> Iterator[Row]:
    condition = table.data[0]
    region, column = _column(table)
    for row in table.rows:
        if name in row.runs:
            run, hole, metric = row.run_on(condition), condition.measured, column.metric
            yield Row(
                method=paper.label,
                published=[name, number, condition.dataset, condition.mask, condition.ratio, row.method, METRIC],
                published_on=condition.label,
                dataset=measured.pictures(condition.slot).dataset,
                hole=hole,
                region=region,
                run=run,
                metric=metric,
                ours=_mean(measured, run, hole, metric),
                reference=_mean(measured, REFERENCE, hole, metric),
            )


def _column(table: Comparison) -> tuple[str, Column]:
    """The column that measures what the paper's PSNR measures, and its region."""
    alike = [(region, column) for region, column in table.columns if column.published == METRIC]
    return max(alike, key=lambda each: each[1].compares)


def _mean(measured: Measured, run: str, hole: str, metric: str) -> float | None:
    result = measured.results.get(run)
    return result.holes.get(hole, {}).get(metric) if result else None


def shorten(path: Path) -> str:
    """reports/metrics.csv with the columns and digits that a record keeps."""
    text = io.StringIO()
    kept = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    kept.writeheader()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                kept.writerow(row | {key: _rounded(row[key]) for key in ("mean", "low", "high")})
    except OSError as error:
        raise InputError(f"{path}: asked for measured values, found no file; `dvc repro` makes it") from error
    return text.getvalue()


def _rounded(number: str) -> str:
    return f"{float(number):.{DIGITS}g}" if number else ""


def save_picture(source: Path, path: Path) -> None:
    """A figure as PNG of at most `LARGEST` bytes."""
    with Image.open(source) as drawn:
        picture = drawn.convert("RGB")
    with replacing(path) as temporary:
        picture.save(temporary, optimize=True)
        while temporary.stat().st_size > LARGEST:
            picture = picture.resize([round(side * SHRINK) for side in picture.size], Image.Resampling.LANCZOS)
            picture.save(temporary, optimize=True)
