"""Downloads over HTTP that survive cut connections, kills and full disks.

A download grows in `.NAME.part`; `.NAME.part.json` says where it comes from, so that any later run can continue it. It
gets its name once it is whole and checked. `storage.replacing` could not do this: it removes what is unfinished.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

import requests
from requests import Response
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from palimpsest.config.yaml import InputError, Settings, build
from palimpsest.storage import naming, read_json, write_json

PATIENCE = 60  # seconds without a byte before a server counts as unreachable
TRIES = 6  # failures in a row, without a new byte between them, before a download is given up
FIRST_WAIT = 1.0  # seconds before the second try, doubled before each further one
LONGEST_WAIT = 120.0  # seconds, even if a server asks for more
CHUNK = 1 << 16  # bytes
REPORT_EVERY = 5.0  # seconds between two lines when there is no terminal to show a bar on
T = TypeVar("T")


class NotThereError(InputError):
    """A file that is nowhere: its server has none, or no place that was asked holds it."""


class _AgainError(Exception):
    """A failure that another try may mend; `wait`: seconds that the server asks for before it."""

    def __init__(self, found: str, wait: float = 0.0):
        super().__init__(found)
        self.wait = wait


class _Origin(Settings):
    """Where an unfinished download comes from."""

    url: str
    validator: str | None  # ETag or Last-Modified, which change when the file does
    total: int | None  # bytes of the whole file


def download(url: str, path: Path, size: int | None, instead: str, check: Callable[[Path], T]) -> T:
    """Downloads `url` to `path`, continuing an earlier try, and returns what `check` makes of the whole file.

    `size` is in bytes, if it is known; `instead` says what a person may provide in its place. `check` raises InputError
    to refuse the file.

    Raises NotThereError if the server has no such file, InputError if it has another one or gives none, and OSError on
    a full disk.
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
    """One download: `part` holds what has arrived, `about` where that came from."""

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
        """Tries until the part is whole; InputError after TRIES failures in a row that brought nothing new."""
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
        """One request for what is missing; _AgainError unless the part is whole then."""
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
        """Of the part, if it can be continued."""
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
        """Starts an empty part for a whole answer, whose first bytes are `first`."""
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
    """The body as it was sent: a .tar.gz stays one even if the server declares gzip as its encoding."""
    try:
        yield from answer.raw.stream(CHUNK, decode_content=False)
    except HTTPError as error:
        raise _AgainError(f"a cut connection ({error.__cause__ or error})") from error


def _is_page(answer: Response, first: bytes) -> bool:
    return answer.headers.get("Content-Type", "").lower().startswith("text/html") or begins_a_page(first)


def begins_a_page(first: bytes) -> bool:
    """Whether a file that begins so is a page of HTML."""
    start = first.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html")) or (start.startswith(b"<?xml") and b"<html" in start)


def _wait_asked_for(answer: Response) -> float:
    """Seconds; 0 if the server names no time."""
    asked = answer.headers.get("Retry-After", "")
    if asked.isdecimal():
        return float(asked)
    with suppress(TypeError, ValueError):
        return (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds()
    return 0.0


def _shown(chunks: Iterator[bytes], name: str, done: int, total: int | None) -> Iterator[bytes]:
    """The chunks, while rate and time left are shown: a bar on a terminal, else a line every REPORT_EVERY seconds."""
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
                done_so_far = f"{(done + passed) / total:.0%}" if total else f"{done + passed:,} bytes"
                left = f"{(total - done - passed) / rate:.0f} s left" if total else "of a size that is not known"
                print(f"{name}: {done_so_far}, {rate / 1e6:.1f} MB/s, {left}", file=sys.stderr, flush=True)
