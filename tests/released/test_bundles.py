"""The format is held by what TensorFlow 2.21 wrote, and by a file put together by hand."""

import struct

import pytest
import torch

from palimpsest.config.yaml import InputError
from palimpsest.released.bundles import read, write
from palimpsest.released.crc32c import crc32c, masked

INDEX, DATA = "snap-0.index", "snap-0.data-00000-of-00001"
BY_TENSORFLOW = (
    "00000608011a020801000b0b676c6f62616c5f7374657008091200280835f2fe5b9d000d116e65742f636f6e762f6269617308011204"
    "120208032008280c35735b897109061d6b65726e656c080112101202080112020801120208021202080320142818357aebf5ab000000"
    "00010000000016a798a4000000000100000000c0f2a1b00001026f007100000000010000000000d53591"
    "760883010e" + 35 * "00" + "57fb808b247547db",
    "2c010000000000000000803f00000040000040400000803f0000004000004040000080400000a0400000c040",
)
HELD = {
    "global_step": torch.tensor(300),
    "net/conv/bias": torch.tensor([1.0, 2.0, 3.0]),
    "net/conv/kernel": torch.arange(1.0, 7.0).view(1, 1, 2, 3),
}
BY_HAND = (
    "0000 06 08011a020801"  # shares 0, own 0, value 6: one shard, version 1
    "0001 0f 61 0801 1204 1202 0802 2808 35 593ce535"  # "a": float32, one dimension of 2, 8 bytes, their checksum
    "00000000 01000000 00 4419559e"  # reading starts at 0, one such place, not compressed, checksum of the block
    "00000000 01000000 00 c0f2a1b0"  # no further properties
    "0001 02 61 0024 00000000 01000000 00 7ef4ca0c"  # up to "a": the block at 0, 36 bytes
    "2908 360e" + 36 * "00" + "57fb808b247547db"  # the second at 41, 8 bytes, the third at 54, 14 bytes; magic number
)


def everything(name):
    return True


def put(folder, index: bytes, data: bytes):
    (folder / INDEX).write_bytes(index)
    (folder / DATA).write_bytes(data)
    return folder / "snap-0"


@pytest.fixture
def by_tensorflow(tmp_path):
    return put(tmp_path, *map(bytes.fromhex, BY_TENSORFLOW))


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value)


@pytest.mark.parametrize("name", ["snap-0", INDEX, DATA])
def test_what_tensorflow_wrote_is_read(by_tensorflow, name):
    same(read(by_tensorflow.with_name(name), everything), HELD)


def test_what_is_written_is_what_was_put_together_by_hand(tmp_path):
    write(tmp_path / "snap-0", {"a": torch.tensor([1.0, 2.0])})
    assert (tmp_path / INDEX).read_bytes().hex() == BY_HAND.replace(" ", "")
    assert (tmp_path / DATA).read_bytes() == struct.pack("<2f", 1, 2)
    assert (tmp_path / "checkpoint").read_text(encoding="utf-8") == 'model_checkpoint_path: "snap-0"\n'


def test_data_are_those_that_tensorflow_writes(tmp_path):
    write(tmp_path / "snap-0", dict(reversed(HELD.items())))
    assert (tmp_path / DATA).read_bytes().hex() == BY_TENSORFLOW[1]


def test_what_is_written_is_read_again(tmp_path):
    torch.manual_seed(0)
    held = {f"net/conv{i}/kernel": torch.randn(3, 3, i % 5, 7) for i in range(200)}
    held |= {"é": torch.randn(20_000), "lr": torch.tensor(0.5, dtype=torch.float64), "count": torch.arange(5).int()}
    held["transposed"] = torch.randn(4, 3).half().T
    write(tmp_path / "snap-0", held)
    same(read(tmp_path / "snap-0", everything), held)


def test_only_what_is_wanted_is_read(by_tensorflow):
    data = by_tensorflow.with_name(DATA)
    data.write_bytes(b"damaged!" + data.read_bytes()[8:])
    same(read(by_tensorflow, lambda name: "bias" in name), {"net/conv/bias": HELD["net/conv/bias"]})


