"""Archives and folders as streams of files, read without unpacking them.

Its first bytes say what an archive is, not its name: a tar (plain, or compressed with gzip, xz or bzip2), a zip, or a
.deb (the files it would install). It may also be a folder on disk. Each is refused as a whole, with an InputError, at
the first file that is not accepted:

- a name that is absolute or appears twice, or holds `..`, a backslash, a drive letter, a NUL or another control
  character;
- a link, a device or a pipe; a .deb's links are skipped instead, as packages are full of them, and a folder's are
  followed;
- an encrypted file, a file of more than LARGEST bytes, or a file in a zip that grows more than RATIO times;
- an archive that is cut short, damaged, or of another format.

A leading `./` is dropped from a name. What macOS adds by itself (`__MACOSX/`, `.DS_Store`) is skipped.
"""

import bz2
import errno
import gzip
import io
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from palimpsest.config.yaml import InputError
from palimpsest.data.folders import files_below
from palimpsest.data.pictures import fault_of

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip", ".deb")  # of archives' names
MIB = 2**20
LARGEST = 512 * MIB  # bytes, of one file
UNPACKED = 64 * 1024 * MIB  # bytes, of all files of an archive together
RATIO = 200  # a zip's file to its compressed bytes, where the file is over 1 MiB
EXTENSION = MIB  # bytes, of a tar's header of its own for a long name

ACCEPTED = (
    f"plain files of up to {LARGEST // MIB} MiB, each under one relative name without '..', backslash or drive letter"
)
UNFIT = re.compile(r"^/|^[A-Za-z]:|(^|/)\.\.(/|$)|[\\\x00-\x1f\x7f\ud800-\udfff]")
LINK = "a link"
JUNK = {"__MACOSX", ".DS_Store"}

COMPRESSIONS = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open, b"BZh": bz2.open}
DAMAGE = (
    EOFError,
    ValueError,
    NotImplementedError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)


def names(path: Path) -> Iterator[str]:
    """Names of the regular files in an archive, in its order, or in a folder, sorted.

    Of a plain tar only the headers are read. Raises InputError as the module says.
    """
    return (name for name, _ in _files(path, lambda name: False))


