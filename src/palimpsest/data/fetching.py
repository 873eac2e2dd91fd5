"""Files that do not come with the project: found in place or downloaded, and checked before anything reads them."""

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from pydantic import PositiveInt, model_validator
from tqdm import tqdm

from palimpsest.config.paths import located
from palimpsest.config.yaml import InputError, Settings, shown, spelt
from palimpsest.data import archives
from palimpsest.data.downloading import CHUNK, NotThereError, begins_a_page, download
from palimpsest.storage import alone, sha256, write_text

Hash = spelt(
    "sha256:[0-9a-f]{8,64}|md5:[0-9a-f]{32}|git:[0-9a-f]{40}",
    "sha256: with 8 to 64 hexadecimal digits, md5: with 32 or git: with 40",
)


class Remote(Settings):
    """A file that does not come with the project."""

    url: str | None  # public address; null = a person places the file
    bytes: PositiveInt | None  # exact size, if it is known
    # its owner's, of sha256 the first digits at least, of `git` the id of a blob; null = that of the first file is
    # pinned, in a file beside it that a person may remove
    hash: Hash | None
    how: str | None  # where a person gets it, if there is no url

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if (self.url is None) == (self.how is None):
            found = f"url {shown(self.url)} and how {shown(self.how)}"
            raise ValueError(f"found {found}; accepted: one of them, the other null")
        return self


@dataclass(frozen=True)
class Fetched:
    """A file, or the folder of an unpacked archive, that passed its checks."""

    name: str
    path: Path
    bytes: int
    sha256: str  # of a folder: over the paths, sizes and hashes of its files
    checked: Literal["published", "pinned", "nothing"]  # whose hash it has

    @property
    def record(self) -> dict[str, str | int]:
        """All but the path, which differs between machines."""
        return {"name": self.name, "bytes": self.bytes, "sha256": self.sha256, "checked": self.checked}


def fetch(name: str, remote: Remote, store: Path, mirror: str | None) -> Fetched:
    """The file `name`: from the folder `store`, else from `mirror` (a folder or an address), else from its owner.

    What is downloaded goes to `store`. An unpacked archive may take the archive's place, in a folder with its name
    without the suffix. If no one publishes a hash, that of the first file is pinned in `store/NAME.sha256`.

    Raises InputError if no such file can be found, or another one has its name; OSError on a full disk, after which the
    next call continues.
    """
    path = store / name
    if found := _checked_at_hand(name, remote, store, mirror):
        return found
    store.mkdir(parents=True, exist_ok=True)

    def load(url: str) -> Fetched:
        check = partial(_Expected.of(name, remote.bytes, remote.hash, path).check, shown=url)
        return replace(download(url, path, remote.bytes, f"{name} in {store}", check), path=path)

    with alone(path):
        if found := _checked_at_hand(name, remote, store, mirror):  # another process fetched it meanwhile
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
    size, published = (None, None) if found.is_dir() else (remote.bytes, remote.hash)  # which are the archive's
    return _Expected.of(name, size, published, (store / name).with_name(found.name)).check(found, str(found))


def find(name: str, store: Path, mirror: str | None) -> Path:
    """Where a file that was fetched is, or its folder; InputError if it is gone."""
    if found := _at_hand(name, store, mirror):
        return found
    raise InputError(f"{name}: asked for what was fetched, found it gone from {store}; `dvc repro --force download`")


def inventory(name: str, folder: Path) -> Fetched:
    """What a person's folder holds; InputError if it holds nothing, or a pipe."""
    size, digest = measure(folder)
    return Fetched(name, folder, size, digest, "nothing")


def measure(path: Path) -> tuple[int, str]:
    """Bytes and sha256 of a file, or of all files in a folder with their paths."""
    size, hashes = _measure_folder(path) if path.is_dir() else _measure(path, "sha256")
    return size, hashes["sha256"]


def folders(store: Path, mirror: str | None) -> list[Path]:
    """Where files are looked for before any address is asked; InputError for a mirror that is no folder."""
    if mirror is None or is_address(mirror):
        return [store]
    folder = located(mirror)
    if not folder.is_dir():
        raise InputError(
            f"mirror: asked for {mirror}, found no such folder; accepted: a folder, an http address or null"
        )
    return [store, folder]


def is_address(mirror: str | None) -> bool:
    return mirror is not None and mirror.startswith(("http://", "https://"))


def _at_hand(name: str, store: Path, mirror: str | None) -> Path | None:
    """The file, or its folder, where a person or an earlier run put it."""
    return next(filter(None, (_standing(folder / name) for folder in folders(store, mirror))), None)


def _standing(path: Path) -> Path | None:
    """The file itself, or the folder of an unpacked archive; None if neither is there."""
    unpacked = [
        path.with_name(path.name[: -len(suffix)]) for suffix in archives.ENDINGS if path.name.lower().endswith(suffix)
    ]
    return path if path.exists() else next((folder for folder in unpacked if folder.is_dir()), None)