def test_keys_go_on_in_further_blocks(by_tensorflow):
    """The same table with the last key in a block of its own."""
    table = bytes.fromhex(BY_TENSORFLOW[0])
    first, second = table[:67], bytes.fromhex("000f1d") + b"net/conv/kernel" + table[76:105]

    def sealed(content):
        content += bytes.fromhex("00000000 01000000 00")
        return content + masked(crc32c(content)).to_bytes(4, "little")

    blocks = [sealed(first), sealed(second)]
    at, sizes = len(blocks[0]), [len(block) - 5 for block in blocks]
    blocks.append(sealed(bytes([0, 1, 2, *b"n", 0, sizes[0], 0, 1, 2, *b"o", at, sizes[1]])))
    start = len(blocks[0] + blocks[1])
    footer = bytes([0, 0, start & 127 | 128, start >> 7, len(blocks[2]) - 5])
    by_tensorflow.with_name(INDEX).write_bytes(b"".join(blocks) + footer.ljust(40, b"\0") + table[-8:])
    same(read(by_tensorflow, everything), HELD)


FAULTS = {
    "bit": lambda index, data: (index, data[:30] + bytes([data[30] ^ 1]) + data[31:]),
    "cut": lambda index, data: (index, data[:-1]),
    "magic": lambda index, data: (index[:-1] + b"\0", data),
    "empty": lambda index, data: (b"", data),
    "index": lambda index, data: (index[:20] + b"\0" + index[21:], data),
    "short": lambda index, data: (index[:10] + index[-48:], data),
}


@pytest.mark.parametrize(
    "fault, message",
    [
        (
            "bit",
            "snap-0.data-00000-of-00001: net/conv/kernel differs from its checksum in the index; accepted: ",
        ),
        ("cut", "snap-0.data-00000-of-00001: net/conv/kernel ends after 23 of 24 bytes; accepted: the whole file"),
        ("magic", "snap-0.index: not an index, or cut short; accepted: the .index of a TensorFlow checkpoint"),
        ("empty", "snap-0.index: not an index, or cut short"),
        ("index", "snap-0.index: its block at byte 0 is damaged; accepted: the file as it was written"),
        ("short", "snap-0.index: its block at byte 131 is damaged"),
    ],
)
def test_a_damaged_file_is_refused(by_tensorflow, fault, message):
    put(by_tensorflow.parent, *FAULTS[fault](*map(bytes.fromhex, BY_TENSORFLOW)))
    with pytest.raises(InputError, match=message):
        read(by_tensorflow, everything)


@pytest.mark.parametrize(
    "before, after, message",
    [
        ("06 08011a020801", "06 08021a020801", "snap-0.index: its tensors are in several data files, or big-endian"),
        ("06 08011a020801", "06 080110011a01", "snap-0.index: its tensors are in several data files, or big-endian"),
        (
            "61 0801",
            "61 0807",
            "a has TensorFlow's type 7; accepted: float32, float64, int32, int64, float16",
        ),
        ("0802 2808", "0803 2808", r"a has 8 bytes for the shape \(3,\); accepted: all of it in one piece"),
        ("01000000 00 4419", "01000000 01 4419", "snap-0.index: its block at byte 0 is compressed"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, before, after, message):
    """Of which the checksums are right."""
    assert BY_HAND.count(before) == 1
    index = bytes.fromhex(BY_HAND.replace(before, after))
    content = index[:37]
    index = content + masked(crc32c(content)).to_bytes(4, "little") + index[41:]
    with pytest.raises(InputError, match=message):
        read(put(tmp_path, index, struct.pack("<2f", 1, 2)), everything)


@pytest.mark.parametrize("absent", [INDEX, DATA])
def test_both_files_are_needed(by_tensorflow, absent):
    by_tensorflow.with_name(absent).unlink()
    with pytest.raises(InputError, match=f"{absent}: not found; accepted: a checkpoint's index, and beside it"):
        read(by_tensorflow, everything)
