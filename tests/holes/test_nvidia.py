import cv2
import numpy as np
import pytest
from PIL import Image

from palimpsest.config.yaml import InputError
from palimpsest.holes import nvidia
from palimpsest.holes.nvidia import Nvidia

SIZE = 20


def mask(missing: int, touching: bool) -> np.ndarray:
    """bool (20, 20), 400 px, with `missing` pixels missing from the second or, touching, the first row on."""
    hole = np.zeros((SIZE, SIZE), bool)
    if touching:
        hole.flat[:missing] = True
    else:
        inner = np.zeros((SIZE - 2) ** 2, bool)
        inner[:missing] = True
        hole[1:-1, 1:-1] = inner.reshape(SIZE - 2, SIZE - 2)
    return hole


MASKS = [mask(n, touching) for n in (40, 80, 81, 120, 121, 239, 240) for touching in (True, False)]


def save(folder, masks, white_is_missing: bool = True):
    """Twice the size, as the published ones are: every pixel becomes four."""
    (folder / "inner").mkdir(parents=True)
    for i, hole in enumerate(masks):
        pixels = np.kron(hole == white_is_missing, np.ones((2, 2), bool)).astype(np.uint8) * 255
        Image.fromarray(pixels).save(folder / "inner" / f"{i:05}.png")
    return folder


def kind(folder, above: float, up_to: float, border: str = "any") -> Nvidia:
    return Nvidia(shape="nvidia", folder=str(folder), above=above, up_to=up_to, border=border)


def drawn(shape: Nvidia, size: int = SIZE) -> set[bytes]:
    return {shape.draw(size, np.random.default_rng(i)).tobytes() for i in range(60)}


@pytest.mark.parametrize("white_is_missing", [True, False])
def test_masks_of_the_bin_come_out_with_either_colour_missing(tmp_path, white_is_missing):
    """80 of 400 px lie on the edge 0.2 and 120 on 0.3: (0.2, 0.3] holds the masks of 81 and of 120 px."""
    folder = save(tmp_path / "masks", MASKS, white_is_missing)
    wanted = {(n, touching): mask(n, touching).tobytes() for n in (81, 120) for touching in (True, False)}
    assert drawn(kind(folder, 0.2, 0.3)) == set(wanted.values())
    assert drawn(kind(folder, 0.2, 0.3, "touching")) == {wanted[81, True], wanted[120, True]}
    assert drawn(kind(folder, 0.2, 0.3, "free")) == {wanted[81, False], wanted[120, False]}
    assert drawn(kind(folder, 0.5, 0.6)) == {mask(n, t).tobytes() for n in (239, 240) for t in (True, False)}


def test_the_bin_is_that_of_the_resized_mask(tmp_path):
    """Every third column of the upper third is missing: 1 / 9 of 60 px, but 1 / 3 of the pixels nearest at 20 px."""
    hole = np.zeros((60, 60), bool)
    hole[:20, 1::3] = True  # the middle columns of blocks of 3 x 3
    (tmp_path / "masks").mkdir()
    Image.fromarray(hole).save(tmp_path / "masks" / "a.png")
    assert hole.mean() == pytest.approx(1 / 9)
    found = kind(tmp_path / "masks", 0.3, 0.4).draw(20, np.random.default_rng(0))
    assert found.sum() == 7 * 20 and found[:7].all()
    with pytest.raises(InputError, match=r"asked for masks of \(0\.1, 0\.2\] at 20 px, border any; found none among 1"):
        kind(tmp_path / "masks", 0.1, 0.2).draw(20, np.random.default_rng(0))


def test_a_width_that_is_no_multiple_of_eight_is_unpacked_exactly(tmp_path):
    folder = save(tmp_path / "masks", [mask(120, True)], white_is_missing=False)
    hole = kind(folder, 0.2, 0.3).draw(40, np.random.default_rng(0))
    assert (hole == np.kron(mask(120, True), np.ones((2, 2), bool))).all()
    assert hole.shape == (40, 40) and kind(folder, 0.2, 0.4).draw(13, np.random.default_rng(0)).shape == (13, 13)


def test_the_masks_are_read_once_a_size(tmp_path, monkeypatch):
    folder, read = save(tmp_path / "masks", MASKS), []
    unchanged = nvidia.read_mask
    monkeypatch.setattr(nvidia, "read_mask", lambda path: read.append(path) or unchanged(path))
    drawn(kind(folder, 0.2, 0.3)), drawn(kind(folder, 0.5, 0.6))
    assert len(read) == len(MASKS)


@pytest.mark.parametrize("white_is_missing", [True, False])
def test_masks_that_were_shrunk_keep_their_ratio(tmp_path, white_is_missing):
    """512 → 256 px makes soft edges, on whose middle the edge lies: 100 dots of 14.2 % in all stay 14.2 %."""
    hole = np.zeros((512, 512), np.uint8)
    for dot, shift in enumerate(np.random.default_rng(0).integers(-12, 13, (100, 2))):
        centre = 28 + 50 * np.array(divmod(dot, 10)) + shift
        cv2.circle(hole, centre.tolist(), 11, 255, cv2.FILLED)
    picture = Image.fromarray(hole if white_is_missing else 255 - hole).resize((256, 256), Image.Resampling.LANCZOS)
    (tmp_path / "masks").mkdir()
    picture.save(tmp_path / "masks" / "a.tif")
    shown = np.asarray(picture) if white_is_missing else 255 - np.asarray(picture)
    assert (hole > 0).mean() == pytest.approx(0.142, abs=0.005) and (shown > 0).mean() > 0.18
    found = kind(tmp_path / "masks", 0.1, 0.2).draw(256, np.random.default_rng(0))
    assert found.mean() == pytest.approx((hole > 0).mean(), abs=0.002)


def test_folders_that_hold_no_such_masks_are_refused(tmp_path):
    with pytest.raises(
        InputError, match="absent: asked for the folder of the NVIDIA irregular masks, found no such folder"
    ):
        kind(tmp_path / "absent", 0.2, 0.3).draw(20, np.random.default_rng(0))
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError, match="empty: asked for the NVIDIA irregular masks, found no picture in it or below"
    ):
        kind(tmp_path / "empty", 0.2, 0.3).draw(20, np.random.default_rng(0))
    mixed = save(tmp_path / "mixed", [mask(40, False), ~mask(40, False)])
    with pytest.raises(
        InputError, match=r"mixed: .* none misses more than 60%, found white ratios from 10\.0% to 90\.0% in 2"
    ):
        kind(mixed, 0.2, 0.3).draw(20, np.random.default_rng(0))
    either = save(tmp_path / "either", [mask(180, False)])  # 45 % white, 55 % black
    with pytest.raises(InputError, match="both white and black can be the hole; accepted: the whole set"):
        kind(either, 0.4, 0.5).draw(20, np.random.default_rng(0))
    few = save(tmp_path / "few", [mask(100, True)])
    with pytest.raises(
        InputError, match=r"asked for masks of \(0\.2, 0\.3\] at 20 px, border free; found none among 1"
    ):
        kind(few, 0.2, 0.3, "free").draw(20, np.random.default_rng(0))
    (few / "inner" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken\.png: asked for a hole, found no readable picture"):
        kind(few, 0.2, 0.3).draw(64, np.random.default_rng(0))
