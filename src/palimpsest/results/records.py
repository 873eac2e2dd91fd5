"""records/NAME: what was measured, small enough for Git, read back as measurements.

record.json           profile, date of the last part, and the test pictures of each slot
runs/<run>.json       its result, its settings in full, and how it was made: commit, date, device, versions
runs/<run>.npz        values of single pictures that claims and tables compare: float32 (row, seed, picture)
benchmark.json        results/benchmark.json
stages.csv            seconds of each stage, for one seed
curves.csv            of each training, how far it was above the constant fill on validation pictures
claims.csv            the ledger
pictures/*.png        a dozen test pictures, their holes, and what the papers' own methods make of them

A record may come from anywhere. So nothing is unpacked before its size is known, and what is wrong is one line.
"""

import math
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import Annotated, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from palimpsest.config.numbers import Pixels
from palimpsest.config.runs import LIKE
from palimpsest.config.yaml import InputError, Name, S, Settings, build, one_of, shown, spelt
from palimpsest.results.benchmark import Benchmark, Line, Threads
from palimpsest.results.curves import Curves
from palimpsest.results.measured import Described, Measured, PerImage, Result
from palimpsest.storage import plain, read_json, read_rows
from palimpsest.workspace import Workspace

LARGEST = 5_000_000  # bytes of a record
UNPACKED = 50_000_000  # bytes of its values
ARRAY, HEADER = "values.npy", 1_000  # in a .npz; bytes, at most, of what numpy writes before an array
PACKED = ZIP_STORED, ZIP_DEFLATED
DIGITS = 7  # significant, of its means: float32 holds no more
STAGES, STAGE = "stages.csv", ["stage", "seconds"]
CURVES, POINT = "curves.csv", ["run", "seed", "iteration", "db"]
LONGEST = 366 * 24 * 3600  # s, of a stage
STEEPEST = 200  # dB, that a curve is above or below the constant fill
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # there were no records before
CLOCKS = timedelta(days=1)  # by which those of two machines may differ
COUNTED = "Counted are training and measuring; not fetching and preparing data, the benchmark, or the report."
NOT_ON_RECORD = "not on record"
PRETRAINING = "pretrain"  # the kind of stages that train, with one seed, networks that several runs begin with
VOTES = "votes"  # lies beside the records
DAMAGES = (OSError, ValueError, EOFError, SyntaxError, TokenError, RuntimeError, BadZipFile, ZlibError)


def _in_time(date: str) -> str:
    """A date that a record can have."""
    accepted = f"accepted: a time in UTC from {EARLIEST:%Y} until now, as 2026-11-29T12:00:00+00:00"
    try:
        found = datetime.fromisoformat(date)
    except ValueError as error:
        raise ValueError(f"no time; {accepted}") from error
    if found.utcoffset() != timedelta(0) or not EARLIEST <= found <= datetime.now(UTC) + CLOCKS:
        raise ValueError(f"not the time of a record; {accepted}")
    return date


Date = Annotated[str, AfterValidator(_in_time)]


class Made(Settings):
    """How a run came about."""

    commit: spelt("[0-9a-f]{40}", "a commit, 40 hexadecimal digits")  # of code and settings
    date: Date  # on which it was put on record
    device: Line
    threads: Threads  # of one stage
    versions: dict[Line, Line]


