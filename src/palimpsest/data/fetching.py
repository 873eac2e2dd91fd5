"""Files from elsewhere: found in place or downloaded, each checked before anything reads it.

A download survives cut connections, kills and full disks: it grows in `.NAME.part`, whose origin stands in
`.NAME.part.json`, and takes its name when it is whole and its size and hash are right.
"""

import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import chain
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import quote

import requests
from pydantic import Field, PositiveInt, model_validator
from requests import Response
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from palimpsest.config.yaml import InputError, Settings, build
from palimpsest.data import archives
from palimpsest.storage import naming, read_json, sha256, write_json, write_text

PATIENCE = 60  # seconds without a byte before a server counts as unreachable
TRIES = 6  # in a row that bring nothing new
FIRST_WAIT = 1.0  # seconds before the second try, doubled before each further one
LONGEST_WAIT = 120.0  # seconds, also where a server asks for more
CHUNK = 1 << 16  # bytes
REPORT_EVERY = 5.0  # seconds between two lines where no terminal shows a bar
T = TypeVar("T")


class Remote(Settings):
    """A file that the project does not bring."""

    url: str | None  # public address; null = a person places the file
    bytes: PositiveInt | None  # exact size where it is known
    # its owner's; null = what comes first is pinned, in a file beside it that a person may remove
    hash: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")] | None
    how: str | None  # where a person gets it, when there is no url

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if (self.url is None) == (self.how is None):
            raise ValueError(f"found url {self.url!r} and how {self.how!r}; accepted: one of them, the other null")
        return self


@dataclass(frozen=True)
class Fetched:
    """A file, or the folder of an unpacked archive, that passed its checks."""

    name: str
    path: Path
    bytes: int
    sha256: str  # of a folder: over the paths, sizes and hashes of its files
    checked: Literal["published", "pinned", "nothing"]  # whose hash it has; the first file's is the one that is pinned

    @property
    def record(self) -> dict[str, str | int]:
        """All but where it lies, which differs between machines."""
        return {"name": self.name, "bytes": self.bytes, "sha256": self.sha256, "checked": self.checked}


class NotThereError(InputError):
    """A file that is nowhere: its server answers that it has none, or no place that was asked holds it."""


def fetch(name: str, remote: Remote, store: Path, mirror: str | None) -> Fetched:
    """The file `name`: from the folder `store`, else `mirror` (a folder or an address), else downloaded into `store`.

    An archive may stand unpacked in its place, in a folder named without the suffix. A hash that no one publishes is
    pinned in `store/NAME.sha256`. InputError when there is no such file to be had, or another one under its name;
    OSError on a full disk, after which the next call goes on.
    """
    path = store / name
    if found := _checked_at_hand(name, remote, store, mirror):
        return found
    store.mkdir(parents=True, exist_ok=True)

    def load(url: str) -> Fetched:
        check = partial(_check, name, url, remote.bytes, _expected(remote.hash, path))
        return replace(download(url, path, remote.bytes, f"{name} in {store}", check), path=path)

    with _alone(path):
        if found := _checked_at_hand(name, remote, store, mirror):  # another process brought it meanwhile
            return found
        if is_address(mirror):
            with suppress(NotThereError):
                return load(f"{mirror.rstrip('/')}/{quote(name)}")
        if remote.url is not None:
            return load(remote.url)
    where = f"{store} or {mirror}" if mirror else store
    raise NotThereError(
        f"{name}: asked for a file that has no public address, found none in {where}; place {name} in {store}: "
        f"{remote.how}"
    )


def _checked_at_hand(name: str, remote: Remote, store: Path, mirror: str | None) -> Fetched | None:
    found = _at_hand(name, store, mirror)
    if found is None:
        return None
    if found.is_dir():
        return _check(name, str(found), None, _expected(None, store / found.name), found)
    return _check(name, str(found), remote.bytes, _expected(remote.hash, store / name), found)


def find(name: str, store: Path, mirror: str | None) -> Path:
    """Where a file that was fetched lies, or its folder; InputError where it is gone."""
    if found := _at_hand(name, store, mirror):
        return found
    raise InputError(f"{name}: asked for what was fetched, found it gone from {store}; `dvc repro --force download`")


def inventory(name: str, folder: Path) -> Fetched:
    """What a person's folder holds; InputError where it holds nothing, or a link."""
    size, digest = measure(folder)
    return Fetched(name, folder, size, digest, "nothing")


