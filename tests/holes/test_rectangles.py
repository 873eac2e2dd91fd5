import numpy as np
import pytest

from palimpsest.config.yaml import InputError
from palimpsest.holes.kinds import fixed_hole
from palimpsest.holes.rectangles import Centre, PicnetRegular, RandomSquare, ShrunkSquare, Square

DEEPFILL = ShrunkSquare(shape="shrunk-square", side=128, max_shrink=16, margin=0)


def box(hole: np.ndarray) -> tuple[int, int, int, int]:
    """(first row, last row, first column, last column) of a hole that is a full rectangle."""
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    assert hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    return rows[0], rows[-1], columns[0], columns[-1]


def sides(hole: np.ndarray) -> tuple[int, int]:
    top, bottom, left, right = box(hole)
    return bottom - top + 1, right - left + 1


def test_shrunk_squares_follow_the_released_code():
    rng = np.random.default_rng(0)
    holes = [DEEPFILL.draw(256, rng) for _ in range(4000)]
    heights, widths = zip(*(sides(hole) for hole in holes), strict=True)
    assert {*heights, *widths} == set(range(96, 129, 2))
    assert np.mean([hole.mean() for hole in holes]) == pytest.approx(0.1911, abs=0.002)
    assert not any(hole[255].any() or hole[:, 255].any() for hole in holes)
    assert any(hole[:4].any() for hole in holes) and any(hole[250:].any() for hole in holes)


def test_a_known_hole_stays_the_same_for_ever(holes):
    assert box(fixed_hole(holes, "rectangle", "rocket-0-0", 256)) == (118, 227, 128, 249)


def test_a_smaller_picture_has_a_smaller_square():
    small = ShrunkSquare(shape="shrunk-square", side=32 * 4, max_shrink=4 * 4, margin=0)
    rng, reference = np.random.default_rng(3), np.random.default_rng(3)
    for _ in range(50):
        top, left = reference.integers(64 - 32, size=2)
        shrink_y, shrink_x = reference.integers(4 + 1, size=2)
        wanted = (top + shrink_y, top + 31 - shrink_y, left + shrink_x, left + 31 - shrink_x)
        assert box(small.draw(64, rng)) == wanted


def test_a_margin_is_kept():
    shape, rng = ShrunkSquare(shape="shrunk-square", side=128, max_shrink=0, margin=60), np.random.default_rng(0)
    boxes = [box(shape.draw(256, rng)) for _ in range(100)]
    assert {b[0] for b in boxes} == {b[2] for b in boxes} == set(range(60, 68))
    assert all(b[1] - b[0] == b[3] - b[2] == 127 for b in boxes)


def test_a_square_takes_every_place():
    rng = np.random.default_rng(0)
    boxes = [box(Square(shape="square", side=250).draw(256, rng)) for _ in range(200)]
    assert {b[0] for b in boxes} == {b[2] for b in boxes} == set(range(7))
    assert all(b[1] - b[0] == b[3] - b[2] == 249 for b in boxes)


def test_random_squares_take_every_side():
    rng = np.random.default_rng(0)
    found = [sides(RandomSquare(shape="random-square", side=[64, 68]).draw(256, rng)) for _ in range(200)]
    assert {height for height, _ in found} == set(range(64, 69))
    assert all(height == width for height, width in found)


@pytest.mark.parametrize(
    ("ratio", "size", "side", "offset"),
    [(0.25, 256, 128, 64), (0.5, 256, 181, 37), (0.25, 64, 32, 16), (0.5, 64, 45, 9), (0.5, 128, 90, 19)],
)
def test_centred_squares_are_the_largest_that_fit_the_ratio(ratio, size, side, offset):
    hole = Centre(shape="centre", ratio=ratio).draw(size, np.random.default_rng(0))
    assert box(hole) == (offset, offset + side - 1, offset, offset + side - 1)
    assert hole.mean() <= ratio < (side + 1) ** 2 / size**2


def test_one_picnet_rectangle_keeps_to_its_limits():
    rng = np.random.default_rng(0)
    boxes = [box(PicnetRegular(shape="picnet-regular", rectangles=[1, 1]).draw(256, rng)) for _ in range(2000)]
    tops, heights = np.array([b[0] for b in boxes]), np.array([b[1] - b[0] + 1 for b in boxes])
    assert tops.min() == 0 and tops.max() == 128  # 256 - 256 / 2
    assert heights.min() == 32  # 256 / 8
    assert max(b[1] for b in boxes) == 255
    assert tops.mean() == pytest.approx(64, abs=4 * 37.3 / np.sqrt(2000))  # four standard errors


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (
            ShrunkSquare(shape="shrunk-square", side=256, max_shrink=16, margin=0),
            r"256 px square, shrunk by 16 px a side and 0 px from the border, does not fit 256 px; accepted: side",
        ),
        (ShrunkSquare(shape="shrunk-square", side=32, max_shrink=16, margin=0), "max_shrink below half the side"),
        (Square(shape="square", side=256), "256 px square does not fit 256 px; accepted: a side below 256"),
        (RandomSquare(shape="random-square", side=[300, 301]), r"30\d px square does not fit 256 px"),
    ],
)
def test_a_square_that_does_not_fit_is_refused(shape, said):
    with pytest.raises(InputError, match=said):
        shape.draw(256, np.random.default_rng(0))
