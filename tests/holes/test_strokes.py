import cv2
import numpy as np
import pytest

from palimpsest.holes.lengths import covered, scaled, thickness
from palimpsest.holes.strokes import Brush, PicnetIrregular, Strokes


def rows(width: int) -> int:
    """The pixels that a line of an OpenCV thickness covers across."""
    canvas = np.zeros((200, 300), np.uint8)
    cv2.line(canvas, (100, 100), (200, 100), 1, width)
    return int(canvas[:, 150].sum())


@pytest.mark.parametrize("width", range(1, 60))
def test_a_line_covers_the_odd_number_of_pixels_nearest_its_width(width):
    assert rows(thickness(width, 256)) == width + 1 - width % 2
    assert rows(thickness(4 * width, 64)) == width + 1 - width % 2
    assert width == 1 or rows(width) == covered(width)


@pytest.mark.parametrize(
    ("length", "size", "found"), [(0, 64, 0), (1, 64, 1), (5, 64, 1), (6, 64, 2), (45, 512, 90), (7, 256, 7)]
)
def test_a_length_scales_with_the_picture(length, size, found):
    assert scaled(length, size) == found


def test_a_brush_goes_to_the_right():
    """One stroke of one width: its steps are no longer than twice the mean, and none goes back."""
    brush = Brush(
        shape="brush", strokes=[1, 1], vertices=[6, 6], angle=72.0, angle_range=0.0, step=45.25, width=[13, 13]
    )
    rng = np.random.default_rng(1)
    for _ in range(50):
        path = brush._path(256, rng)
        assert path.shape == (7, 2) and (np.diff(path[:, 0]) >= 0).all()
        assert np.hypot(*np.diff(path, axis=0).T).max() <= 2 * 45.25 + 1


def test_a_steep_brush_alternates_up_and_down():
    brush = Brush(shape="brush", strokes=[1, 1], vertices=[4, 4], angle=90.0, angle_range=0.0, step=10.0, width=[3, 3])
    path = brush._path(256, np.random.default_rng(0))
    assert np.sign(np.diff(path[:, 1])).tolist() == [-1, 1, -1, 1]


def test_one_stroke_of_one_piece_is_a_round_ended_bar():
    """Its area is that of a rectangle and a disc, but for a pixel along its outline."""
    shape = Strokes(shape="strokes", strokes=[1, 1], vertices=[1, 1], length=100, width=[21, 21])  # 23 px
    rng = np.random.default_rng(0)
    bars = [hole for hole in (shape.draw(256, rng) for _ in range(300)) if not hole[[0, -1]].any(axis=None)]
    bars = [hole for hole in bars if not hole[:, [0, -1]].any()]
    longest = 0
    for hole in bars:
        points = np.argwhere(hole)
        length = cv2.minEnclosingCircle(points.astype(np.float32))[1] * 2 - 23  # between the ends' centres
        longest = max(longest, length)
        assert hole.sum() == pytest.approx(23 * length + np.pi * 23**2 / 4, abs=length + 3 * 23)
    assert len(bars) > 100 and 95 < longest <= 101


def test_picnet_draws_lines_discs_and_arcs_in_the_stated_shares(monkeypatch):
    """Binomial, within four standard errors; each sort with the widths it may have."""
    seen = {"line": [], "circle": [], "ellipse": []}
    monkeypatch.setattr(cv2, "line", lambda *given: seen["line"].append(given[4]))
    monkeypatch.setattr(cv2, "circle", lambda *given: seen["circle"].append(given[2]))
    monkeypatch.setattr(cv2, "ellipse", lambda *given: seen["ellipse"].append(given[7]))
    shape, rng = PicnetIrregular(shape="picnet-irregular", pieces=[16, 64], width=[4, 20]), np.random.default_rng(0)
    counts = []
    for _ in range(100):
        shape.draw(256, rng)
        counts.append(sum(map(len, seen.values())) - sum(counts))
    total = sum(counts)
    for sort, share in (("line", 0.6), ("circle", 0.2), ("ellipse", 0.2)):
        assert len(seen[sort]) / total == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / total))
    assert min(counts) >= 16 and max(counts) <= 64
    assert set(seen["circle"]) == set(range(4, 21))
    assert set(seen["line"]) == set(seen["ellipse"]) == set(range(4, 21, 2))  # what OpenCV can tell apart