def measure(path: Path) -> tuple[int, str]:
    """Bytes and sha256 of a file, or of all files in a folder with their paths."""
    size, hashes = _measure_folder(path) if path.is_dir() else _measure(path, "sha256")
    return size, hashes["sha256"]


def folders(store: Path, mirror: str | None) -> list[Path]:
    """Where files are looked for before any address; InputError for a mirror that is no folder."""
    if mirror is None or is_address(mirror):
        return [store]
    folder = Path(mirror).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"mirror: asked for {mirror}, found no such folder; accepted: a folder, an http address or null"
        )
    return [store, folder]


def is_address(mirror: str | None) -> bool:
    return mirror is not None and mirror.startswith(("http://", "https://"))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Waits until no other process fetches the same file."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _at_hand(name: str, store: Path, mirror: str | None) -> Path | None:
    """The file or its folder where a person, or an earlier run, put it."""
    return next(filter(None, (_standing(folder / name) for folder in folders(store, mirror))), None)


def _standing(path: Path) -> Path | None:
    """What is there of a file: itself, or the folder of an archive that was unpacked."""
    unpacked = [
        path.with_name(path.name[: -len(suffix)]) for suffix in archives.ENDINGS if path.name.lower().endswith(suffix)
    ]
    return path if path.exists() else next((folder for folder in unpacked if folder.is_dir()), None)


@dataclass(frozen=True)
class _Expected:
    """The hash that a file should have, and who says so."""

    algorithm: str
    digest: str | None
    known: Literal["published", "pinned"]
    pin: Path


def _expected(published: str | None, path: Path) -> _Expected:
    pin = path.with_name(f"{path.name}.sha256")
    if published is not None:
        return _Expected(*published.split(":"), "published", pin)
    if not pin.exists():
        return _Expected("sha256", None, "pinned", pin)
    text = pin.read_bytes()
    if not (line := re.fullmatch(rb"([0-9a-f]{64})  (.+)\n?", text)) or os.fsdecode(line[2]) != path.name:
        raise InputError(
            f"{pin}: asked for a pinned hash, found {text[:100]!r}; accepted: '<64 hexadecimal digits>  {path.name}', "
            f"or no such file, and the hash is pinned anew"
        )
    return _Expected("sha256", line[1].decode(), "pinned", pin)


def _check(name: str, shown: str, size: int | None, expected: _Expected, found: Path) -> Fetched:
    """What is known of the file or folder; InputError, under the name `shown`, unless it is the one expected."""
    length, hashes = _measure_folder(found) if found.is_dir() else _measure(found, expected.algorithm)
    if size not in (None, length):
        raise InputError(f"{shown}: asked for {size:,} bytes, found {length:,}; accepted: the file as its owner has it")
    digest = hashes[expected.algorithm]
    if expected.digest not in (None, digest):
        asked, accepted = "which its owner publishes", "the file as its owner has it"
        if expected.known == "pinned":
            asked, accepted = (
                "as pinned on first use",
                f"the file of then; remove {expected.pin} if the change is meant",
            )
        raise InputError(
            f"{shown}: asked for {expected.algorithm} {expected.digest}, {asked}, found {digest}; accepted: {accepted}"
        )
    if expected.digest is None:
        _check_kind(name, shown, found)
        write_text(expected.pin, f"{digest}  {expected.pin.stem}\n")
        print(f"{name}: its owner publishes no hash for it; sha256 {digest} is pinned on first use in {expected.pin}")
    return Fetched(name, found, length, hashes["sha256"], expected.known)


def _check_kind(name: str, shown: str, found: Path) -> None:
    """InputError for what cannot be the file that is to be pinned: an archive that is none, a page, or nothing."""
    if found.is_dir() or name.lower().endswith(archives.ENDINGS):
        try:
            count = sum(1 for _ in archives.names(found))
        except InputError as error:
            raise InputError(f"{shown}: asked for an archive to be pinned, found none: {error}") from error
    else:
        with found.open("rb") as file:
            start = file.read(CHUNK)
        count = len(start) if name.endswith(".html") or not _begins_a_page(start) else 0
    if not count:
        raise InputError(
            f"{shown}: asked for {name}, found nothing, or a page of HTML; accepted: the file as its owner has it"
        )