class Kept(Settings):
    """runs/<run>.json."""

    made: Made
    result: Result
    described: Described
    values: dict[str, list[str]]  # {hole kind: metrics}, the rows of the .npz in this order

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of its single values."""
        return sum(map(len, self.values.values())), len(self.result.seeds), self.result.images

    @property
    def unpacked(self) -> int:
        """Bytes of its single values."""
        return 4 * math.prod(self.shape)


class Slot(Settings):
    """The test pictures of a slot."""

    dataset: Line
    size: Pixels
    sha256: spelt("[0-9a-f]{64}", "a sha256, 64 hexadecimal digits")  # of the shard's index, with every picture's
    photographs: list[Annotated[int, Field(ge=0)]]  # of each picture: alike where cut from the same photograph

    @property
    def counted(self) -> tuple[str, int, int, int]:
        """What a result says of the pictures that it was measured on."""
        return self.dataset, self.size, len(self.photographs), len(set(self.photographs))


class About(Settings):
    """record.json."""

    profile: Name
    date: Date  # of the last part
    slots: Annotated[dict[Name, Slot], Field(min_length=1)]


@dataclass(frozen=True)
class Record:
    """One record."""

    folder: Path
    about: About
    kept: dict[str, Kept]
    measured: Measured
    seconds: dict[str, float]  # of each stage, for one seed
    curves: Curves

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def profile(self) -> str:
        return self.about.profile

    @property
    def day(self) -> str:
        return self.about.date[:10]

    @property
    def title(self) -> str:
        """Its name, devices and date, by which it is called everywhere."""
        return f"{self.name}, {' and '.join(self.devices)}, {self.day}"

    @property
    def devices(self) -> list[str]:
        """Of its parts, the latest first."""
        return self._of_parts("device")

    @property
    def seeds(self) -> str:
        """How many its runs have."""
        found = sorted({len(result.seeds) for result in self.measured.results.values()})
        return f"{found[0]} to {found[-1]}" if len(found) > 1 else str(*found)

    @property
    def commits(self) -> list[str]:
        """Of its parts, the latest first."""
        return self._of_parts("commit")

    @property
    def again(self) -> list[str]:
        """The commands that make each part anew, the latest first."""
        return [self._again(commit) for commit in self.commits]

    def _again(self, commit: str) -> str:
        stages = [f"{kept.described.stage}@{run}" for run, kept in self.kept.items() if kept.made.commit == commit]
        return f"git checkout {commit}\ndvc exp run -S profile={self.profile} {' '.join(stages)}"

    @property
    def before_again(self) -> str:
        """What to know before one gives these commands."""
        parts = f"The latest part comes first; each file in records/{self.name}/runs says which part its run is of. "
        terms = "Data and networks under their owners' terms have to be accepted first."
        return parts + terms if len(self.commits) > 1 else terms

    def _of_parts(self, what: str) -> list[str]:
        parts = sorted((kept.made for kept in self.kept.values()), key=lambda made: made.date, reverse=True)
        return list(dict.fromkeys(getattr(made, what) for made in parts))

    @property
    def scale(self) -> tuple[int, bool]:
        """Of its profile: tiny, small, photos, paper and anyone's own; one of other pictures stands before its like."""
        name, _, pictures = self.profile.partition("-")
        return list(LIKE).index(name) if name in LIKE else len(LIKE), not pictures

    @cached_property
    def core_hours(self) -> dict[str, float]:
        """{stage: core-hours, of all seeds}, of the stages that made its runs and whose time is known: COUNTED."""
        threads = max(kept.made.threads for kept in self.kept.values())
        found = {}
        for stage, seconds in self.seconds.items():
            kind, _, name = stage.partition("@")
            if kept := self.kept.get(name):
                found[stage] = seconds * len(kept.result.seeds) * kept.made.threads / 3600
            elif kind == PRETRAINING:
                found[stage] = seconds * threads / 3600
        return found


def best(records: Iterable[Record]) -> Record | None:
    """The record of the largest scale; of several the latest."""
    return max(records, key=lambda record: (record.scale, record.about.date), default=None)


def folders(root: Path) -> list[Path]:
    """Those of all records."""
    found = (path for path in Workspace(root).records.glob("*") if path.is_dir() and not path.name.startswith("."))
    return sorted(path for path in found if path.name != VOTES)


def read_records(root: Path) -> list[Record]:
    """Every record, the latest first."""
    return sorted(map(read_record, folders(root)), key=lambda record: record.about.date, reverse=True)


