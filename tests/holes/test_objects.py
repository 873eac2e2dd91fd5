import csv
import hashlib
import shutil

import numpy as np
import pytest
from PIL import Image

from palimpsest.config.yaml import InputError
from palimpsest.holes import objects
from palimpsest.holes.objects import Blob, Silhouettes, Stamps, read_silhouette, stamps


def disc(side: int) -> np.ndarray:
    """bool (side, side)."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return x**2 + y**2 <= (side / 2) ** 2


def save_cutout(path, inside: np.ndarray, colour: int = 255) -> None:
    """An RGBA picture of one colour whose alpha is 200 inside and 100 outside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((*inside.shape, 4), colour, np.uint8)
    pixels[..., 3] = np.where(inside, 200, 100)
    Image.fromarray(pixels).save(path)


def pasted(folder, scale: list[float], rotation: float = 30.0) -> Silhouettes:
    return Silhouettes(shape="silhouettes", folder=str(folder), scale=scale, rotation=rotation)


def many(shape, count: int, size: int = 128) -> list[np.ndarray]:
    return [shape.draw(size, np.random.default_rng(i)) for i in range(count)]


def whole(holes: list[np.ndarray]) -> list[np.ndarray]:
    """Those that do not touch the border."""
    return [hole for hole in holes if not (hole[[0, -1]].any() or hole[:, [0, -1]].any())]


def test_a_smooth_blob_is_an_ellipse():
    """Without waves the area is π radius², whatever the aspect, but for a pixel along the outline."""
    shape = Blob(shape="blob", radius=[40, 40], harmonics=6, roughness=0.0, aspect=[0.6, 1.6])
    holes = whole(many(shape, 300, size=256))
    assert len(holes) > 50
    areas = np.array([hole.sum() for hole in holes])
    assert (np.abs(areas - np.pi * 40**2) < 2 * np.pi * 40).all()
    ratios = [hole.any(0).sum() / hole.any(1).sum() for hole in holes]
    assert 0.58 < min(ratios) < 0.7 and 1.4 < max(ratios) < 1.65


def test_the_first_wave_of_a_blob_has_two_crests():
    """So that a blob of one wave looks the same upside down, but for the rounding of its corners."""
    shape = Blob(shape="blob", radius=[40, 40], harmonics=1, roughness=0.35, aspect=[1.0, 1.0])
    holes = whole(many(shape, 60, size=256))
    assert len(holes) > 10
    for hole in holes:
        cut = hole[hole.any(1)][:, hole.any(0)]
        assert (cut != cut[::-1, ::-1]).mean() < 0.03


def test_a_rough_blob_is_in_one_piece_of_the_least_size(holes):
    for hole in many(holes.kind("object"), 200):
        assert hole.sum() >= 0.01 * 128**2
    rough = Blob(shape="blob", radius=[30, 31], harmonics=6, roughness=0.35, aspect=[0.6, 1.6])
    assert len({hole.sum() for hole in many(rough, 40)}) > 30


def test_a_blob_too_small_is_refused():
    shape = Blob(shape="blob", radius=[5, 6], harmonics=6, roughness=0.0, aspect=[1.0, 1.0])
    with pytest.raises(InputError, match="blob: found no hole of 1% or more in 1000 draws; accepted: a larger radius"):
        shape.draw(256, np.random.default_rng(0))


def test_alpha_tells_the_object_where_there_is_any(tmp_path):
    save_cutout(tmp_path / "white.png", np.pad(disc(20), ((5, 7), (3, 0))))
    assert (read_silhouette(tmp_path / "white.png") == 255 * disc(20)).all()


def test_darkness_tells_the_object_where_alpha_does_not(tmp_path):
    grey = np.full((30, 40), 128, np.uint8)
    grey[5:15, 8:30] = 127
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert (read_silhouette(tmp_path / "grey.png") == np.full((10, 22), 255)).all()
    opaque = np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
    Image.fromarray(opaque).save(tmp_path / "opaque.png")
    assert (read_silhouette(tmp_path / "opaque.png") == np.full((10, 22), 255)).all()


def test_a_large_silhouette_is_shrunk_on_reading(tmp_path):
    Image.fromarray(np.zeros((1024, 2048), np.uint8)).save(tmp_path / "large.png")
    assert read_silhouette(tmp_path / "large.png").shape == (256, 512)


@pytest.mark.parametrize("shape", [(1, 2000), (3, 2000), (2000, 1)])
def test_a_very_flat_silhouette_keeps_a_pixel(tmp_path, shape):
    Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "flat.png")
    assert sorted(read_silhouette(tmp_path / "flat.png").shape) == [1, 512]


def test_pasted_discs_have_the_area_of_their_scale(tmp_path):
    """π / 4 (scale · size)², but for a pixel along the outline; less where a part lies outside the picture."""
    save_cutout(tmp_path / "a" / "disc.png", disc(61))
    holes = many(pasted(tmp_path, [0.5, 0.5]), 200)
    assert all(0.01 * 128**2 <= hole.sum() <= np.pi / 4 * 64**2 + np.pi * 64 for hole in holes)
    assert 10 < len(whole(holes)) < 100
    for hole in whole(holes):
        assert hole.sum() == pytest.approx(np.pi / 4 * 64**2, abs=np.pi * 64 / 2)
        assert abs(int(hole.any(0).sum()) - 64) <= 2 and abs(int(hole.any(1).sum()) - 64) <= 2


