"""Checks a record, as the reviewer of a pull request needs it: whatever is wrong is one line with file and key."""

import csv
import io
import math
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from palimpsest.claims.formats import to_csv
from palimpsest.claims.ledger import read_ledger
from palimpsest.config import runs
from palimpsest.config.yaml import Tree, choices, section
from palimpsest.page.recording import LEDGER, PICTURES, SIDE, WIDEST, strip_names
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import read_papers
from palimpsest.results.headline import rows
from palimpsest.results.records import CURVES, Errors, Kept, Record, read_record, weigh

COMMIT = re.compile(r"[0-9a-f]{40}")
CLOSE = 1e-4  # relative: further than float32, or another machine's last digits, move a number
INFINITE = "psnr"  # in the names of metrics that a perfect result makes infinite
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # of a picture


def check(folder: Path, params: Tree) -> list[str]:
    """What is wrong with a record, a line each; params.yaml says which profiles, runs and holes there are."""
    errors = Errors()
    with errors.caught():
        record = read_record(folder)
    if errors:
        return errors
    checks = (check_about, check_files, check_runs, check_values, check_ledger, check_pictures)
    return [line for each in checks for line in each(record, params)]


def check_about(record: Record, params: Tree) -> Iterator[str]:
    path, about = record.folder / "record.json", record.about
    if about.profile not in (known := section(params, "profiles")):
        yield f"{path}: profile is {about.profile!r}; accepted: {choices(known, about.profile)}"
    if not record.kept:
        yield f"{record.folder}/runs: found no run; accepted: one or more"
    for slot in about.slots.keys() - {each.result.slot for each in record.kept.values()}:
        yield f"{path}: slots.{slot}: found no run on it; accepted: slots with runs"
    dates = [each.made.date for each in record.kept.values()]
    if dates and about.date < max(dates):
        yield f"{path}: date is {about.date!r}; accepted: that of the last part, {max(dates)} or later"
    yield from _check_date(f"{path}: date", about.date)


def check_files(record: Record, _: Tree) -> Iterator[str]:
    known = {"record.json", "benchmark.json", "stages.csv", CURVES, LEDGER}
    known |= {f"runs/{run}.{ending}" for run in record.kept for ending in ("json", "npz")}
    known |= {f"pictures/{name}.png" for row in rows() for name in strip_names(row)}
    found = weigh(record.folder)
    for name in found.keys() - known:
        yield f"{record.folder / name}: does not belong to a record; accepted: no such file"
    for name in {LEDGER} - found.keys():
        yield f"{record.folder / name}: not found"


def check_runs(record: Record, params: Tree) -> Iterator[str]:
    targets = {target.name: target for target in runs.targets(params)}
    for run, kept in record.kept.items():
        path, result = record.folder / "runs" / f"{run}.json", kept.result
        if result.run != run:
            yield f"{path}: result.run is {result.run!r}; accepted: {run}"
        if run not in targets:
            yield f"{path}: run {run!r} is not in params.yaml; accepted: its runs and transfers"
            continue
        for hole in result.holes.keys() - {f"{kind}{of}" for kind in targets[run].holes for of in ("", "/pieced")}:
            yield f"{path}: result.holes.{hole} is not evaluated; accepted: {choices(targets[run].holes, hole)}"
        if result.settings != kept.described.settings:
            yield f"{path}: result.settings is {result.settings!r}; accepted: described.settings"
        if not COMMIT.fullmatch(kept.made.commit):
            yield f"{path}: made.commit is {kept.made.commit!r}; accepted: a hash of 40 digits"
        yield from _check_date(f"{path}: made.date", kept.made.date)
    for run in sorted({run for run, _ in record.curves} - set(runs.trained(params))):
        yield f"{record.folder / CURVES}: run {run!r} is not in params.yaml; accepted: its runs and pretrained networks"


def check_values(record: Record, _: Tree) -> Iterator[str]:
    """Whether every mean is a number, and that of the single values."""
    metrics = read_metrics()
    for run, kept in record.kept.items():
        path = record.folder / "runs" / f"{run}.json"
        for hole, means in kept.result.holes.items():
            for metric, mean in means.items():
                at = f"{path}: result.holes.{hole}.{metric}"
                if metric not in metrics:
                    yield f"{at} is not a metric of metrics.yaml"
                elif math.isnan(mean) and kept.result.aggregate(hole, metric).count:
                    yield f"{at} is no number; accepted: a number, where a picture has a value"
                elif math.isinf(mean) and INFINITE not in metric:
                    yield f"{at} is {mean}; accepted: a finite number"
        yield from _check_means(path, kept, record.measured.per_image(run))


def _check_means(path: Path, kept: Kept, single: dict) -> Iterator[str]:
    for hole, found in single.items():
        for metric, values in found.items():
            at, said = f"{path}: result.holes.{hole}.{metric}", kept.result.aggregate(hole, metric)
            defined = values[~np.isnan(values)]
            if np.isinf(defined).any() and INFINITE not in metric:
                yield f"{path.with_suffix('.npz')}: {hole}, {metric}: found infinite values; accepted: finite ones"
            mean = float(defined.mean()) if len(defined) else math.nan
            if not _alike(mean, said.mean):
                yield f"{at} is {said.mean}; accepted: {mean:.6g}, the mean of its values"
            if len(defined) != said.count:
                yield f"{path}: result.intervals.{hole}.{metric} counts {said.count} pictures; accepted: {len(defined)}"


def check_ledger(record: Record, _: Tree) -> Iterator[str]:
    """Whether the ledger follows from the values."""
    path = record.folder / LEDGER
    try:
        said = {row["id"]: row for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        yield f"{path}: asked for a ledger, found none that can be read ({' '.join(str(error).split())})"
        return
    follows = csv.DictReader(io.StringIO(to_csv(read_ledger(record.measured, read_papers()))))
    for row in follows:
        there = said.pop(row["id"], {})
        if wrong := [key for key, value in row.items() if not _same(there.get(key), value)]:
            found = f"{path}: {row['id']}: {wrong[0]} is {there.get(wrong[0])!r}"
            yield f"{found}; accepted: {row[wrong[0]]!r}; `python -m palimpsest record {record.name} --ledger` makes it"
    for claim in said:
        yield f"{path}: {claim}: no such claim; accepted: those of the papers"


def _same(found: str | None, wanted: str) -> bool:
    if found == wanted:
        return True
    try:
        return _alike(float(found), float(wanted))
    except (TypeError, ValueError):
        return False


def _alike(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-6) or (math.isnan(one) and math.isnan(other))


def check_pictures(record: Record, _: Tree) -> Iterator[str]:
    for path in sorted((record.folder / "pictures").glob("*.png")):
        try:
            with Image.open(path, formats=["PNG"]) as picture:
                size = picture.size
                if size[0] <= WIDEST and size[1] <= SIDE:
                    picture.load()
        except UNREADABLE as error:
            yield f"{path}: asked for a PNG, found none that can be read ({' '.join(str(error).split())})"
            continue
        if size[0] > WIDEST or size[1] > SIDE:
            found = f"{path}: found {size[0]} x {size[1]} px"
            yield f"{found}; accepted: at most {WIDEST} x {SIDE}, {PICTURES} pictures of {SIDE} px"


def _check_date(at: str, date: str) -> Iterator[str]:
    try:
        if datetime.fromisoformat(date).tzinfo is None:
            yield f"{at} is {date!r}; accepted: a time with its zone, as 2026-12-01T12:00:00+00:00"
    except ValueError:
        yield f"{at} is {date!r}; accepted: a time, as 2026-12-01T12:00:00+00:00"
