"""Files that are whole or absent: written beside their place, then renamed into it."""

import csv
import fcntl
import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np

from palimpsest.config.words import number_of
from palimpsest.config.yaml import InputError, shown

JSON_KINDS = {dict: "mapping", list: "list"}
LARGEST = 8 * 2**30  # bytes that an .npz file unpacks to
DAMAGE = (OSError, ValueError, EOFError, MemoryError, BadZipFile, ZlibError, TokenError, NotImplementedError)


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Puts the name of a file into an OSError that has none, such as one from writing to an open file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path that replaces `path` if the block ends well; otherwise `path` stays as it was."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # in a folder that cannot be written; then there is none, and that is said already
            temporary.unlink()


@contextmanager
def alone(path: Path, refusal: str = "") -> Iterator[None]:
    """One process at a time for each path: waits for another, or raises `refusal` as an InputError if there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError as error:
            raise InputError(refusal) from error
        yield


def write_text(path: Path | str, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def finite(value: float) -> float | str | None:
    """A number as strict JSON can hold it: null for NaN, a word for infinity."""
    return value if math.isfinite(value) else None if math.isnan(value) else "inf"


def sha256(path: Path | str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain(error: Exception) -> str:
    """What keeps a text from being read, in plain words."""
    match error:
        case json.JSONDecodeError():
            return f"line {error.lineno}, column {error.colno}: {error.msg}"
        case UnicodeError():
            return "no text in UTF-8"
        case RecursionError():
            return "nested too deeply"
        case OSError():
            return error.strerror
        case csv.Error() if "field limit" in str(error):
            return f"a field of more than {csv.field_size_limit():,} characters"
    return str(error)


def read_json(path: Path | str, kind: type, advice: str = "; `dvc repro` makes it") -> Any:
    """The `kind` (dict or list) in a JSON file; InputError, which ends in the advice, if there is none."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: asked for JSON, found none that can be read ({plain(error)}){advice}") from error
    if not isinstance(value, kind):
        raise InputError(f"{path}: asked for a {JSON_KINDS[kind]} in JSON, found {shown(value)}{advice}")
    return value


def read_rows(path: Path | str, what: str, columns: Sequence[str], more: bool = False) -> list[list[str]]:
    """The rows of a CSV file, its head first; InputError where it has other columns, or a row of another length.

    With `more`, further columns may follow these.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: asked for {what}, found none that can be read ({plain(error)})") from error
    head = rows[0] if rows else []
    if head[: len(columns) if more else None] != list(columns):
        found = f"columns {', '.join(head)}" if head else "no columns"
        others = " and others after them" if more else ""
        raise InputError(f"{path}: found {found}; accepted: {', '.join(columns)}{others}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(head):
            found = number_of(len(row), "value")
            raise InputError(f"{path}, line {number}: found {found}; accepted: {len(head)}, one for each column")
    return rows


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, or of an .npy file under the name `array`; InputError if there are none."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"array": loaded}
        if sum(part.file_size for part in loaded.zip.infolist()) > LARGEST:
            raise ValueError(f"it would take more than {LARGEST} bytes")
        return dict(loaded)
    except DAMAGE as error:
        why = "no file" if isinstance(error, FileNotFoundError) else "a file that is cut short or damaged"
        raise InputError(f"{path}: asked for arrays, found {why}; `dvc repro` makes it") from error
