from itertools import islice

import cv2
import numpy as np
import pytest

from palimpsest.config.yaml import InputError, build
from palimpsest.holes.binned import Binned, _fill, _pieces
from palimpsest.holes.bins import bin_counts
from palimpsest.holes.kinds import training_hole

BINS = ["0-10", "10-20", "20-30", "30-40", "40-50", "50-60"]
NAMES = [f"irregular-{name}{rule}" for name in BINS for rule in ("", "-clear")]


def inside(hole: np.ndarray, name: str) -> bool:
    """Whether a hole lies in the bin and keeps the border rule that its kind is named after."""
    size, missing = len(hole), int(hole.sum())
    low, high = map(int, name.removeprefix("irregular-").removesuffix("-clear").split("-"))
    frame = size * 25 // 256
    edge = np.ones((size, size), bool)
    edge[1:-1, 1:-1] = False
    around = np.ones((size, size), bool)
    around[frame:-frame, frame:-frame] = False
    border = not hole[around].any() if name.endswith("-clear") else hole[edge].any()
    return max(1, low) * size**2 < 100 * missing <= high * size**2 and border


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("name", NAMES)
def test_holes_fill_their_bin_evenly(holes, name, size):
    """Each quarter of the bin holds a quarter of the holes, within four standard errors: nothing piles up."""
    drawn = [training_hole(holes, name, i, size) for i in range(240)]
    assert all(inside(hole, name) for hole in drawn)
    ratios, kind = np.array([hole.mean() for hole in drawn]), holes.kind(name)
    assert ratios.mean() == pytest.approx((kind.above + kind.up_to) / 2, abs=0.01)
    quarters = np.histogram(ratios, np.linspace(kind.above, kind.up_to, 5))[0] / len(ratios)
    assert quarters == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / len(ratios)))


@pytest.mark.parametrize("size", [32, 97, 128, 512])
def test_holes_of_any_size_lie_in_their_bin(holes, size):
    for name in NAMES:
        assert all(inside(training_hole(holes, name, i, size), name) for i in range(5))


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("ratio", [0.02, 0.25, 0.55])
def test_counting_late_gives_what_counting_every_piece_gives(size, ratio):
    """The reference draws and counts piece by piece, and stops at the one that comes closest to the target."""
    target, counts = int(ratio * size**2), bin_counts(ratio - 0.01, ratio + 0.01, size**2)
    for seed in range(10):
        pieces = list(islice(_pieces(size, size, np.random.default_rng(seed), False), 2000))
        canvas, count = np.zeros((size, size), np.uint8), 0
        for start, end, pen, most in pieces:
            longer = cv2.line(canvas.copy(), start, end, 1, pen)
            added = int(longer.sum()) - count
            assert added <= most
            if count + added >= target:
                options = [
                    (abs(n - target), n, c) for n, c in ((count + added, longer), (count, canvas)) if n in counts
                ]
                if options:
                    canvas = min(options, key=lambda option: option[0])[2]
                    break
                continue  # undone: the piece is left out
            canvas, count = longer, count + added
        assert (_fill(size, iter(pieces), target, counts) == canvas).all()


def test_a_piece_that_oversteps_the_bin_is_undone():
    """10 to 12 px are wanted: the second bar of 9 px would make 18, so the third, of 2 px, comes instead."""
    bars = [((0, row), (length - 1, row), 1, 30) for row, length in ((1, 9), (3, 9), (5, 2))]
    canvas = _fill(16, iter(bars), 11, range(10, 13))
    assert canvas.sum(axis=1).tolist() == [0, 9, 0, 0, 0, 2] + 10 * [0]


def test_an_anchored_first_stroke_begins_on_the_border():
    starts = [next(_pieces(64, 64, np.random.default_rng(i), True))[0] for i in range(40)]
    assert all(0 in start or 63 in start for start in starts)
    assert {(axis, end) for start in starts for axis, end in enumerate(start) if end in (0, 63)} == {
        (0, 0),
        (0, 63),
        (1, 0),
        (1, 63),
    }


def test_a_first_stroke_too_large_for_the_bin_is_drawn_again():
    """263 to 524 px of 65,536: less than most pieces cover, but not than all."""
    shape = Binned(shape="binned", above=0.004, up_to=0.008, border="touching", frame=0)
    for i in range(20):
        hole = shape.draw(256, np.random.default_rng(i))
        assert 262 < hole.sum() <= 524 and (hole[[0, -1]].any() or hole[:, [0, -1]].any())


BIN = {"shape": "binned", "above": 0.2, "up_to": 0.3}


CONTRADICTS = "accepted: touching with a frame of 0, free with one of 1 to 127 px"


@pytest.mark.parametrize(
    ("border", "frame", "said"),
    [("touching", 25, CONTRADICTS), ("free", 0, CONTRADICTS), ("free", 128, "frame is 128; accepted: a number below")],
)
def test_a_frame_that_contradicts_the_border_is_refused(border, frame, said):
    with pytest.raises(InputError, match=said):
        build(Binned, {**BIN, "border": border, "frame": frame}, "holes")


def test_a_bin_that_cannot_be_filled_is_refused():
    shape = Binned(**BIN, border="free", frame=100)
    with pytest.raises(
        InputError, match=r"asked for free holes of \(0\.2, 0\.3\] of 256 x 256 px with a frame of 100 px"
    ):
        shape.draw(256, np.random.default_rng(0))
