import numpy as np
import pytest

from palimpsest.config.yaml import InputError, build
from palimpsest.holes.bins import Bin, bin_counts, touches_border


@pytest.mark.parametrize("pixels", [100, 4096, 65536, 512 * 680])
def test_bins_are_decided_on_whole_numbers(pixels):
    bins = [bin_counts(k / 10, (k + 1) / 10, pixels) for k in range(6)]
    around = {k * pixels // 10 + step for k in range(11) for step in (-1, 0, 1)}
    for missing in around & set(range(pixels + 1)):
        k = -(-missing * 10 // pixels) - 1  # the bin with k · pixels < missing · 10 <= (k + 1) · pixels
        assert [i for i, counts in enumerate(bins) if missing in counts] == [i for i in range(6) if i == k]


def test_a_count_on_an_edge_belongs_below_it():
    assert 0.1 + 0.2 > 0.3  # what rounded numbers would say of 3 pixels in 10
    assert bin_counts(0.2, 0.3, 10) == range(3, 4)
    assert 0.29 * 100 < 29 and bin_counts(0.28, 0.29, 100) == range(29, 30)


def test_a_bin_may_begin_above_zero():
    assert bin_counts(0.01, 0.1, 65536) == range(656, 6554)  # (655.36, 6553.6]
    assert bin_counts(0.01, 0.1, 100) == range(2, 11)


def test_bins_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"above 0\.3, up_to 0\.3; accepted: above below up_to"):
        build(Bin, {"above": 0.3, "up_to": 0.3}, "holes")
    with pytest.raises(InputError, match=r"holes\.up_to is 1\.0; accepted: a number below 1"):
        build(Bin, {"above": 0.3, "up_to": 1.0}, "holes")
    with pytest.raises(InputError, match=r"\(0\.33, 0\.35\] of 5 x 5 px, which no whole number of pixels is"):
        Bin(above=0.33, up_to=0.35).counts(5)


def test_a_hole_touches_the_border_by_one_pixel():
    for row, column in [(0, 3), (7, 3), (3, 0), (3, 7)]:
        hole = np.zeros((8, 8), bool)
        hole[row, column] = True
        assert touches_border(hole)
    inner = np.zeros((8, 8), bool)
    inner[1:7, 1:7] = True
    assert not touches_border(inner)