def test_scale_spans_its_range(tmp_path):
    save_cutout(tmp_path / "bar.png", np.pad(np.ones((8, 60), bool), 3))
    widths = [hole.any(0).sum() for hole in whole(many(pasted(tmp_path, [0.35, 0.9], rotation=0.0), 400))]
    assert 0.35 * 128 - 2 <= min(widths) < 0.45 * 128 and 0.7 * 128 < max(widths) <= 0.9 * 128 + 2


def test_silhouettes_are_mirrored_and_turned_within_limits(tmp_path):
    """The long side of a wedge is at the left or the right, each about half the time; never above where none turns."""
    wedge = np.tri(40, dtype=bool)  # full below the diagonal: heavy at the left
    save_cutout(tmp_path / "wedge.png", np.pad(wedge, 2))
    upright = whole(many(pasted(tmp_path, [0.4, 0.4], rotation=0.0), 300))
    heavy = [
        hole.any(0).argmax() + hole.sum(0)[hole.any(0)].argmax() < np.argwhere(hole)[:, 1].mean() for hole in upright
    ]
    assert np.mean(heavy) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(heavy)))
    assert all(hole[hole.any(1)][-3:].sum() > hole[hole.any(1)][:3].sum() for hole in upright)
    turned = whole(many(pasted(tmp_path, [0.4, 0.4], rotation=180.0), 300))
    assert any(hole[hole.any(1)][-3:].sum() < hole[hole.any(1)][:3].sum() for hole in turned)


def test_silhouettes_that_give_no_hole_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"absent: asked for a folder of silhouettes, found no such folder"):
        pasted(tmp_path / "absent", [0.5, 0.5]).draw(64, np.random.default_rng(0))
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError, match=r"empty: asked for pictures of silhouettes, found none; accepted: a picture by"
    ):
        pasted(tmp_path / "empty", [0.5, 0.5]).draw(64, np.random.default_rng(0))
    save_cutout(tmp_path / "thin" / "line.png", np.pad(np.ones((1, 200), bool), 2))
    with pytest.raises(
        InputError, match="silhouettes: found no hole of 1% or more in 1000 draws; accepted: a larger scale"
    ):
        pasted(tmp_path / "thin", [0.1, 0.1]).draw(64, np.random.default_rng(0))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a\.png: asked for the picture of a silhouette, found no readable picture"):
        pasted(tmp_path / "bad", [0.5, 0.5]).draw(64, np.random.default_rng(0))
    Image.fromarray(np.full((9, 9), 200, np.uint8)).save(tmp_path / "bad" / "a.png")
    with pytest.raises(
        InputError, match=r"a\.png: asked for a silhouette, found nothing; accepted: alpha above 127, or"
    ):
        pasted(tmp_path / "bad", [0.5, 0.5]).draw(64, np.random.default_rng(0))


def test_the_shipped_list_holds_the_usable_stamps():
    rows = stamps()
    assert [sum(row.split == split for row in rows) for split in ("train", "test")] == [217, 66]
    assert len(rows) == len({row.path for row in rows}) == 283
    split_of = {row.sha256: row.split for row in rows}
    assert all(split_of[row.sha256] == row.split for row in rows)  # one picture lies in two folders
    assert all(len(bytes.fromhex(row.sha256)) == 32 and row.path.endswith(".png") for row in rows)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder of ten stamps, even ones discs to train on, odd ones bars to test on; the list names them all."""
    rows = []
    for i in range(10):
        path = tmp_path / "stamps" / f"{i}.png"
        save_cutout(path, np.pad(np.ones((9, 60 + i), bool) if i % 2 else disc(60 + i), 3))
        rows.append([f"{i}.png", hashlib.sha256(path.read_bytes()).hexdigest(), "test" if i % 2 else "train"])
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "sha256", "split"], *rows])
    monkeypatch.setattr(objects, "STAMPS", tmp_path / "list.csv")
    monkeypatch.setattr(objects, "LEAST_STAMPS", 8)
    return tmp_path / "stamps"


def stamped(folder, split: str) -> Stamps:
    return Stamps(shape="stamps", folder=str(folder), split=split, scale=[0.5, 0.5], rotation=0.0)


def test_stamps_come_from_their_split_and_unchanged_files_alone(package, tmp_path):
    changed = shutil.copytree(package, tmp_path / "changed")
    save_cutout(changed / "3.png", disc(50))
    (changed / "5.png").unlink()
    save_cutout(changed / "unlisted.png", disc(50))
    for folder in (package, changed):
        assert all(hole.any(1).sum() > 55 for hole in whole(many(stamped(folder, "train"), 60)))  # discs of 64 px
        assert all(hole.any(1).sum() < 15 for hole in whole(many(stamped(folder, "test"), 60)))  # bars
        heights = {hole.any(1).sum() > 30 for hole in whole(many(stamped(folder, "any"), 60))}
        assert heights == {True, False}


def test_too_few_stamps_are_refused(package):
    for i in range(3):
        (package / f"{i}.png").unlink()
    said = "asked for the 10 stamps of Debian's tuxpaint-stamps-default, found 7 unchanged; accepted: 8 or more"
    with pytest.raises(InputError, match=said):
        stamped(package, "any").draw(64, np.random.default_rng(0))
    with pytest.raises(InputError, match="absent: asked for a folder of silhouettes, found no such folder"):
        stamped(package / "absent", "any").draw(64, np.random.default_rng(0))
