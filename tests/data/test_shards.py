import hashlib
import pickle
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from data import write_shard
from palimpsest.config.yaml import InputError
from palimpsest.data.catalogue import filled_slot
from palimpsest.data.crops import Crops, random_crop, recolour
from palimpsest.data.pictures import resized
from palimpsest.data.sharding import split
from palimpsest.data.shards import Shard, spread
from palimpsest.storage import alone
from palimpsest.workspace import SlotFiles


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


def test_pictures_are_resized_as_their_filter_says(noise):
    """A column of one white pixel in three: averaging gives grey, picking gives what lies under the new centres."""
    stripes = np.zeros((90, 120, 3), np.uint8)
    stripes[:, 1::3] = 255
    assert (resized(stripes, 30, 40, "box") == 85).all()
    assert (resized(stripes, 30, 40, "opencv-bilinear") == 255).all()
    assert resized(stripes, 90, 120, "box") is stripes
    for name in ("bilinear", "bicubic", "lanczos"):
        reference = Image.fromarray(noise).resize((50, 70), Image.Resampling[name.upper()])
        assert (resized(noise, 70, 50, name) == np.asarray(reference)).all()


def test_a_shard_gives_back_its_pictures(tmp_path, noise):
    pictures = [("a", "a.png", noise), ("b", "b.png", noise[:10, :7])]
    write_shard(tmp_path / "some", pictures)
    shard = Shard(tmp_path / "some")
    assert shard.ids == ["a", "b"]
    assert all((shard[i] == picture).all() for i, (_, _, picture) in enumerate(pictures))
    first = shard.fingerprint
    write_shard(tmp_path / "some", [("a", "a.png", noise), ("b", "b.png", 255 - noise[:10, :7])])
    assert Shard(tmp_path / "some").fingerprint != first


def test_a_process_that_prepares_batches_maps_the_pixels_itself(tmp_path, noise):
    write_shard(tmp_path / "some", [("a", "a.png", noise)] * 2)
    shard = Shard(tmp_path / "some")
    sent = pickle.dumps(shard)
    assert len(sent) < noise.nbytes / 10
    assert isinstance(shard.pixels, np.memmap) and (pickle.loads(sent)[1] == noise).all()


def test_a_shard_that_is_cut_short_or_empty_is_refused(tmp_path, noise):
    write_shard(tmp_path / "some", [("a", "a.png", noise)])
    whole = (tmp_path / "some.bin").read_bytes()
    (tmp_path / "some.bin").write_bytes(whole[:-1])
    with pytest.raises(InputError, match=f"found {len(whole) - 1} bytes, its index expects {len(whole)}"):
        Shard(tmp_path / "some")
    with pytest.raises(InputError, match="the split holds no pictures"):
        write_shard(tmp_path / "none", [])
    assert not (tmp_path / "none.bin").exists()
    with pytest.raises(InputError, match=r"none: no readable shard .*none\.npy.*`dvc repro` makes it"):
        Shard(tmp_path / "none")
    index = (tmp_path / "some.npy").read_bytes()
    (tmp_path / "some.npy").write_bytes(index[:-1])
    with pytest.raises(InputError, match="some: no readable shard"):
        Shard(tmp_path / "some")


def test_the_shards_are_the_photographs(shards, crops):
    test, train = Shard(shards / "test"), Shard(shards / "train")
    assert set(test.photos) == {"rocket.jpg", "china.jpg"} and test.size == crops.size
    assert len(train) == 5 and all(min(train[i].shape[:2]) == crops.scale for i in range(5))
    hashes = {hashlib.sha256(test[i].tobytes()).hexdigest() for i in range(24)}
    assert hashes == {row.decode() for row in test.index["sha256"]} and len(hashes) == len(test) == 24


