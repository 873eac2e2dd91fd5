"""Holes as editors and other programs save them: a disc of a known ratio, in every form."""

import numpy as np
import pytest
from PIL import Image

from palimpsest.config.yaml import InputError
from palimpsest.holes.files import Reading

SHAPE = HEIGHT, WIDTH = 50, 60
Y, X = np.mgrid[:HEIGHT, :WIDTH]
DISC = (Y - 24.5) ** 2 + (X - 29.5) ** 2 <= 15**2
WHITE = DISC.astype(np.uint8) * 255
CLEAR = Reading(None, False)
SOFT = np.asarray(Image.fromarray(DISC.repeat(4, 0).repeat(4, 1).astype(np.uint8) * 255).resize((WIDTH, HEIGHT)))


def palette(colours):
    picture = Image.fromarray(DISC.astype(np.uint8), "P")
    picture.putpalette(colours)
    return picture


def brush(alpha, colour=(200, 30, 30)):
    """Painted on a transparent layer, whose own colour is black."""
    return np.dstack([*(np.where(alpha > 0, value, 0).astype(np.uint8) for value in colour), alpha])


def grey_with_alpha(grey, alpha):
    return Image.fromarray(np.dstack([np.full(SHAPE, grey, np.uint8) if isinstance(grey, int) else grey, alpha]), "LA")


OPAQUE = np.full(SHAPE, 255, np.uint8)
FORMS = {
    "black and white.png": WHITE,
    "antialiased.png": SOFT,
    "jpeg.jpg": WHITE,
    "rgb jpeg.JPEG": np.dstack([WHITE] * 3),
    "rgb.png": np.dstack([WHITE] * 3),
    "0 and 1.png": DISC.astype(np.uint8),
    "0 and 1 in rgb.bmp": np.dstack([DISC.astype(np.uint8)] * 3),
    "bits.TIF": DISC,
    "palette.png": palette([0, 0, 0, 255, 255, 255]),
    "palette.gif": palette([0, 0, 0, 255, 255, 255]),
    "brush in alpha.png": brush(WHITE),
    "soft brush in alpha.png": brush(SOFT),
    "black brush in alpha.png": brush(WHITE, (0, 0, 0)),
    "white with alpha.png": grey_with_alpha(255, WHITE),
    "grey with opaque alpha.png": grey_with_alpha(WHITE, OPAQUE),
    "white where opaque.png": np.dstack([WHITE] * 4),
    "16 bits.png": DISC.astype(np.uint16) * 65535,
    "0 and 1 of 16 bits.png": DISC.astype(np.uint16),
    "0 and 255 of 16 bits.tif": DISC.astype(np.uint16) * 255,
    "floats.tiff": DISC.astype(np.float32),
}


def saved(folder, name, form):
    (form if isinstance(form, Image.Image) else Image.fromarray(form)).save(folder / name)
    return folder / name


@pytest.mark.parametrize("name", FORMS)
def test_a_hole_in_any_form_is_the_disc(tmp_path, name):
    path = saved(tmp_path, name, FORMS[name])
    hole = CLEAR.read(path, SHAPE)
    assert (hole.missing == DISC).mean() > 0.999  # JPEG may turn a pixel of the edge
    assert (Reading(None, True).read(path, SHAPE).missing != hole.missing).all()
    assert (hole.soft > 0.01) == any(word in name for word in ("antialiased", "jpeg", "soft")), hole.soft


def test_the_middle_is_known_and_what_is_above_it_missing(tmp_path):
    levels = np.tile(np.array([0, 0, 0, 127, 128, 255, 255, 255], np.uint8), (8, 1))
    hole = CLEAR.read(saved(tmp_path, "a.png", levels), (8, 8))
    assert (hole.missing == (levels > 127)).all() and hole.soft == 2 / 8


