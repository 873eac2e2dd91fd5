"""What the demo offers and shows, without its page."""

import numpy as np
import pytest
from PIL import ImageColor

from palimpsest.config import runs
from palimpsest.config.yaml import InputError
from palimpsest.demo.filling import Methods, marked, painted, ready
from palimpsest.models import create
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace

SIZES = [(64, 64), (50, 70)]


@pytest.fixture(scope="module")
def methods(tmp_path_factory, shipped):
    """Untrained runs, in a folder of their own."""
    workspace = Workspace(tmp_path_factory.mktemp("trained"))
    names = ["constant-fill", "deepfill-v2", "deepfill-v1", "tmad"]
    for name in names:
        run = runs.resolve(shipped, name)
        checkpoints.save(workspace.run(name).weights, create(run, 64), checkpoints.Origin(run, "", 64, ""))
    return Methods(shipped, names, "cpu", workspace)


def example(height, width):
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    hole = np.zeros((height, width), bool)
    hole[10:30, 20:40] = True
    return picture, hole


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("constant-fill", set()),
        ("deepfill-v1", {"coarse", "where it looks"}),
        ("deepfill-v2", {"coarse", "where it looks", "pieced from its patches"}),
        ("tmad", {"coarse", "patches it retrieved"}),
    ],
)
def test_a_method_fills_the_hole_alone_and_shows_its_inside(methods, name, shown, size):
    picture, hole = example(*size)
    made = methods.fill(name, picture, hole)
    assert (made.result[~hole] == picture[~hole]).all() and (made.result[hole] != picture[hole]).any()
    assert set(made.inside) == shown
    assert all(each.shape == picture.shape and each.dtype == np.uint8 for each in made.inside.values())
    assert made.seconds > 0 and made.note == ""


def test_retrieved_patches_are_framed_where_they_lie():
    retrieved = np.full((2, 3, 2, 2), -1)
    retrieved[1, 1] = [[0, 0], [3, 16]]
    drawn = marked(np.zeros((16, 24, 3), np.uint8), retrieved, 8)
    corners = {"red": (8, 8), "deepskyblue": (0, 0), "limegreen": (3, 16)}
    for colour, (y, x) in corners.items():
        assert (drawn[y : y + 8, [x, x + 7]] == ImageColor.getrgb(colour)).all()
    assert not drawn[9:15, 9:15].any()


def test_what_is_painted_is_the_hole():
    background = np.random.default_rng(0).integers(0, 256, (3, 4, 4), np.uint8)
    layer = np.zeros_like(background)
    layer[0, :, 3] = 0, 127, 128, 255
    picture, hole = painted(background, [layer])
    assert (picture == background[..., :3]).all()
    assert hole.tolist() == [[False, False, True, True], [False] * 4, [False] * 4]


@pytest.mark.parametrize(("alpha", "state"), [(255, "missing"), (0, "known")])
def test_a_hole_has_known_and_missing_pixels(alpha, state):
    with pytest.raises(InputError, match=f"every pixel is {state}; accepted: a hole painted"):
        painted(np.zeros((9, 9, 4), np.uint8), [np.full((9, 9, 4), alpha, np.uint8)])
    with pytest.raises(InputError, match="asked for a picture, found none"):
        painted(None, [])


def test_weights_of_other_settings_are_said_to_be(methods, params):
    params["profile"] = "small"
    other = Methods(params, methods.names, "cpu", methods.workspace)
    made = other.fill("constant-fill", *example(64, 64))
    assert made.caption("constant-fill").endswith(" s; trained under other settings than params.yaml holds now")


def test_only_weights_that_are_there_are_offered(tmp_path):
    workspace = Workspace(tmp_path)
    checkpoints.save_nothing(workspace.run("released/crfill").weights, "its licence is not accepted")
    with pytest.raises(InputError, match="found none; accepted: some, which `dvc repro train@constant-fill train@"):
        ready(workspace, ["deepfill-v1", "released/crfill"])
    workspace.run("deepfill-v1").weights.parent.mkdir()
    workspace.run("deepfill-v1").weights.write_bytes(b"cut short")
    assert ready(workspace, ["deepfill-v1", "released/crfill"]) == ["deepfill-v1"]
