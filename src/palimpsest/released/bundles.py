"""TensorFlow 1 checkpoints, read and written without TensorFlow.

A checkpoint is `<prefix>.index` and `<prefix>.data-00000-of-00001`. The index is a table of LevelDB, whose keys are the
tensors' names and whose values say type, shape, place and checksum (tensorflow/core/protobuf/tensor_bundle.proto); the
data are the tensors' bytes, one after the other, each kernel in TensorFlow's own order of axes.
"""

import math
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from palimpsest.config.yaml import InputError
from palimpsest.released.crc32c import crc32c, masked
from palimpsest.storage import replacing

DTYPES = {1: "float32", 2: "float64", 3: "int32", 9: "int64", 19: "float16"}
NUMBERS = {name: number for number, name in DTYPES.items()}
MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER = 48  # bytes: where the list of blocks is, and the magic number
END = 5  # bytes of a block: compression, and the checksum of all before
ONE_SHARD = bytes.fromhex("08011a020801")  # the header: one data file, little-endian, version 1


@dataclass(frozen=True)
class Entry:
    """What the index says of a tensor."""

    dtype: int
    shape: tuple[int, ...]
    offset: int  # bytes, in the data file
    size: int  # bytes
    checksum: int

    @classmethod
    def of(cls, message: bytes) -> "Entry":
        held = dict(fields(message))
        dims = [dict(fields(dim)).get(1, 0) for number, dim in fields(held.get(2, b"")) if number == 2]
        return cls(held.get(1, 0), tuple(dims), held.get(4, 0), held.get(5, 0), held.get(6, 0))

    def message(self) -> bytes:
        dims = b"".join(text(2, number(1, side)) for side in self.shape)
        places = number(4, self.offset) + number(5, self.size)
        return number(1, self.dtype) + text(2, dims) + places + b"\x35" + struct.pack("<I", self.checksum)


def files_of(path: Path) -> tuple[Path, Path]:
    """The index and the data of a checkpoint, from its prefix or from either of them."""
    prefix = re.sub(r"\.(index|data-00000-of-00001)$", "", str(path))
    return Path(f"{prefix}.index"), Path(f"{prefix}.data-00000-of-00001")