@pytest.mark.parametrize(
    ("form", "channel", "said"),
    [
        (np.dstack([WHITE, WHITE * 0, WHITE * 0]), "red", "colours; accepted: black and white, or one channel by"),
        (palette([0, 0, 0, 128, 0, 0]), "red", "colours; accepted: black and white, or one channel by --holes-in red"),
        (np.dstack([X * 4, Y * 5, X * 4, WHITE]).astype(np.uint8), "alpha", "one in its brightness and another in its"),
        (grey_with_alpha(255 - WHITE, np.where(Y > 10, OPAQUE, 0).astype(np.uint8)), None, "one in its brightness and"),
    ],
    ids=["red", "palette of red", "a picture with alpha", "two holes"],
)
def test_a_hole_that_could_be_another_is_refused_until_its_channel_is_named(tmp_path, form, channel, said):
    path = saved(tmp_path, "a.png", form)
    with pytest.raises(InputError, match=f"asked for a hole, found {said}"):
        CLEAR.read(path, SHAPE)
    if channel:
        assert (Reading(channel, False).read(path, SHAPE).missing == DISC).all()


def test_a_hole_that_is_erased_from_a_black_canvas_is_refused_until_its_channel_is_named(tmp_path):
    path = saved(tmp_path, "a.png", brush(255 - WHITE, (0, 0, 0)))
    with pytest.raises(InputError, match=r"one in its brightness and another in its alpha; accepted: .*--invert"):
        CLEAR.read(path, SHAPE)
    assert (Reading("alpha", True).read(path, SHAPE).missing == DISC).all()


@pytest.mark.parametrize("name", FORMS)
def test_what_alpha_alone_says_is_told(tmp_path, name):
    painted = CLEAR.read(saved(tmp_path, name, FORMS[name]), SHAPE).painted
    assert painted == any(word in name for word in ("brush", "white with alpha")), name


def test_an_erased_part_is_alpha_inverted(tmp_path):
    path = saved(tmp_path, "a.png", np.dstack([X * 4, Y * 5, X * 4, 255 - WHITE]).astype(np.uint8))
    assert (Reading("alpha", True).read(path, SHAPE).missing == DISC).all()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (np.zeros((8, 9), np.uint8), "the hole is 9 x 8 px, the picture 60 x 50; accepted: equal sizes"),
        (WHITE * 0, "every pixel is known; accepted: a hole with known and missing pixels"),
        (OPAQUE, "every pixel is missing; accepted"),
        (
            DISC.astype(np.uint8) * 100,
            "every pixel is known, and 24% of them are grey, below the middle; accepted: black and white (0 and 255, "
            "or 0 and 1); its levels are 0 to 100",
        ),
        (DISC.astype(np.uint8) * 2, "accepted: black and white (0 and 255, or 0 and 1); its levels are 0 to 2"),
        (brush(DISC.astype(np.uint8) * 60), "its levels are 0 to 60"),
        (
            brush(DISC.astype(np.uint8) * 20),
            "alpha of 20 of 255 at most, too faint for a hole; accepted: an opaque brush",
        ),
        ((X * 4).astype(np.uint8), "a picture that is grey in 80% of its pixels; accepted: mostly black and white"),
        (DISC.astype(np.int32) * 10**6, "levels from 0 to 1e+06; accepted: from 0, for black, to 1, 255 or 65535"),
        (np.where(DISC, np.nan, 0).astype(np.float32), "levels from nan to nan; accepted"),
    ],
    ids=["size", "black", "white", "dark", "darker", "faint", "fainter", "a gradient", "large numbers", "no numbers"],
)
def test_what_is_no_hole_is_refused(tmp_path, form, said):
    path = saved(tmp_path, "a.tif", form)
    with pytest.raises(InputError) as error:
        CLEAR.read(path, SHAPE)
    assert str(path) in str(error.value) and said in str(error.value)


def test_alpha_where_there_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="found no alpha; accepted: --holes-in brightness"):
        Reading("alpha", False).read(saved(tmp_path, "a.png", WHITE), SHAPE)
