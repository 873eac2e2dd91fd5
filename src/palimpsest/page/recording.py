"""Puts what is measured here on record: a new record, or another part of one."""

import csv
import io
import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image

from palimpsest.claims.formats import to_csv
from palimpsest.claims.ledger import read_ledger
from palimpsest.claims.single_values import compared
from palimpsest.config.yaml import InputError
from palimpsest.page.commit import committed
from palimpsest.papers.paper import read_papers
from palimpsest.results.curves import Curves, above_constant_fill
from palimpsest.results.headline import Row, rows
from palimpsest.results.measured import Measured, Result, read_results
from palimpsest.results.records import (
    ARRAY,
    CURVES,
    POINT,
    STAGE,
    STAGES,
    VOTES,
    About,
    Kept,
    Made,
    Record,
    Slot,
    check_name,
    read_record,
    short,
    weigh,
)
from palimpsest.results.reproduction import pictures_hash
from palimpsest.results.samples import read_samples
from palimpsest.storage import write_json, write_text
from palimpsest.workspace import Workspace

LEDGER = "claims.csv"
PICTURES, SIDE, GAP = 12, 64, 2  # of a strip; px of each, and between two
WIDEST = PICTURES * (SIDE + GAP) - GAP


@dataclass(frozen=True)
class Here:
    """What this machine adds to a record."""

    root: Path
    date: datetime
    threads: int  # of one stage
    seconds: Mapping[str, float]  # of each stage that ran here
    public: Collection[str]  # datasets whose pictures may be passed on


def put_on_record(here: Here, name: str) -> Path:
    """Writes records/<name>, or adds to it the runs that are measured here; returns the folder.

    Runs of an earlier part stay as they are, unless they are measured here with another result. External results are
    left out, as no commit makes them again. InputError where what is here does not belong to the record, or the record
    would be too large; then the record stays as it was.
    """
    folder = folder_of(here.root, name)
    earlier = read_record(folder) if folder.is_dir() else None
    measured = read_results(here.root)
    own = [run for run in measured.results if measured.runs[run].stage != "external"]
    about, made = _about(here, measured, own), _made(here, measured)
    if earlier:
        _check_alike(earlier, about, measured)
    folder.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as temporary:
        part = Path(temporary, name)
        if earlier:
            shutil.copytree(folder, part)
            about = About(profile=about.profile, date=about.date, slots=earlier.about.slots | about.slots)
        write_json(part / "record.json", about.model_dump())
        for run in own:
            _write_run(part / "runs", run, measured, made, earlier)
        shutil.copyfile(Workspace(here.root).benchmark, part / "benchmark.json")
        seconds = {**(earlier.seconds if earlier else {}), **here.seconds}
        _write_rows(part / STAGES, STAGE, sorted(seconds.items()))
        curves = {**_curves_of_others(earlier, measured), **above_constant_fill(here.root, measured)}
        points = ((*key, *point) for key, found in sorted(curves.items()) for point in found)
        _write_rows(part / CURVES, POINT, short(list(points)))
        _write_pictures(part / "pictures", here, measured)
        write_ledger(part)
        weigh(part)
        _replace(folder, part, Path(temporary, "earlier"))
    return folder


def folder_of(root: Path, name: str) -> Path:
    """That of a record; InputError for what cannot be a name."""
    check_name(name, "record")
    if name == VOTES:
        raise InputError(f"record {name!r}: the folder holds votes; accepted: another name")
    return Workspace(root).records / name


def write_ledger(folder: Path) -> None:
    """Makes claims.csv of the values in a record."""
    write_text(folder / LEDGER, to_csv(read_ledger(read_record(folder).measured, read_papers())))


def _about(here: Here, measured: Measured, own: list[str]) -> About:
    slots = {}
    for slot in {measured.results[run].slot: None for run in own}:
        pictures = measured.pictures(slot)
        slots[slot] = Slot(
            dataset=pictures.dataset,
            size=pictures.size,
            sha256=pictures_hash(here.root, slot),
            photographs=measured.photographs(slot).tolist(),
        )
    return About(profile=measured.profile, date=here.date.isoformat(timespec="seconds"), slots=slots)


def _made(here: Here, measured: Measured) -> Made:
    """How the runs here came about; InputError where no commit, or no benchmark, says it."""
    stale = [run for run, result in measured.results.items() if result.code != measured.runs[run].code]
    if stale:
        raise InputError(f"results: {', '.join(stale)}: measured by other code than this; `dvc repro` makes them anew")
    if (benchmark := measured.benchmark) is None:
        path = Workspace(here.root).benchmark
        raise InputError(f"{path}: asked for device and versions, found no file; `dvc repro benchmark` makes it")
    return Made(
        commit=committed(here.root),
        date=here.date.isoformat(timespec="seconds"),
        device=benchmark.on(list(benchmark.devices)[-1]),
        threads=here.threads,
        versions=benchmark.versions,
    )