@dataclass(frozen=True)
class _Expected:
    """The size and hash that a file must have, so far as they are known."""

    name: str
    size: int | None  # bytes; None = not known
    algorithm: str
    digest: str | None  # None = that of the first file is pinned
    pin: Path | None  # where a pinned hash is kept; None = the owner publishes one

    @classmethod
    def of(cls, name: str, size: int | None, published: str | None, path: Path) -> Self:
        """Of the file that belongs at `path`; InputError for a damaged pin."""
        if published is not None:
            return cls(name, size, *published.split(":"), None)
        pin = path.with_name(f"{path.name}.sha256")
        return cls(name, size, "sha256", _read_pin(pin, path.name) if pin.exists() else None, pin)

    def check(self, found: Path, shown: str) -> Fetched:
        """What is known of a file or folder once it is checked; InputError, under the name `shown`, for another one."""
        length, hashes = _measure_folder(found) if found.is_dir() else _measure(found, self.algorithm)
        if self.size not in (None, length):
            asked = f"asked for {self.size:,} bytes, found {length:,}"
            raise InputError(f"{shown}: {asked}; accepted: the file as its owner has it")
        digest = hashes[self.algorithm]
        if self.digest is not None and not digest.startswith(self.digest):
            known, accepted = "which its owner publishes", "the file as its owner has it"
            if self.pin:
                known = "as pinned on first use"
                accepted = f"the file of then; remove {self.pin} if the change is meant"
            asked = f"asked for {self.algorithm} {self.digest}, {known}, found {digest}"
            raise InputError(f"{shown}: {asked}; accepted: {accepted}")
        if self.digest is None:
            _check_kind(self.name, shown, found)
            write_text(self.pin, f"{digest}  {self.pin.stem}\n")
            pinned = f"sha256 {digest} is pinned on first use in {self.pin}"
            print(f"{self.name}: its owner publishes no hash for it; {pinned}")
        return Fetched(self.name, found, length, hashes["sha256"], "pinned" if self.pin else "published")


def _read_pin(pin: Path, name: str) -> str:
    text = pin.read_bytes()
    if not (line := re.fullmatch(rb"([0-9a-f]{64})  (.+)\n?", text)) or os.fsdecode(line[2]) != name:
        raise InputError(
            f"{pin}: asked for a pinned hash, found {text[:100]!r}; accepted: '<64 hexadecimal digits>  {name}', "
            f"or no such file, and the hash is pinned anew"
        )
    return line[1].decode()


def _check_kind(name: str, shown: str, found: Path) -> None:
    """InputError for what cannot be the file, so must not be pinned: no archive, a page of HTML, or nothing."""
    if found.is_dir() or name.lower().endswith(archives.ENDINGS):
        try:
            count = sum(1 for _ in archives.names(found))
        except InputError as error:
            raise InputError(f"{shown}: asked for an archive to be pinned, found none: {error}") from error
    else:
        with found.open("rb") as file:
            start = file.read(CHUNK)
        count = len(start) if name.endswith(".html") or not begins_a_page(start) else 0
    if not count:
        raise InputError(
            f"{shown}: asked for {name}, found nothing, or a page of HTML; accepted: the file as its owner has it"
        )


def _measure(file: Path, algorithm: str) -> tuple[int, dict[str, str]]:
    """Size in bytes, and sha256 and the hash of `algorithm`, in one pass."""
    size, total = 0, file.stat().st_size
    hashes = {name: _begun(name, total) for name in {"sha256", algorithm}}
    shown = tqdm(total=total, unit="B", unit_scale=True, desc=f"checking {file.name}", disable=None)
    with shown, file.open("rb") as opened:
        while block := opened.read(1 << 20):
            shown.update(len(block))
            size += len(block)
            for value in hashes.values():
                value.update(block)
    return size, {name: value.hexdigest() for name, value in hashes.items()}


def _begun(algorithm: str, total: int):
    """A hash before the first byte of a file of `total` bytes; Git hashes its kind and size first."""
    if algorithm == "git":
        return hashlib.sha1(b"blob %d\0" % total, usedforsecurity=False)
    return hashlib.new(algorithm, usedforsecurity=False)


def _measure_folder(folder: Path) -> tuple[int, dict[str, str]]:
    """Bytes of its files, and a hash over the path, size and sha256 of each, in the order of their paths."""
    total, empty, digest = 0, True, hashlib.sha256()
    for name, file in archives.plain_files(folder):
        size = file.stat().st_size
        digest.update(b"%b\0%d\0%b\n" % (os.fsencode(name), size, sha256(file).encode()))
        total, empty = total + size, False
    if empty:
        raise InputError(f"{folder}: asked for a folder with files, found none in it; accepted: one or more")
    return total, {"sha256": digest.hexdigest()}