class Errors(list[str]):
    """Lines of several InputErrors."""

    @contextmanager
    def caught(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            self += str(error).splitlines()

    def stop(self) -> None:
        """InputError if there are any."""
        if self:
            raise InputError("\n".join(self))


def read_record(folder: Path) -> Record:
    """The record in a folder; InputError with a line for each file or key that is wrong."""
    check_name(folder.name, f"{folder}")
    files, errors = [folder / name for name in weigh(folder)], Errors()
    about = _built(About, folder / "record.json")
    kept: dict[str, Kept] = {}
    for path in (path for path in files if path.parent == folder / "runs" and path.suffix == ".json"):
        with errors.caught():
            check_name(path.stem, f"{path}")
            kept[path.stem] = _built(Kept, path)
            _check_pictures(path, kept[path.stem].result, about)
            _check_metrics(path, kept[path.stem])
    errors.stop()
    unpacked = sum(each.unpacked for each in kept.values())
    if unpacked > UNPACKED:
        raise InputError(f"{folder}/runs: found {unpacked} bytes of values once unpacked; accepted: {UNPACKED}")
    values, benchmark, seconds, curves = {}, None, {}, {}
    for run, each in kept.items():
        with errors.caught():
            values[run] = _read_values(folder / "runs" / f"{run}.npz", each)
    with errors.caught():
        benchmark = _built(Benchmark, folder / "benchmark.json")
    with errors.caught():
        seconds = _read_seconds(folder / STAGES)
    with errors.caught():
        curves = _read_curves(folder / CURVES)
    errors.stop()
    measured = Measured(
        runs={run: each.described for run, each in kept.items()},
        results={run: each.result for run, each in kept.items()},
        absent={},
        root=folder,
        benchmark=benchmark,
        unknown=NOT_ON_RECORD,
        _values=values,
        _photographs={slot: np.array(each.photographs) for slot, each in about.slots.items()},
    )
    return Record(folder, about, kept, measured, seconds, curves)


def weigh(folder: Path) -> dict[str, int]:
    """{path within the folder: bytes} of every file; InputError for a link or device, and where they are too large."""
    found = {}
    for above, below, names in os.walk(folder):
        for name in [*below, *names]:
            path = Path(above, name)
            kind = path.lstat()
            if stat.S_ISREG(kind.st_mode):
                found[path.relative_to(folder).as_posix()] = kind.st_size
            elif not stat.S_ISDIR(kind.st_mode):
                raise InputError(f"{path}: found a link or a device; accepted: a plain file")
    if sum(found.values()) > LARGEST:
        largest = sorted(found, key=found.get, reverse=True)[:3]
        parts = ", ".join(f"{name} {found[name]}" for name in largest)
        total = sum(found.values())
        raise InputError(f"{folder}: found {total} bytes, among them {parts}; accepted: {LARGEST} in all")
    return dict(sorted(found.items()))


def check_name(name: str, at: str) -> None:
    """InputError unless params.yaml could have a section of this name; `at` says what bears it."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise InputError(f"{at}: found {shown(name)}; accepted: {error.errors()[0]['msg']}") from error


def _built(kind: type[S], path: Path) -> S:
    return build(kind, read_json(path, dict, advice=""), "", str(path))


def _check_pictures(path: Path, result: Result, about: About) -> None:
    """InputError where a result was measured at another profile, or on other pictures, than its record says."""
    one_of(result.profile, [about.profile], f"{path}: result.profile")
    one_of(result.slot, about.slots, f"{path}: result.slot")
    counted = (result.dataset, result.size, result.images, result.photos)
    if counted != (asked := about.slots[result.slot].counted):
        raise InputError(f"{path}: result: found dataset, size, images, photos {counted}; accepted: {asked}")


def _check_metrics(path: Path, kept: Kept) -> None:
    """InputError for single values of what has no mean."""
    for hole, metrics in kept.values.items():
        one_of(hole, kept.result.holes, f"{path}: values")
        for metric in metrics:
            one_of(metric, kept.result.holes[hole], f"{path}: values.{hole}")


def _read_values(path: Path, kept: Kept) -> PerImage:
    """The single values of a run; InputError, before it is unpacked, for an array of another shape."""
    try:
        with ZipFile(path) as packed:
            members = packed.infolist()
            if [member.filename for member in members] != [ARRAY] or members[0].compress_type not in PACKED:
                found = ", ".join(member.filename for member in members) or "nothing"
                raise ValueError(f"found {found}, accepted: {ARRAY}, deflated")
            with packed.open(ARRAY) as file:
                data = BytesIO(file.read(HEADER + kept.unpacked))
        if np.lib.format.read_magic(data) != (1, 0):
            raise ValueError("another version of numpy's format")
        found = np.lib.format.read_array_header_1_0(data)
        if found != (kept.shape, False, np.dtype("<f4")):
            raise ValueError(f"found {found[2]} {found[0]}, accepted: float32 {kept.shape}")
        values = np.frombuffer(data.read(), "<f4").reshape(kept.shape).astype(np.float64)
    except DAMAGES as error:
        raise _unreadable(path, "values", error) from error
    rows = iter(values)
    return {hole: {metric: next(rows) for metric in metrics} for hole, metrics in kept.values.items()}


def read_once(path: Path, what: str, columns: list[str], keys: int) -> list[list[str]]:
    """The rows of a CSV file with these columns; InputError where two have the same first cells, `keys` of them."""
    _, *rows = read_rows(path, what, columns)
    if doubled := [key for key, count in Counter(tuple(row[:keys]) for row in rows).items() if count > 1]:
        raise InputError(
            f"{path}: {', '.join(doubled[0])} appears twice; accepted: each {', '.join(columns[:keys])} once"
        )
    return rows


def _read_seconds(path: Path) -> dict[str, float]:
    rows = read_once(path, "seconds", STAGE, 1)
    try:
        found = {stage: float(seconds) for stage, seconds in rows}
        if wrong := [stage for stage, seconds in found.items() if not 0 <= seconds <= LONGEST]:
            raise ValueError(f"{wrong[0]} takes {found[wrong[0]]}; accepted: 0 to {LONGEST}")
    except ValueError as error:
        raise _unreadable(path, "seconds", error) from error
    return found


def _read_curves(path: Path) -> Curves:
    rows, found = read_once(path, "curves", POINT, 3), Curves()
    try:
        for run, seed, iteration, gain in rows:
            if not abs(float(gain)) <= STEEPEST:
                raise ValueError(f"{run}, {seed}, {iteration} is {gain} dB; accepted: -{STEEPEST} to {STEEPEST}")
            found.setdefault((run, int(seed)), []).append((int(iteration), float(gain)))
    except ValueError as error:
        raise _unreadable(path, "curves", error) from error
    return found


def _unreadable(path: Path, what: str, error: Exception) -> InputError:
    return InputError(f"{path}: asked for {what}, found none that can be read ({_in_short(error)})")


def _in_short(error: Exception) -> str:
    """An error on one line, without the bytes that caused it."""
    return " ".join((plain(error) or "").split())[:200] or "a file cut short or damaged"


def kept_as(values: np.ndarray) -> np.ndarray:
    """Single values as a record keeps them."""
    return values.astype(np.float32).astype(np.float64)


def short(value: Any) -> Any:
    """Numbers as a record keeps them, wherever they are in a tree."""
    match value:
        case float():
            return float(f"{value:.{DIGITS}g}")
        case dict():
            return {key: short(each) for key, each in value.items()}
        case list() | tuple():
            return [short(each) for each in value]
    return value