def _measure(file: Path, algorithm: str) -> tuple[int, dict[str, str]]:
    """Size in bytes, and sha256 and the hash of `algorithm`, in one pass."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in {"sha256", algorithm}}
    size = 0
    shown = tqdm(total=file.stat().st_size, unit="B", unit_scale=True, desc=f"checking {file.name}", disable=None)
    with shown, file.open("rb") as opened:
        while block := opened.read(1 << 20):
            shown.update(len(block))
            size += len(block)
            for value in hashes.values():
                value.update(block)
    return size, {name: value.hexdigest() for name, value in hashes.items()}


def _measure_folder(folder: Path) -> tuple[int, dict[str, str]]:
    """Bytes of its files, and a hash over the path, size and sha256 of each, in the order of their paths."""
    total, digest = 0, hashlib.sha256()
    files = sorted((os.fsencode(file.relative_to(folder).as_posix()), file) for file in _files(folder))
    if not files:
        raise InputError(f"{folder}: asked for a folder with files, found none in it; accepted: one or more")
    for path, file in files:
        size = file.stat().st_size
        digest.update(b"%b\0%d\0%b\n" % (path, size, sha256(file).encode()))
        total += size
    return total, {"sha256": digest.hexdigest()}


def _files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry)
            else:
                raise InputError(
                    f"{entry.path}: asked for a plain file, found a link or a device; accepted: the file itself"
                )


class _AgainError(Exception):
    """A failure that a further try may mend; `wait`: seconds that the server asks for before it."""

    def __init__(self, found: str, wait: float = 0.0):
        super().__init__(found)
        self.wait = wait


class _Origin(Settings):
    """Where a part comes from."""

    url: str
    validator: str | None  # ETag or Last-Modified, which change when the file does
    total: int | None  # bytes of the whole file


def download(url: str, path: Path, size: int | None, instead: str, check: Callable[[Path], T]) -> T:
    """What `check` says of the file at `url`, which then stands at `path`; an interrupted download goes on.

    `size`: bytes, where they are known. `instead`: what a person may bring in its place. `check` raises InputError to
    refuse the file. InputError, NotThereError with it, when the server has it not, or another; OSError on a full disk.
    """
    ongoing = _Download(url, path, size, instead)
    path.parent.mkdir(parents=True, exist_ok=True)
    ongoing.finish()
    try:
        checked = check(ongoing.part)
    except InputError as error:
        ongoing.discard()
        raise InputError(f"{error}; what was downloaded is removed, the next run begins anew") from error
    with naming(ongoing.part), ongoing.part.open("rb") as file:
        os.fsync(file.fileno())
    ongoing.part.replace(path)
    ongoing.about.unlink(missing_ok=True)
    return checked


@dataclass(frozen=True)
class _Download:
    """One file on its way: what has come of it stands in `part`, where that came from in `about`."""

    url: str
    path: Path
    size: int | None
    instead: str

    @property
    def part(self) -> Path:
        return self.path.with_name(f".{self.path.name}.part")

    @property
    def about(self) -> Path:
        return self.path.with_name(f".{self.path.name}.part.json")

    def received(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)

    def refusal(self, found: str, accepted: str = "a connection that reaches it") -> str:
        return f"{self.url}: asked for {self.path.name}, found {found}; accepted: {accepted}, or {self.instead}"

    def finish(self) -> None:
        """Tries until the part is whole, or nothing new came TRIES times in a row."""
        most, failures = self.received(), 0
        while True:
            try:
                return self.attempt()
            except _AgainError as again:
                failures = 1 if self.received() > most else failures + 1
                most = max(most, self.received())
                if failures == TRIES:
                    raise InputError(self.refusal(f"{again} as the last of {TRIES} failures in a row")) from again
                wait = min(max(FIRST_WAIT * 2 ** (failures - 1), again.wait), LONGEST_WAIT)
                print(f"{self.path.name}: {again}; next try in {wait:.0f} s", file=sys.stderr, flush=True)
                sleep(wait)

    def attempt(self) -> None:
        """One request for what is missing of the part; _AgainError unless it is whole then."""
        origin = self.origin()
        done = self.received() if origin else 0
        with self.ask({"Range": f"bytes={done}-", "If-Range": origin.validator} if done else {}) as answer:
            match answer.status_code:
                case 200:
                    chunks = _chunks(answer)
                    first = next(chunks, b"")
                    origin = self.begin(answer, first)
                    self.write(chain([first], chunks), 0, origin.total)
                case 206 if done and self.continues(answer, done, origin.total):
                    self.write(_chunks(answer), done, origin.total)
                case 416 if done and done == origin.total:
                    pass
                case 206 | 416 if done:
                    self.discard()
                    raise _AgainError(f"another range than that from byte {done:,} on")
                case 404:
                    raise NotThereError(self.refusal("no answer with it (status 404)", "an address that has it"))
                case status if status == 429 or status >= 500:
                    raise _AgainError(f"status {status}", _wait_asked_for(answer))
                case status:
                    raise InputError(self.refusal(f"no answer with it (status {status})", "an address that gives it"))
        if origin.total not in (None, self.received()):
            raise _AgainError(f"a body cut short at byte {self.received():,} of {origin.total:,}")

    def origin(self) -> _Origin | None:
        """Of the part, where it can be continued."""
        with suppress(InputError):
            origin = build(_Origin, read_json(self.about, dict), "", str(self.about))
            if origin.url == self.url and origin.validator is not None:
                return origin
        return None

    def ask(self, headers: dict[str, str]) -> Response:
        try:
            return requests.get(
                self.url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=PATIENCE
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _AgainError(f"no connection ({error})") from error
        except requests.RequestException as error:
            raise InputError(self.refusal(f"no answer with it ({error})", "an http address")) from error

    def continues(self, answer: Response, done: int, total: int | None) -> bool:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        return found is not None and int(found[1]) == done and found[2] in ("*", str(total))

    def begin(self, answer: Response, first: bytes) -> _Origin:
        """An empty part for a whole answer that begins with `first`."""
        if _is_page(answer, first) and not self.path.name.endswith(".html"):
            found = "a page of HTML; many hosts answer so when a quota is reached or a login is needed"
            raise InputError(self.refusal(found, "the file itself, later"))
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else self.size
        if self.size not in (None, total):
            raise InputError(self.refusal(f"{total:,} bytes in place of {self.size:,}", "the file as its owner has it"))
        tag = answer.headers.get("ETag", "W/")
        validator = answer.headers.get("Last-Modified") if tag.startswith("W/") else tag
        origin = _Origin(url=self.url, validator=validator, total=total)
        self.part.write_bytes(b"")
        write_json(self.about, origin.model_dump())
        return origin

    def write(self, chunks: Iterator[bytes], done: int, total: int | None) -> None:
        free = shutil.disk_usage(self.part.parent).free
        if total is not None and free < total - done:
            raise InputError(
                f"{self.part.parent}: asked for room for {total - done:,} bytes of {self.path.name}, found {free:,} "
                f"bytes free; accepted: as many as are missing"
            )
        with naming(self.part), self.part.open("ab") as file:
            for chunk in _shown(chunks, self.path.name, done, total):
                file.write(chunk)
                file.flush()


def _chunks(answer: Response) -> Iterator[bytes]:
    """The body as it was sent: a server that calls a .tar.gz an encoding of a .tar does not get it unpacked."""
    try:
        yield from answer.raw.stream(CHUNK, decode_content=False)
    except HTTPError as error:
        raise _AgainError(f"a cut connection ({error.__cause__ or error})") from error


def _is_page(answer: Response, first: bytes) -> bool:
    return answer.headers.get("Content-Type", "").lower().startswith("text/html") or _begins_a_page(first)


def _begins_a_page(first: bytes) -> bool:
    start = first.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html")) or (start.startswith(b"<?xml") and b"<html" in start)


def _wait_asked_for(answer: Response) -> float:
    """Seconds; 0 where the server names no time."""
    asked = answer.headers.get("Retry-After", "")
    if asked.isdecimal():
        return float(asked)
    with suppress(TypeError, ValueError):
        return (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds()
    return 0.0


def _shown(chunks: Iterator[bytes], name: str, done: int, total: int | None) -> Iterator[bytes]:
    """The chunks as they pass, with rate and time left: a bar on a terminal, else a line every REPORT_EVERY seconds."""
    start = reported = monotonic()
    passed = 0
    with tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=name, disable=None) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk))
            passed += len(chunk)
            if bar.disable and monotonic() - reported >= REPORT_EVERY:
                reported = monotonic()
                rate = passed / (reported - start)
                share = f"{(done + passed) / total:.0%}" if total else f"{done + passed:,} bytes"
                left = f"{(total - done - passed) / rate:.0f} s left" if total else "of a size that is not known"
                print(f"{name}: {share}, {rate / 1e6:.1f} MB/s, {left}", file=sys.stderr, flush=True)
