"""What is shown of test pictures."""

import numpy as np
import pytest

from palimpsest.results.samples import STRIPES, hatched


@pytest.mark.parametrize(("side", "period"), [(64, 8), (320, 20)])
@pytest.mark.parametrize("grey", [0, 150, 255])
def test_a_hole_is_hatched_so_that_no_picture_hides_it(side, period, grey):
    pictures, holes = np.full((2, side, side, 3), grey, np.uint8), np.zeros((2, side, side), bool)
    holes[:, 8:56, 16:60] = True
    shown = hatched(pictures, holes)
    assert (shown[~holes] == grey).all() and shown.dtype == np.uint8
    y, x = 20, 30
    stripe = shown[0, y, x : x + period, 0].tolist()
    assert sorted(stripe) == sorted(STRIPES * (period // 2))
    assert shown[0, y + 1, x - 1].tolist() == shown[0, y, x].tolist()  # a stripe rises to the right


def test_hatching_leaves_pictures_without_holes_as_they_are():
    pictures = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)
    assert np.array_equal(hatched(pictures, np.zeros((1, 16, 16), bool)), pictures)