def _check_alike(earlier: Record, about: About, measured: Measured) -> None:
    """InputError where the runs here have another profile, other test pictures or other holes than the record."""
    found = f"{earlier.folder}: asked to add runs"
    if about.profile != earlier.profile:
        raise InputError(f"{found} of profile {about.profile}; accepted: {earlier.profile}, or another name")
    for slot in about.slots.keys() & earlier.about.slots.keys():
        if about.slots[slot] != earlier.about.slots[slot]:
            raise InputError(f"{found} with other test pictures of {slot!r}; accepted: the same, or another name")
    ratios = {
        (result.slot, hole): short(ratio)
        for result in earlier.measured.results.values()
        for hole, ratio in result.hole_ratios.items()
    }
    for result in measured.results.values():
        for hole, ratio in result.hole_ratios.items():
            if ratios.get((result.slot, hole), short(ratio)) != short(ratio):
                raise InputError(f"{found} with other {hole} holes; accepted: the same, or another name")


def _curves_of_others(earlier: Record | None, measured: Measured) -> Curves:
    """Those of an earlier part, but for seeds that a run is no longer trained with."""
    now = {run: result.seeds for run, result in measured.results.items()}
    curves = earlier.curves if earlier else {}
    return {(run, seed): points for (run, seed), points in curves.items() if seed in now.get(run, [seed])}


def _write_run(folder: Path, run: str, measured: Measured, made: Made, earlier: Record | None) -> None:
    """The two files of a run; where the record holds the same result, they stay as they are."""
    result, single, wanted = measured.results[run], measured.values(run), compared(run)
    listed = {hole: [metric for metric in found if (hole, metric) in wanted] for hole, found in single.items()}
    kept = Kept(made=made, result=Result(**short(result.model_dump())), described=measured.runs[run], values=listed)
    values = kept_values(kept, measured)
    if not (earlier and run in earlier.kept and _same(earlier, run, kept, values)):
        text = json.dumps(kept.model_dump(), ensure_ascii=False, separators=(",", ":"))  # two thirds of an indented one
        write_text(folder / f"{run}.json", f"{text}\n")
        np.savez_compressed(folder / f"{run}.npz", **{ARRAY.removesuffix(".npy"): values})


def kept_values(kept: Kept, measured: Measured) -> np.ndarray:
    """The single values of a run that a record keeps, of its shape."""
    single = measured.values(kept.result.run)
    rows = [single[hole][metric] for hole, metrics in kept.values.items() for metric in metrics]
    return np.array(rows, "<f4").reshape(kept.shape)


def _same(earlier: Record, run: str, kept: Kept, values: np.ndarray) -> bool:
    """Whether a record holds just this of a run."""
    there = earlier.kept[run]
    trees = [json.dumps(each.model_dump(exclude={"made"})) for each in (there, kept)]
    return trees[0] == trees[1] and np.array_equal(kept_values(there, earlier.measured), values, equal_nan=True)


def _write_rows(path: Path, head: Iterable[str], rows: Iterable[Iterable]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    write_text(path, text.getvalue())


def _write_pictures(folder: Path, here: Here, measured: Measured) -> None:
    """Strips of the same test pictures: as they are, with holes, and filled by the papers' own methods.

    None of a dataset that is under its owner's terms, or someone's own.
    """
    for row in rows():
        if row.run not in measured.kept(row.slot, row.hole) or measured.pictures(row.slot).dataset not in here.public:
            continue
        samples = read_samples(here.root, measured, row.slot, row.hole).evenly(PICTURES)
        shown = (samples.pictures, samples.inputs, samples.kept[row.run]["result"])
        for name, pictures in zip(strip_names(row), shown, strict=True):
            save_strip(folder / f"{name}.png", pictures)


def strip_names(row: Row) -> tuple[str, str, str]:
    """Of the strips of originals, of inputs and of a run's results."""
    return f"{row.slot}-original", f"{row.slot}-{row.hole}-input", f"{row.slot}-{row.hole}-{row.run}"


def save_strip(path: Path, pictures: np.ndarray) -> None:
    """Pictures side by side, as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if pictures.shape[1] > SIDE:
        pictures = np.stack([cv2.resize(each, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for each in pictures])
    spaced = np.pad(pictures, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=255)
    strip = np.concatenate(list(spaced), 1)[:, :-GAP]
    Image.fromarray(strip).save(path, optimize=True)


def _replace(folder: Path, part: Path, earlier: Path) -> None:
    if folder.is_dir():
        folder.rename(earlier)
    part.rename(folder)
