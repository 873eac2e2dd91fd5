"""Qt resource bundles (.rcc) and zips (.pk3), in which some Debian packages keep their photographs."""

import struct
import zlib
from collections.abc import Container, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from palimpsest.config.yaml import InputError
from palimpsest.data import archives
from palimpsest.data.archives import ACCEPTED, DAMAGE, LARGEST, UNFIT

COMPRESSED, FOLDER, ZSTD = 1, 2, 4  # flags of a node in a resource bundle


def stream(bundle: bytes, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
    """(path, contents) of the wanted files of a bundle, in its order.

    Raises InputError as `archives` says, or, of a Qt resource bundle, as `_qt` does.
    """
    if not bundle.startswith(b"PK"):
        yield from _qt(bundle, wanted)
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        path.write_bytes(bundle)
        yield from archives.stream(path, wanted)


def _qt(rcc: bytes, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
    """(path, contents) of the wanted files of a Qt resource bundle (.rcc), in the order of its tree.

    Raises InputError for a bundle that is cut short or damaged, for a path that `archives` would refuse, and for a
    wanted file that is compressed with zstd or larger than LARGEST bytes.
    """
    seen = set()
    try:
        for path, flags, start in _resources(rcc):
            if UNFIT.search(path) or path in seen:
                raise InputError(f"asked for a Qt resource bundle, found {path!r} in it; accepted: {ACCEPTED}")
            seen.add(path)
            if path in wanted:
                yield path, _resource(path, flags, _sized(rcc, start, ">I", 4))
    except DAMAGE as error:
        raise InputError(f"asked for a Qt resource bundle, found one cut short or damaged ({error})") from error


def _resources(rcc: bytes) -> Iterator[tuple[str, int, int]]:
    """(path, flags, offset of the contents) of every file in the bundle's tree."""
    magic, version, tree, data, names = struct.unpack_from(">4s4I", rcc)
    if magic != b"qres":
        raise ValueError(f"it begins with {rcc[:15]!r}")
    node = 14 if version == 1 else 22  # bytes; the later versions add a date
    placed = {0}
    waiting = [(0, "")]
    while waiting:
        index, path = waiting.pop()
        at = tree + node * index
        name, flags = struct.unpack_from(">IH", rcc, at)
        if index:
            path += "/" * bool(path) + _sized(rcc, names + name, ">HI", 6, width=2).decode("utf-16-be")
        if not flags & FOLDER:
            yield path, flags, data + struct.unpack_from(">I", rcc, at + 10)[0]
            continue
        count, first = struct.unpack_from(">II", rcc, at + 6)
        children = range(first, first + count)
        if tree + node * children.stop > len(rcc) or not placed.isdisjoint(children):
            raise ValueError("its folders form no tree")
        placed.update(children)
        waiting += [(child, path) for child in reversed(children)]


def _sized(rcc: bytes, start: int, head: str, length: int, width: int = 1) -> bytes:
    """Bytes that follow a head of `length` bytes at `start`, which begins with their count in units of `width`."""
    size = width * struct.unpack_from(head, rcc, start)[0]
    part = rcc[start + length : start + length + size]
    if len(part) < size:
        raise EOFError("it ends within a file or a name")
    return part


def _resource(path: str, flags: int, stored: bytes) -> bytes:
    if flags & ZSTD:
        raise InputError(f"{path}: found it compressed with zstd; accepted: zlib or nothing, in a Qt resource bundle")
    if not flags & COMPRESSED:
        return stored
    size = struct.unpack_from(">I", stored)[0]
    if size > LARGEST:
        raise InputError(f"{path}: found {size} bytes in a Qt resource bundle; accepted: up to {LARGEST}")
    contents = zlib.decompressobj().decompress(stored[4:], size + 1)
    if len(contents) != size:
        raise ValueError(f"{path} holds {len(contents)} bytes, not {size}")
    return contents
