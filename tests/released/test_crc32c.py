import pytest
from numpy.random import default_rng

from palimpsest.released.crc32c import crc32c, masked

RFC_3720 = {  # appendix B.4
    bytes(32): "aa36918a",
    b"\xff" * 32: "43aba862",
    bytes(range(32)): "4e79dd46",
    bytes(reversed(range(32))): "5cdb3f11",
    bytes.fromhex("01c00000000000000000000000000000140000000000040000000014000000182800000000000000")
    + bytes.fromhex("0200000000000000"): "563a96d9",
}


def bitwise(data: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize("data", RFC_3720)
def test_the_standards_own_examples(data):
    assert crc32c(data).to_bytes(4, "little").hex() == RFC_3720[data]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 65_531, 65_532, 65_533, 140_001])
def test_it_is_bitwise_division_at_every_size(size):
    data = default_rng(size).bytes(size)
    assert crc32c(data) == bitwise(data)


def test_the_mask_turns_by_15_bits_and_adds_a_constant():
    assert masked(0) == 0xA282EAD8
    assert masked(0x00008000) == 0xA282EAD9
    assert masked(0x00000001) == 0xA284EAD8