def stream(path: Path, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
    """(name, contents) of the wanted files, in the archive's order.

    Memory holds the contents of one file and the names so far (of a zip, all names). Raises InputError as the module
    says.
    """
    return ((name, contents) for name, contents in _files(path, wanted.__contains__) if name in wanted)


def read(path: Path, name: str) -> bytes:
    """The contents of one file; InputError if there is no such file, or as the module says."""
    for _, contents in stream(path, {name}):
        return contents
    raise InputError(f"{path}: asked for {name!r}, found no such file in it")


def unpack(path: Path, folder: Path) -> None:
    """Writes all files into `folder`, which appears whole or not at all.

    Raises InputError as the module says, if `folder` exists, and for more than UNPACKED bytes.
    """
    if folder.exists():
        raise InputError(f"{path}: asked to unpack into {folder}, found it there already; accepted: a new folder")
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        total = 0
        for name, contents in _files(path, lambda name: True):
            total += len(contents)
            if total > UNPACKED:
                raise InputError(f"{path}: found more than {UNPACKED} bytes by {name!r}; accepted: up to that many")
            _write(path, temporary, name, contents)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(path: Path, folder: Path, name: str, contents: bytes) -> None:
    file = folder / name
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as opened:
            opened.write(contents)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{path}: found {name!r} both as a file and as a folder; accepted: {ACCEPTED}") from error


@dataclass(frozen=True)
class _Member:
    """One entry of an archive."""

    name: str
    take: Callable[[bool], bytes]  # goes past the contents and returns them if wanted; to be called before the next
    size: int = 0  # bytes, as an archive declares it
    folder: bool = False
    fault: str = ""  # what it is that cannot be accepted


def _files(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """(name, contents) of every file, once it is known to be whole; the contents of unwanted files are empty."""
    seen = {"."}  # the folder that holds all
    last = ""
    try:
        for member in _members(path):
            name = str(PurePosixPath(member.name))
            fault = member.fault or _fault(member.name, member.size)
            if not fault and name in seen and not member.folder:
                fault = "a second of that name"
            if fault:
                raise InputError(f"{path}: found {member.name!r}, {fault}; accepted: {ACCEPTED}")
            if member.folder or JUNK.intersection(name.split("/")):
                member.take(False)
                continue
            contents = member.take(wanted(name))
            if fault := _fault(name, len(contents)):
                raise InputError(f"{path}: found {name!r}, {fault}; accepted: {ACCEPTED}")
            seen.add(name)
            last = name
            yield name, contents
    except DAMAGE as error:
        raise _damaged(path, last, error) from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # gzip and bz2 raise an OSError without a number for bad data
            raise
        raise _damaged(path, last, error) from error


def _fault(name: str, size: int) -> str:
    if UNFIT.search(name):
        return "a name that could leave its folder or that not every system can hold"
    return "" if 0 <= size <= LARGEST else f"of {size} bytes or more"


def _damaged(path: Path, last: str, error: Exception) -> InputError:
    with path.open("rb") as file:
        where = f"after {last!r}" if last else f"from its first bytes on, {file.read(15)!r}"
    return InputError(
        f"{path}: asked for a whole tar, .tar.gz, .tar.xz, .tar.bz2, zip or .deb, or a folder; "
        f"found one cut short, damaged or of another kind {where} ({error})"
    )


def _members(path: Path) -> Iterator[_Member]:
    if path.is_dir():
        yield from (_Member(name, partial(_whole, file)) for name, file in plain_files(path))
        return
    if not path.is_file():
        raise InputError(f"{path}: asked for an archive or a folder, found none there")
    with path.open("rb", buffering=0) as file:
        head = file.read(8)
        file.seek(0)
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield from _zip(file)
        elif head == b"!<arch>\n":
            yield from _deb(path, file)
        else:
            yield from _tar(_decompressor(file)(file))


def plain_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path below the folder, file) of all files, in the order of their paths; InputError at a pipe or a device."""
    for name, path in files_below(folder):
        if fault := fault_of(path):
            raise InputError(f"{folder}: found {name!r}, {fault}; accepted: {ACCEPTED}")
        yield name, path


def _whole(path: Path, wanted: bool) -> bytes:
    if not wanted:
        return b""
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def _nothing(wanted: bool) -> bytes:
    return b""


def _zip(file: BinaryIO) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            take = partial(_unzipped, archive, info)
            yield _Member(info.orig_filename, take, info.file_size, info.orig_filename.endswith("/"), _zip_fault(info))


def _zip_fault(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return LINK
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "neither file nor folder"
    if info.flag_bits & 1:
        return "encrypted"
    if info.file_size > max(MIB, RATIO * info.compress_size):
        return f"which grows from {info.compress_size} to {info.file_size} bytes"
    return ""


def _unzipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, wanted: bool) -> bytes:
    return archive.read(info) if wanted else b""


def _tar(file: BinaryIO) -> Iterator[_Member]:
    """A tar's entries: headers of 512 bytes, each before its contents, and one of zeros at the end.

    tarfile.TarFile is too kind here: it takes a damaged header for the end, and remembers every entry it has read.
    """
    extended: dict[str, str] = {}
    while (block := file.read(tarfile.BLOCKSIZE)) != bytes(tarfile.BLOCKSIZE):
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        match header.type:
            case tarfile.GNUTYPE_LONGNAME:
                extended["path"] = _extension(file, header.size).removesuffix(b"\0").decode("utf-8", "surrogateescape")
            case tarfile.XHDTYPE | tarfile.SOLARIS_XHDTYPE:
                extended |= _records(_extension(file, header.size))
            case tarfile.GNUTYPE_LONGLINK | tarfile.XGLTYPE:
                _extension(file, header.size)
            case _:
                yield _tar_member(file, header, extended)
                extended = {}
    while not isinstance(file, io.FileIO) and file.read(MIB):  # to the checksum of what was compressed
        pass


def _tar_member(file: BinaryIO, header: tarfile.TarInfo, extended: dict[str, str]) -> _Member:
    name = extended.get("path", header.name)
    if header.type == tarfile.DIRTYPE:
        return _Member(name, _nothing, folder=True)
    if header.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        return _Member(name, _nothing, fault=LINK)
    sparse = any(key.startswith("GNU.sparse.") for key in extended)
    if sparse or header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE):
        return _Member(name, _nothing, fault="neither file nor folder")
    size = int(extended.get("size", header.size))
    return _Member(name, partial(_taken, file, size), size)


def _extension(file: BinaryIO, size: int) -> bytes:
    if not 0 <= size <= EXTENSION:
        raise ValueError(f"a header of {size} bytes")
    return _taken(file, size, True)


def _records(data: bytes) -> dict[str, str]:
    """The `length key=value` lines of an extended header; the length counts the whole line."""
    records, start = {}, 0
    while start < len(data):
        space = data.index(b" ", start)
        end = start + int(data[start:space])
        if not space < end <= len(data):
            raise ValueError("an extended header whose lengths do not add up")
        key, _, value = data[space + 1 : end - 1].decode("utf-8", "surrogateescape").partition("=")
        records[key] = value
        start = end
    return records


def _taken(file: BinaryIO, size: int, wanted: bool) -> bytes:
    """Goes past `size` bytes and the zeros that fill their last block; returns the bytes if wanted."""
    contents = file.read(size) if wanted else b""
    rest = size - len(contents) + -size % tarfile.BLOCKSIZE
    if rest and isinstance(file, io.FileIO):
        file.seek(rest - 1, io.SEEK_CUR)
        rest = 1
    while rest:
        passed = len(file.read(min(rest, MIB)))
        if not passed:
            raise EOFError("it ends within a file")
        rest -= passed
    return contents


def _decompressor(file: BinaryIO) -> Callable[[BinaryIO], BinaryIO]:
    """What opens a file that is compressed as `file` is from its position on."""
    start = file.tell()
    head = file.read(max(map(len, COMPRESSIONS)))
    file.seek(start)
    return next((opened for magic, opened in COMPRESSIONS.items() if head.startswith(magic)), lambda plain: plain)


def _deb(path: Path, file: BinaryIO) -> Iterator[_Member]:
    """The files that a .deb would install: the entries of the data.tar in its `ar` archive, without links."""
    file.seek(len(b"!<arch>\n"))
    while header := file.read(60):
        name, size = header[:16].decode("ascii").rstrip(" /"), header[48:58].strip()
        if header[58:] != b"`\n" or not size.isdigit():
            raise EOFError("a damaged ar header")
        if name == "data.tar.zst":
            raise InputError(f"{path}: found {name}, which Python cannot decompress; accepted: .xz, .gz, .bz2 or plain")
        if name.startswith("data.tar"):
            entries = _tar(_decompressor(file)(_Slice(file, int(size))))
            yield from (member for member in entries if member.fault != LINK)
            return
        file.seek(int(size) + int(size) % 2, io.SEEK_CUR)
    raise EOFError("it holds no data.tar")


class _Slice(io.RawIOBase):
    """The next `size` bytes of a file as a file of their own."""

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        size = min(len(buffer), self.left)
        data = self.file.read(size)
        if len(data) < size:
            raise EOFError("it ends within its data.tar")
        buffer[:size] = data
        self.left -= size
        return size
