"""CRC-32C (Castagnoli), RFC 3720, of a hundred megabytes in a second.

A register that starts at 0 is linear in the bits that it reads, and so is what zeros after them make of it. So words
that lie some lanes apart are folded onto each other, all lanes at once, until a single word is left.
"""

from functools import cache

import numpy as np

BITS = np.uint32(1) << np.arange(32, dtype=np.uint32)
AFTER_A_ZERO = np.array([0x82F63B78, *BITS[:-1]], np.uint32)  # what one zero bit makes of each bit of a register
TO_ONES = bytes.fromhex("54641f64")  # brings a register from 0 to the 32 ones that a CRC starts with
LANES = (2**14, 2**7, 1)  # words of 4 bytes; a row of the most stays in the cache until the next one comes


def crc32c(data: bytes) -> int:
    content = TO_ONES + data
    words = np.frombuffer(bytes(-len(content) % (4 * LANES[0])) + content, "<u4")
    for lanes in LANES:
        words, *others = words.reshape(-1, lanes)
        for row in others:
            words = skip(words, 32 * lanes) ^ row
    return int(skip(words, 32)[0]) ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """A CRC as TensorFlow stores it."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def skip(registers: np.ndarray, zeros: int) -> np.ndarray:
    """What so many zero bits, a power of two, make of each register."""
    low, high = tables(zeros)
    return low[registers & 0xFFFF] ^ high[registers >> 16]


@cache
def tables(zeros: int) -> tuple[np.ndarray, np.ndarray]:
    """What so many zero bits make of each lower and of each upper half of a register."""
    columns = AFTER_A_ZERO if zeros == 1 else skip(skip(BITS, zeros // 2), zeros // 2)
    return sums(columns[:16]), sums(columns[16:])


def sums(columns: np.ndarray) -> np.ndarray:
    """For each number the sum, without carries, of the columns where it has a bit."""
    table = np.zeros(1, np.uint32)
    for column in columns:
        table = np.concatenate([table, table ^ column])
    return table