def read(path: Path, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    """The wanted tensors by name; InputError if a file is damaged, or is laid out as no released one is."""
    index, data = files_of(path)
    for file in (index, data):
        if not file.is_file():
            raise InputError(f"{file}: not found; accepted: a checkpoint's index, and beside it its data")
    header, *others = entries(index)
    if dict(fields(header[1])).get(1) != 1 or dict(fields(header[1])).get(2):
        raise InputError(f"{index}: its tensors are in several data files, or big-endian; accepted: one, little-endian")
    with data.open("rb") as file:
        found = {}
        for name, message in others:
            if wanted(name):
                entry = Entry.of(message)
                file.seek(entry.offset)
                found[name] = tensor(entry, file.read(entry.size), f"{data}: {name}")
    return found


def tensor(entry: Entry, content: bytes, at: str) -> Tensor:
    if entry.dtype not in DTYPES:
        raise InputError(f"{at} has TensorFlow's type {entry.dtype}; accepted: {', '.join(DTYPES.values())}")
    dtype = np.dtype(DTYPES[entry.dtype])
    if entry.size != math.prod(entry.shape) * dtype.itemsize:
        raise InputError(f"{at} has {entry.size} bytes for the shape {entry.shape}; accepted: all of it in one piece")
    if len(content) < entry.size:
        raise InputError(f"{at} ends after {len(content)} of {entry.size} bytes; accepted: the whole file")
    if masked(crc32c(content)) != entry.checksum:
        raise InputError(f"{at} differs from its checksum in the index; accepted: the index and data of one checkpoint")
    return torch.from_numpy(np.frombuffer(content, dtype).reshape(entry.shape).copy())


def entries(index: Path) -> Iterator[tuple[str, bytes]]:
    """Keys and values of a table, in order; InputError if it is not one, or is damaged."""
    table = index.read_bytes()
    if len(table) < FOOTER or not table.endswith(MAGIC):
        raise InputError(f"{index}: not an index, or cut short; accepted: the .index of a TensorFlow checkpoint")
    _, at = handle(table, len(table) - FOOTER)
    (start, size), _ = handle(table, at)
    for _, pointer in pairs(block(table, start, size, index)):
        (start, size), _ = handle(pointer, 0)
        for key, value in pairs(block(table, start, size, index)):
            yield key.decode(errors="replace"), value


def block(table: bytes, start: int, size: int, index: Path) -> bytes:
    content, end = table[start : start + size + 1], table[start + size + 1 : start + size + END]
    if len(end) < END - 1 or masked(crc32c(content)) != int.from_bytes(end, "little"):
        raise InputError(f"{index}: its block at byte {start} is damaged; accepted: the file as it was written")
    if content[-1]:
        raise InputError(f"{index}: its block at byte {start} is compressed; accepted: as TensorFlow writes it, not so")
    return content[:-1]


def pairs(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key shares its beginning with the one before."""
    end, at, key = len(content) - 4 - 4 * int.from_bytes(content[-4:], "little"), 0, b""
    while at < end:
        shared, at = varint(content, at)
        own, at = varint(content, at)
        size, at = varint(content, at)
        key = key[:shared] + content[at : at + own]
        yield key, content[at + own : at + own + size]
        at += own + size


def handle(content: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Where a block starts and its size, and where the handle ends."""
    start, at = varint(content, at)
    size, at = varint(content, at)
    return (start, size), at


def varint(content: bytes, at: int) -> tuple[int, int]:
    """A number in groups of 7 bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = content[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The numbered fields of a protocol buffer's message."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        match tag & 7:
            case 0:
                value, at = varint(message, at)
            case 2:
                size, at = varint(message, at)
                value, at = message[at : at + size], at + size
            case kind:
                size = {1: 8, 5: 4}.get(kind, len(message))  # what no checkpoint holds ends the message
                value, at = int.from_bytes(message[at : at + size], "little"), at + size
        yield tag >> 3, value


def write(prefix: Path, tensors: dict[str, Tensor]) -> None:
    """Writes a checkpoint that TensorFlow reads, and the text file `checkpoint` by which it finds it in its folder."""
    index, data = files_of(prefix)
    held, offset = [(b"", ONE_SHARD)], 0
    with replacing(data) as path, path.open("wb") as file:
        for name in sorted(tensors, key=str.encode):
            values = tensors[name].detach().cpu().contiguous().numpy()
            content = values.tobytes()
            entry = Entry(NUMBERS[values.dtype.name], values.shape, offset, len(content), masked(crc32c(content)))
            held.append((name.encode(), entry.message()))
            file.write(content)
            offset += len(content)
    with replacing(index) as path:
        path.write_bytes(table(held))
    with replacing(index.with_name("checkpoint")) as path:
        path.write_text(f'model_checkpoint_path: "{index.stem}"\n', encoding="utf-8")


def table(held: list[tuple[bytes, bytes]]) -> bytes:
    """A table with one block of keys, each written in full, an empty one of properties, and one that lists it."""
    keys, nothing = sealed(held), sealed([])
    listing = sealed([(held[-1][0], span(0, keys))])
    footer = span(len(keys), nothing) + span(len(keys + nothing), listing)
    return keys + nothing + listing + footer.ljust(FOOTER - len(MAGIC), b"\0") + MAGIC


def sealed(held: list[tuple[bytes, bytes]]) -> bytes:
    """A block of keys and values, the one place where reading can start, its compression (none) and its checksum."""
    pairs = [bytes(1) + packed_varint(len(key)) + packed_varint(len(value)) + key + value for key, value in held]
    content = b"".join(pairs) + struct.pack("<II", 0, 1) + bytes(1)
    return content + struct.pack("<I", masked(crc32c(content)))


def span(start: int, block: bytes) -> bytes:
    """A block's place and its size without its end."""
    return packed_varint(start) + packed_varint(len(block) - END)


def packed_varint(value: int) -> bytes:
    groups = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def number(field: int, value: int) -> bytes:
    """A field that holds a number; one that is 0 is left out."""
    return packed_varint(field << 3) + packed_varint(value) if value else b""


def text(field: int, content: bytes) -> bytes:
    """A field that holds bytes."""
    return packed_varint(field << 3 | 2) + packed_varint(len(content)) + content
