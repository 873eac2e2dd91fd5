import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from palimpsest.figures import grids, pictures
from palimpsest.figures.grids import Boxed, Marked, cut_out, draw_grid
from palimpsest.layers import patches

COLOURS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "gray": (128, 128, 128)}
DPI = 100


def plain(colour: str, size=64) -> np.ndarray:
    return np.full((size, size, 3), COLOURS[colour], np.uint8)


def rendered(figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def at(figure, image: int, y: float, x: float) -> tuple[int, int, int]:
    """The colour at a place, in [0, 1] of a side, of one of the pictures."""
    left, right, bottom, top = figure.axes[0].images[image].get_extent()
    pixels = rendered(figure)
    return tuple(pixels[int(DPI * (top + y * (bottom - top))), int(DPI * (left + x * (right - left)))].tolist())


def test_each_picture_stands_in_its_row_and_column():
    figure = draw_grid([("a", [plain("red"), plain("blue")]), ("b", [plain("lime"), plain("gray")])], ["one", "two"])
    found = [at(figure, image, 0.5, 0.5) for image in range(4)]
    assert found == [COLOURS[name] for name in ("red", "blue", "lime", "gray")]
    (left, _, _, top), (_, _, _, lower), (right, _, _, level) = (i.get_extent() for i in figure.axes[0].images[:3])
    assert lower > top == level and right > left
    texts = [(text.get_text(), text.get_rotation()) for text in figure.axes[0].texts]
    assert texts == [("a", 0), ("b", 0), ("one", 90), ("two", 90)]


def test_no_two_pictures_and_nothing_outside_touch():
    figure = draw_grid([(str(i), [plain("red", 8)] * 3) for i in range(5)], ["x"] * 3, wheel=True)
    boxes = [image.get_extent() for image in figure.axes[0].images]
    width, height = figure.get_size_inches()
    assert all(0 < left < right < width and 0 < top < bottom < height for left, right, bottom, top in boxes)
    for number, (left, right, bottom, top) in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert right < other[0] or other[1] < left or bottom < other[3] or other[2] < top


def test_a_picture_is_upright_and_its_squares_stand_where_they_belong():
    picture = plain("gray")
    picture[:8] = COLOURS["lime"]
    figure = draw_grid([("a", [Boxed(picture, 16, [((32, 8), "red")])])], [""], side=4)
    assert at(figure, 0, 4 / 64, 0.9) == COLOURS["lime"] and at(figure, 0, 60 / 64, 0.9) == COLOURS["gray"]
    red, *_ = at(figure, 0, 40 / 64, 8 / 64)  # on the left side of the square
    assert red > 200 and at(figure, 0, 40 / 64, 16 / 64) == COLOURS["gray"]


def test_a_mark_ends_with_its_picture():
    figure = draw_grid([("a", [Marked(plain("gray"), [((-4, 20), (56, 56))])]), ("b", [plain("lime")])], [""])
    patch, reference = figure.axes[0].patches[1:3]
    assert (patch.get_linestyle(), reference.get_linestyle()) == ("--", "-")
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    pixels = rendered(figure)
    assert (pixels[int(DPI * top) - 2, int(DPI * left) : int(DPI * right)] == 255).all()
    assert reference.get_x() + reference.get_width() > right and reference.get_y() == pytest.approx(
        top + 56 / 64 * (bottom - top)
    )


def test_a_square_is_cut_out_where_it_lies():
    picture = np.arange(64 * 64).reshape(64, 64)
    assert np.array_equal(cut_out(picture, (8, 16), 4, "red").picture, picture[8:12, 16:20])


def test_patches_are_as_large_as_those_that_methods_pick():
    assert (grids.PATCH, pictures.STRIDE) == (patches.PATCH, patches.STRIDE)
