"""Holes drawn by hand: where their corners say, for the pictures they are named after."""

import numpy as np
import pytest
from pydantic import ValidationError

from palimpsest.config.yaml import build
from palimpsest.holes.drawn import Drawn
from palimpsest.holes.kinds import Holes, fixed_hole

SQUARE, UPPER = "64,64 191,64 191,191 64,191", "0,0 255,0 255,31 0,31"
HOLE = Drawn(shape="drawn", outlines={"house": [SQUARE], "tree": [SQUARE, UPPER], "other": [UPPER]})


@pytest.mark.parametrize("size", [64, 256])
def test_an_outline_scales_with_the_picture(size):
    hole = HOLE.draw(size, "house-0-16")
    assert hole.shape == (size, size) and hole.dtype == bool
    wanted = np.zeros((size, size), bool)
    wanted[size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = True
    assert (hole != wanted).mean() < 0.02


def test_each_picture_has_its_own_outlines_or_the_other():
    assert (HOLE.draw(64, "tree-1") == (HOLE.draw(64, "house") | HOLE.draw(64, "car"))).all()
    assert HOLE.draw(64, "car")[0].all() and not HOLE.draw(64, "car")[32].any()


def test_the_shipped_outlines_are_the_objects_own(shipped):
    holes = build(Holes, shipped["holes"], "")
    rocket, china, other = (fixed_hole(holes, "drawn", f"{name}-0-80", 320) for name in ("rocket", "china", "x"))
    assert rocket[200, 160] and not china[200, 160]
    assert 0.01 < rocket.mean() < 0.2 and 0.005 < china.mean() < 0.2 and 0.01 < other.mean() < 0.2


@pytest.mark.parametrize(
    "outlines, said",
    [
        ({"house": [SQUARE]}, "an entry 'other'"),
        ({"other": ["64,64 191,64"]}, "asked for 3 corners or more, .*, found '64,64 191,64'"),
        ({"other": ["64,64 191,64 5"]}, "found '64,64 191,64 5'"),
        ({"other": ["64,64 191,64 5,x"]}, "found '64,64 191,64 5,x'"),
        ({"other": []}, "at least 1"),
        ({"other": ["0,0 0,300 5,5"]}, "from 0 to 256, found '0,0 0,300 5,5'"),
    ],
)
def test_outlines_that_are_none_are_refused(outlines, said):
    with pytest.raises(ValidationError, match=said):
        Drawn(shape="drawn", outlines=outlines)