def test_a_crop_depends_on_its_number_and_the_seed_alone(shards, crops):
    shard = Shard(shards / "train")
    augment = ["flip", "resize"]
    forwards = [random_crop(shard, n, crops, augment, 1).copy() for n in range(20)]
    backwards = [random_crop(shard, n, crops, augment, 1).copy() for n in reversed(range(20))][::-1]
    assert all((a == b).all() for a, b in zip(forwards, backwards, strict=True))
    assert any((a != random_crop(shard, n, crops, augment, 2)).any() for n, a in enumerate(forwards))


def test_resized_crops_show_squares_of_any_side(tmp_path, crops):
    """On a slope of one grey level a pixel, a crop's slope tells how many pixels its square had."""
    slope = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (192, 200, 3))
    write_shard(tmp_path / "some", [("slope", "p", slope)])
    shard = Shard(tmp_path / "some")
    shown = [random_crop(shard, n, crops, ["resize"], 0) for n in range(300)]
    assert {crop.shape for crop in shown} == {(64, 64, 3)}
    sides = [(int(crop[0, -1, 0]) - int(crop[0, 0, 0])) * 64 / 63 for crop in shown]
    assert 62 <= min(sides) < 70 and 185 < max(sides) <= 194
    assert np.mean(sides) == pytest.approx(128, abs=8)
    plain = [random_crop(shard, n, crops, [], 0) for n in range(20)]
    assert {int(crop[0, -1, 0]) - int(crop[0, 0, 0]) for crop in plain} == {63}


def test_an_epoch_shows_every_picture_once_and_flips_half(tmp_path):
    pictures = [
        (str(i), "p", np.full((4, 4, 3), 2 * i, np.uint8) + (np.arange(4) > 1)[None, :, None]) for i in range(10)
    ]
    write_shard(tmp_path / "some", [(name, photo, picture.astype(np.uint8)) for name, photo, picture in pictures])
    shard = Shard(tmp_path / "some")
    of_4_px = Crops.model_construct(dataset="some", scale=4, size=4, resize="lanczos")
    crops = [random_crop(shard, n, of_4_px, ["flip"], 0) for n in range(400)]
    for epoch in range(40):
        assert {int(crop.min()) // 2 for crop in crops[10 * epoch : 10 * epoch + 10]} == set(range(10))
    flipped = np.mean([crop[0, 0, 0] > crop[0, -1, 0] for crop in crops])
    assert 0.4 < flipped < 0.6


def test_recolour_keeps_structure_and_changes_colour(noise):
    draws = [recolour(noise, np.random.default_rng(i)) for i in range(40)]
    assert all(crop.dtype == np.uint8 and crop.shape == noise.shape for crop in draws)
    inverted = 0
    for crop in draws:
        table = np.abs(np.corrcoef(noise.reshape(-1, 3).T, crop.reshape(-1, 3).T)[:3, 3:])
        assert sorted(table.argmax(1)) == [0, 1, 2] and table.max(1).min() > 0.999
        inverted += np.corrcoef(noise[..., 0].ravel(), crop[..., table[0].argmax()].ravel())[0, 1] < 0
        assert all(np.ptp(crop[..., c]) >= 127 for c in range(3))
    assert 10 < inverted < 30


def test_spread_keeps_both_ends():
    assert spread(10, 4).tolist() == [0, 3, 6, 9]
    assert spread(3, 8).tolist() == [0, 1, 2]


def test_two_splits_of_one_slot_take_turns(tmp_path, crops, datasets):
    slot, files = filled_slot(datasets, crops.dataset, []), SlotFiles(tmp_path / "scenes")
    slot.entry.download(slot.dataset, files.raw, tmp_path, None)
    other = Thread(target=split, args=(crops, slot, files, tmp_path, None, tmp_path / "scratch", {}))
    with alone(tmp_path / "scratch" / "split-scenes"):
        other.start()
        other.join(0.2)
        assert other.is_alive() and not files.report.exists()
    other.join()
    assert files.account.is_file()
