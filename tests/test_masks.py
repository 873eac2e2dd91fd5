import re

import numpy as np
import pytest

from palimpsest import masks
from palimpsest.config import InputError

PAPER = masks.Config(seed=1, rectangle=masks.Rectangle(side=128, max_shrink=16, margin=0))


def sides(hole):
    rows, columns = hole.any(1), hole.any(0)
    return rows.sum(), columns.sum()


def test_rectangles_follow_the_released_code():
    draw = np.random.default_rng(0)
    holes = [PAPER.rectangle.draw(256, draw) for _ in range(4000)]
    heights, widths = zip(*(sides(hole) for hole in holes), strict=True)
    assert {*heights, *widths} == set(range(96, 129, 2))
    assert all(hole.sum() == height * width for hole, height, width in zip(holes, heights, widths, strict=True))
    assert np.mean([hole.mean() for hole in holes]) == pytest.approx(0.1911, abs=0.002)
    assert not any(hole[255].any() or hole[:, 255].any() for hole in holes)
    assert any(hole[:4].any() for hole in holes) and any(hole[250:].any() for hole in holes)


def test_a_hole_depends_on_seed_kind_and_image_alone():
    names = [f"image-{i}" for i in range(30)]
    forwards = {name: masks.fixed_hole(PAPER, "rectangle", name, 256) for name in names}
    for name in reversed(names):
        assert (masks.fixed_hole(PAPER, "rectangle", name, 256) == forwards[name]).all()
    other = masks.Config(seed=2, rectangle=PAPER.rectangle)
    assert any((masks.fixed_hole(other, "rectangle", name, 256) != forwards[name]).any() for name in names)
    assert len({hole.tobytes() for hole in forwards.values()}) == len(names)


def test_a_known_hole_stays_the_same_for_ever():
    hole = masks.fixed_hole(PAPER, "rectangle", "rocket-0-0", 256)
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (118, 227, 128, 249)


def test_a_bank_gives_back_its_holes_byte_for_byte(tmp_path):
    config = masks.Config(seed=1, rectangle=masks.Rectangle(side=32, max_shrink=4, margin=0))
    names = ["a", "b", "c"]
    masks.write_bank(config, names, 64, tmp_path)
    first = (tmp_path / "rectangle.npy").read_bytes()
    bank = masks.read_bank(tmp_path, "rectangle", 3)
    assert bank.shape == (3, 64, 64)
    assert all((bank[i] == masks.fixed_hole(config, "rectangle", name, 64)).all() for i, name in enumerate(names))
    masks.write_bank(config, names, 64, tmp_path)
    assert (tmp_path / "rectangle.npy").read_bytes() == first
    with pytest.raises(InputError, match="found 3 holes for 24 pictures"):
        masks.read_bank(tmp_path, "rectangle", 24)
    (tmp_path / "rectangle.npy").write_bytes(first[:100])
    with pytest.raises(InputError, match=r"rectangle\.npy: asked for arrays, found a file that is cut short"):
        masks.read_bank(tmp_path, "rectangle", 3)
    with pytest.raises(InputError, match=r"other\.npy: asked for arrays, found no file"):
        masks.read_bank(tmp_path, "other", 3)


def test_an_unknown_kind_or_one_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="asked for holes of kind 'star'; accepted: rectangle"):
        PAPER.kind("star")
    with pytest.raises(InputError, match=r"128 px square, shrunk by 16 px a side.*does not fit 128 px"):
        masks.fixed_hole(PAPER, "rectangle", "a", 128)


@pytest.mark.parametrize(
    ("hole", "said"),
    [
        (np.zeros((8, 9), np.uint8), "the hole is 9 x 8 px, the picture 8 x 8; accepted: equal sizes"),
        (np.zeros((8, 8), np.uint8), "every pixel is known"),
        (np.full((8, 8), 255, np.uint8), "every pixel is missing"),
        (np.eye(8, dtype=np.uint8), "the hole holds 2 grey levels; accepted: 0 (known) and 255 (missing)"),
        (np.arange(64, dtype=np.uint8).reshape(8, 8), "the hole holds 64 grey levels"),
    ],
)
def test_a_hole_that_is_none_is_refused(hole, said):
    with pytest.raises(InputError, match=re.escape(said)):
        masks.check_hole(hole, (8, 8), "hole.png")


def test_a_good_hole_is_accepted():
    hole = np.eye(8, dtype=np.uint8) * 255
    assert (masks.check_hole(hole, (8, 8), "hole.png") == np.eye(8, dtype=bool)).all()
