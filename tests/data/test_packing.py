"""From photographs to shards: what each kind of file becomes, the same bytes always, and every way to be stopped."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
import zlib
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import encoded, noise, photograph
from palimpsest.config.yaml import InputError, build
from palimpsest.data import packing
from palimpsest.data.crops import Crops
from palimpsest.data.packing import cut, pack
from palimpsest.data.report import write_report
from palimpsest.data.shards import Shard, write_index
from palimpsest.data.sources import Source
from palimpsest.workspace import SlotFiles

SETTINGS = {"dataset": "own", "scale": None, "size": 16, "resize": "bicubic", "small": "reject", "crop": "tiles"}
Files = dict[str, dict[str, bytes]]  # split → name → file


def config(**changes) -> Crops:
    return build(Crops, SETTINGS | changes, "")


def source(files: Files, shared: bool = False, seen: list[str] | None = None) -> Source:
    """Of files by split; `seen` gathers the names that are asked for."""
    contents = dict(chain.from_iterable(each.items() for each in files.values()))

    def stream(names):
        for name in names:
            if seen is not None:
                seen.append(name)
            yield name, contents[name]

    splits = {split: list(each) for split, each in files.items()}
    return Source(splits, stream, shared, list(contents), origin={"archives": []})


def packed(folder: Path, files: Files, shared: bool = False, **changes) -> dict[str, list[packing.Photograph]]:
    """Packs into `folder`/shards and reports into `folder`/report; the photographs by split."""
    settings = config(**changes)
    photographs = source(files, shared)
    journals = pack(settings, photographs, folder / "shards", folder / "scratch")
    write_report(SlotFiles(folder), settings, photographs, journals)
    return {split: list(journal) for split, journal in journals.items()}


def reported(folder: Path, split: str = "test") -> dict:
    return json.loads((folder / "report" / "report.json").read_text())["splits"][split]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def picture_of(file: bytes, tmp_path: Path, **changes) -> tuple[np.ndarray, list[str]]:
    """What the one photograph becomes, and what was changed for it."""
    [photo] = packed(tmp_path, {"test": {"a.x": file}}, **{"crop": "centre"} | changes)["test"]
    return np.array(Shard(tmp_path / "shards" / "test")[0]), photo.changes


def why_not(file: bytes, tmp_path: Path, **changes) -> str:
    """The reason for which the one photograph is rejected, counted as such."""
    photos = packed(tmp_path, {"test": {"a/bad.x": file, "a/good.x": photograph(1)}}, **changes)["test"]
    report = reported(tmp_path)
    assert report["photographs"] == 2 and report["used"] == 1 and report["rejected"] == {photos[0].why: 1}
    rejected = (tmp_path / "report" / "rejected.csv").read_text()
    assert rejected == f"split,photograph,why\ntest,a/bad.x,{photos[0].why}\n"
    assert Shard(tmp_path / "shards" / "test").photos == ["a/good.x"] * 2
    return photos[0].why


# ---- files of every kind

RGB = noise(1, 16, 16)
GREY = RGB[..., 0]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF"])
def test_an_rgb_file_keeps_its_pixels(tmp_path, kind):
    pixels, changes = picture_of(encoded(RGB, kind), tmp_path)
    assert np.array_equal(pixels, RGB) and changes == []


@pytest.mark.parametrize("quality", [60, 95])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_lossy_file_has_pillows_pixels(tmp_path, kind, quality):
    file = encoded(RGB, kind, quality=quality)
    (tmp_path / "reference").write_bytes(file)
    pixels, changes = picture_of(file, tmp_path)
    assert np.array_equal(pixels, np.asarray(Image.open(tmp_path / "reference").convert("RGB"))) and changes == []


@pytest.mark.parametrize("width", [16, 53, 54, 55, 56, 533, 538])
@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PNG", "PPM"])
def test_a_width_is_no_depth(tmp_path, kind, width):
    """A row of a BMP of 53 px takes 160 bytes, which says nothing of 16 bits."""
    wide = noise(2, 16, width)
    pixels, _ = picture_of(encoded(wide, kind), tmp_path)
    left = (width - 16) // 2
    assert np.array_equal(pixels, wide[:, left : left + 16])


def test_a_grey_picture_gets_three_equal_channels(tmp_path):
    pixels, changes = picture_of(encoded(GREY), tmp_path)
    assert np.array_equal(pixels, np.repeat(GREY[..., None], 3, 2)) and changes == ["grey"]
    assert reported(tmp_path)["changed"] == {"grey": 1}


def test_a_black_and_white_picture_becomes_0_and_255(tmp_path):
    pixels, changes = picture_of(encoded(Image.fromarray(GREY > 128)), tmp_path)
    assert np.array_equal(pixels, np.repeat((GREY > 128)[..., None] * np.uint8(255), 3, 2))
    assert changes == ["black and white"]


def test_a_palette_is_looked_up(tmp_path):
    palette = Image.fromarray(RGB).quantize(16)
    colours = np.array(palette.getpalette(), np.uint8).reshape(-1, 3)
    pixels, changes = picture_of(encoded(palette), tmp_path)
    assert np.array_equal(pixels, colours[np.asarray(palette)]) and changes == ["palette"]


def test_a_cmyk_picture_loses_its_ink(tmp_path):
    inks = np.stack([*np.moveaxis(255 - RGB, 2, 0), np.zeros_like(GREY)], 2)
    pixels, changes = picture_of(encoded(Image.fromarray(inks, "CMYK"), "TIFF"), tmp_path)
    assert np.array_equal(pixels, RGB) and changes == ["CMYK"]


def test_a_cmyk_jpeg_looks_like_its_rgb_twin(tmp_path):
    file = encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG", quality=100)
    pixels, changes = picture_of(file, tmp_path)
    assert np.abs(pixels.astype(int) - RGB).mean() < 4 and changes == ["CMYK"]


TURNED = {  # EXIF: where the first row and column of the file belong → what has to be done to the file's pixels
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: np.rot90(p),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", TURNED)
def test_a_picture_stands_as_its_exif_says(tmp_path, kind, orientation):
    wide = noise(3, 16, 24)
    exif = Image.Exif()
    exif[0x0112] = orientation
    [photo] = packed(tmp_path, {"test": {"a.x": encoded(wide, kind, exif=exif)}}, crop="centre", size=16)["test"]
    upright = TURNED[orientation](wide)
    assert tuple(photo.size) == upright.shape[1::-1]
    top, left = (upright.shape[0] - 16) // 2, (upright.shape[1] - 16) // 2
    assert np.array_equal(Shard(tmp_path / "shards" / "test")[0], upright[top : top + 16, left : left + 16])
    assert reported(tmp_path)["changed"] == ({"turned": 1} if orientation > 1 else {})


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_is_none_turns_nothing(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels, changes = picture_of(encoded(RGB, exif=exif), tmp_path)
    assert np.array_equal(pixels, RGB) and changes == []


def with_alpha(alpha: int) -> Image.Image:
    picture = np.dstack([RGB, np.full_like(GREY, 255)])
    picture[3, 5, 3] = alpha
    return Image.fromarray(picture)


def test_an_opaque_alpha_is_dropped(tmp_path):
    pixels, changes = picture_of(encoded(with_alpha(255)), tmp_path)
    assert np.array_equal(pixels, RGB) and changes == []


def test_a_transparent_pixel_is_a_reason(tmp_path):
    assert why_not(encoded(with_alpha(254)), tmp_path) == "transparent pixels"


def test_a_transparent_colour_is_a_reason_where_it_occurs(tmp_path):
    taken = tuple(int(value) for value in RGB[0, 0])
    assert why_not(encoded(RGB, transparency=taken), tmp_path / "taken") == "transparent pixels"
    grey = np.full((16, 16, 3), 7, np.uint8)
    assert picture_of(encoded(grey, transparency=(1, 2, 3)), tmp_path / "free")[0].max() == 7


DEEP = np.arange(256, dtype=">u2").reshape(16, 16) * 257


def deep_rgb_png() -> bytes:
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in DEEP)
    chunks = [(b"IHDR", b"\0\0\0\x10\0\0\0\x10\x10\x02\0\0\0"), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks
    )


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        (encoded(DEEP.astype(np.uint16)), ["grey", "16 bits"]),
        (encoded(DEEP.astype(np.uint16), "TIFF"), ["grey", "16 bits"]),
        (deep_rgb_png(), ["16 bits"]),
        (b"P6 16 16 65535\n" + np.repeat(DEEP, 3).tobytes(), ["16 bits"]),
        (b"P5 16 16 65535\n" + DEEP.tobytes(), ["grey", "16 bits"]),
    ],
    ids=["grey PNG", "grey TIFF", "RGB PNG", "RGB PPM", "grey PPM"],
)
def test_of_16_bits_the_upper_8_are_kept(tmp_path, file, changes):
    pixels, changed = picture_of(file, tmp_path)
    assert np.array_equal(pixels, np.arange(256).reshape(16, 16, 1).repeat(3, 2)) and changed == changes


def test_numbers_without_a_range_are_a_reason(tmp_path):
    assert why_not(encoded(DEEP.astype(np.float32), "TIFF"), tmp_path / "a").startswith("floating-point numbers; acce")
    assert why_not(encoded(DEEP.astype(np.int32) * 2, "TIFF"), tmp_path / "b").startswith("32 bits a channel; accepted")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_picture_is_a_reason(tmp_path, kind, share):
    file = photograph(1, 32, 32, kind)
    assert why_not(file[: int(share * len(file))], tmp_path) == "a file cut short or damaged"


@pytest.mark.parametrize("file", [b"", b"not a picture", b"<html>", b"\xff\xd8"], ids=repr)
def test_a_file_that_is_no_picture_is_a_reason(tmp_path, file):
    assert why_not(file, tmp_path) == "no readable picture"


def test_a_bomb_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert why_not(encoded(np.zeros((50, 50, 3), np.uint8)), tmp_path) == "more than 2000 pixels"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_damage_ends_the_run():
    """Bytes changed at random and files cut anywhere: a picture or a reason, never another error."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x8769] = 6, "taken", {0x9003: "2020:01:01 00:00:00"}
    draw = np.random.default_rng(0)
    outcomes = set()
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF"):
        file = encoded(RGB, kind, **({} if kind in ("BMP", "TIFF") else {"exif": exif}))
        damaged = [file[:length] for length in range(0, len(file), 7)]
        for _ in range(300):
            changed = bytearray(file)
            changed[draw.integers(min(len(file), draw.choice([60, 200, len(file)])))] = draw.choice([0, 255, 8])
            damaged.append(bytes(changed))
        for each in damaged:
            photo = packing._prepare("a.x", each, "a", config(), True)[0]
            outcomes.add(photo.why)
            assert bool(photo.pictures) == (photo.why == "")
    assert outcomes >= {"", "a file cut short or damaged", "no readable picture"}


def test_an_exif_that_cannot_be_written_again_still_turns(tmp_path):
    """Some cameras write a known tag with another kind of value; the pixels are whole."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 3, "taken"
    file = encoded(RGB, "PNG", exif=exif)
    start = file.index(b"eXIf") - 4
    length = int.from_bytes(file[start : start + 4], "big")
    body = file[start + 4 : start + 8 + length].replace(b"\x01\x0e", b"\x01\x00")  # a text as the picture's width
    changed = file[: start + 4] + body + zlib.crc32(body).to_bytes(4, "big") + file[start + 12 + length :]
    assert changed != file and len(changed) == len(file)
    pixels, changes = picture_of(changed, tmp_path)
    assert np.array_equal(pixels, RGB[::-1, ::-1]) and changes == ["turned"]


# ---- scale


@pytest.mark.parametrize(
    "scale, height, width, wanted",
    [
        (32, 40, 60, (32, 48)),
        (32, 60, 40, (48, 32)),
        (32, 33, 50, (32, 48)),
        (32, 32, 50, (32, 50)),
        (16, 40, 41, (16, 16)),
        ([24, 32], 40, 60, (24, 32)),
        ([24, 32], 24, 32, (24, 32)),
        (None, 40, 61, (40, 61)),
        (None, 16, 16, (16, 16)),
    ],
)
def test_a_photograph_is_brought_to_its_scale(tmp_path, scale, height, width, wanted):
    original = noise(5, height, width)
    packed(tmp_path, {"train": {"a.x": encoded(original)}}, scale=scale, resize="lanczos")
    [picture] = Shard(tmp_path / "shards" / "train")
    size = wanted[::-1]
    assert np.array_equal(picture, Image.fromarray(original).resize(size, Image.Resampling.LANCZOS))
    assert reported(tmp_path, "train")["width in px"] == dict.fromkeys(("least", "median", "largest"), width)


@pytest.mark.parametrize("resize", ["box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_the_filter_is_the_one_asked_for(tmp_path, resize):
    original = noise(6, 40, 40)
    packed(tmp_path, {"train": {"a.x": encoded(original)}}, scale=24, resize=resize)
    wanted = Image.fromarray(original).resize((24, 24), getattr(Image.Resampling, resize.upper()))
    assert np.array_equal(Shard(tmp_path / "shards" / "train")[0], wanted)


@pytest.mark.parametrize(
    "scale, height, width, enlarged, least",
    [
        (None, 15, 40, (16, 43), "16 x 16"),
        (None, 40, 15, (43, 16), "16 x 16"),
        (32, 31, 31, (32, 32), "32 x 32"),
        (32, 16, 24, (32, 48), "32 x 32"),
        ([24, 32], 24, 31, (24, 32), "32 x 24"),
        ([24, 32], 23, 100, (24, 32), "32 x 24"),
    ],
)
def test_a_smaller_photograph_is_enlarged_or_rejected(tmp_path, scale, height, width, enlarged, least):
    original = noise(7, height, width)
    files = {"train": {"a.x": encoded(original), "b.x": encoded(noise(8, 40, 100))}}
    small, large = packed(tmp_path / "enlarge", files, scale=scale, small="enlarge")["train"]
    assert (small.changes, large.changes) == (["enlarged"], [])
    assert reported(tmp_path / "enlarge", "train")["changed"] == {"enlarged": 1}
    first = Shard(tmp_path / "enlarge" / "shards" / "train")[0]
    assert np.array_equal(first, Image.fromarray(original).resize(enlarged[::-1], Image.Resampling.BICUBIC))

    small, large = packed(tmp_path / "reject", files, scale=scale, small="reject")["train"]
    assert (small.why, large.why) == (f"smaller than {least} px", "")
    assert reported(tmp_path / "reject", "train")["rejected"] == {f"smaller than {least} px": 1}


# ---- crops


@pytest.mark.parametrize("height, width", [(16, 16), (17, 31), (32, 33), (47, 50), (16, 80)])
def test_tiles_are_the_largest_centred_grid(height, width):
    picture = noise(9, height, width)
    tiles = dict(cut(picture, config(crop="tiles"), "a"))
    rows, columns = height // 16, width // 16
    assert len(tiles) == rows * columns
    grid = {(height % 16 // 2 + 16 * row, width % 16 // 2 + 16 * column)
            for row in range(rows) for column in range(columns)}  # fmt: skip
    assert set(tiles) == {f"a-{top}-{left}" for top, left in grid}
    for top, left in grid:
        assert np.array_equal(tiles[f"a-{top}-{left}"], picture[top : top + 16, left : left + 16])
        below, right = height - max(t for t, _ in grid) - 16, width - max(x for _, x in grid) - 16
    assert 0 <= below - min(t for t, _ in grid) <= 1 and 0 <= right - min(x for _, x in grid) <= 1


@pytest.mark.parametrize("height, width", [(16, 16), (17, 31), (32, 33)])
def test_the_centre_is_in_the_middle(height, width):
    picture = noise(9, height, width)
    [(name, centre)] = cut(picture, config(crop="centre"), "a")
    top, left = (height - 16) // 2, (width - 16) // 2
    assert name == "a" and np.array_equal(centre, picture[top : top + 16, left : left + 16])


def place(picture: np.ndarray, name: str) -> tuple[int, int]:
    """Of a random crop, by marks that the pixels are."""
    [(_, crop)] = cut(picture, config(crop="random"), name)
    assert crop.shape == (16, 16, 3)
    return int(crop[0, 0, 0]), int(crop[0, 0, 1])


def test_a_random_crop_is_a_function_of_the_id_alone():
    rows, columns = np.indices((20, 19), np.uint8)
    picture = np.stack([rows, columns, columns], 2)
    places = [place(picture, f"{number}") for number in range(200)]
    assert places == [place(picture, f"{number}") for number in range(200)]
    assert set(places) == {(top, left) for top in range(5) for left in range(4)}  # every one, none beyond
    same = np.stack([rows, columns, rows], 2)
    assert places == [place(same, f"{number}") for number in range(200)]


PLACES = """
import numpy as np
from palimpsest.data.crops import Crops
from palimpsest.data.packing import cut

marks = np.stack([*np.indices((99, 99), np.uint8), np.zeros((99, 99), np.uint8)], 2)
settings = Crops(dataset="own", scale=None, size=16, resize="bicubic", small="reject", crop="random")
print([next(cut(marks, settings, name))[1][0, 0].tolist() for name in "abcdefgh"])
"""


def test_a_random_crop_is_the_same_in_another_process():
    found = {
        subprocess.run([sys.executable, "-c", PLACES], capture_output=True, text=True, check=True,
                       env=os.environ | {"PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1 and len(set(map(tuple, json.loads(found.pop())))) == 8


def test_training_keeps_the_whole_photograph(tmp_path):
    original = noise(1, 40, 50)
    files = {"train": {"a.x": encoded(original)}, "test": {"b.x": encoded(noise(2, 40, 50))}}
    packed(tmp_path, files)
    assert np.array_equal(Shard(tmp_path / "shards" / "train")[0], original)
    assert len(Shard(tmp_path / "shards" / "test")) == 6


# ---- duplicates


def test_a_duplicate_between_splits_stays_in_test(tmp_path):
    twin, twin_of_val = noise(1), noise(2)
    files = {
        "train": {"t/1.x": encoded(twin), "t/2.x": encoded(noise(3)), "t/3.x": encoded(twin_of_val)},
        "val": {"v/1.x": encoded(twin_of_val), "v/2.x": encoded(twin, "BMP")},
        "test": {"e/1.x": encoded(twin, "TIFF"), "e/2.x": encoded(noise(4))},
    }
    photos = packed(tmp_path, files, crop="centre")
    assert [photo.why for photo in photos["test"]] == ["", ""]
    assert [photo.why for photo in photos["val"]] == ["", "the same pixels as one of test"]
    assert [photo.why for photo in photos["train"]] == [
        "the same pixels as one of test", "", "the same pixels as one of val",
    ]  # fmt: skip
    assert Shard(tmp_path / "shards" / "train").photos == ["t/2.x"]
    assert reported(tmp_path, "train")["rejected"] == {
        "the same pixels as one of test": 1, "the same pixels as one of val": 1,
    }  # fmt: skip
    rejected = (tmp_path / "report" / "rejected.csv").read_text().splitlines()
    assert sorted(rejected[1:]) == [
        "train,t/1.x,the same pixels as one of test", "train,t/3.x,the same pixels as one of val",
        "val,v/2.x,the same pixels as one of test",
    ]  # fmt: skip


def test_a_turned_duplicate_is_one(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    files = {"test": {"e.x": encoded(noise(1))}, "train": {"t.x": encoded(noise(1)[::-1, ::-1], exif=exif),
                                                          "u.x": encoded(noise(2))}}  # fmt: skip
    assert packed(tmp_path, files)["train"][0].why == "the same pixels as one of test"


def test_a_val_of_test_shows_its_pictures(tmp_path):
    test = {f"e/{number}.x": photograph(number) for number in range(4)}
    val = {name: test[name] for name in ("e/0.x", "e/3.x")}
    photos = packed(tmp_path, {"test": test, "val": val}, shared=True)
    assert [photo.why for photo in photos["val"]] == ["", ""]
    shards = {split: Shard(tmp_path / "shards" / split) for split in ("val", "test")}
    assert set(shards["val"].photos) == set(val) and set(shards["test"].photos) == set(test)


def test_duplicates_within_a_split_are_counted_and_kept(tmp_path):
    files = {"test": {"1.x": photograph(1), "2.x": photograph(1), "3.x": photograph(1), "4.x": photograph(2)}}
    photos = packed(tmp_path, files, crop="centre")["test"]
    assert [photo.why for photo in photos] == [""] * 4
    assert reported(tmp_path)["alike within the split"] == 2
    assert len(Shard(tmp_path / "shards" / "test")) == 4


def test_a_rejected_photograph_has_no_duplicates(tmp_path):
    small = encoded(noise(1, 8, 8))
    files = {"test": {"1.x": small, "2.x": photograph(2)}, "train": {"3.x": small, "4.x": photograph(3)}}
    assert packed(tmp_path, files)["train"][0].why == "smaller than 16 x 16 px"


# ---- names


@pytest.mark.parametrize(
    "names, ids",
    [
        (["a/b/1.jpg", "a/b/2.jpg"], ["1", "2"]),
        (["a/b/1.jpg", "a/c/1.jpg"], ["b-1", "c-1"]),
        (["x.tar/s/pool/indoor/1.jpg", "x.tar/a/field/1.jpg"], ["s-pool-indoor-1", "a-field-1"]),
        (["a/bc/1.jpg", "a/bd/1.jpg"], ["bc-1", "bd-1"]),
        (["1.jpg"], ["1"]),
        (["1.jpg", "a/1.jpg"], ["1", "a-1"]),
        (["a/1.jpg", "a/b/1.jpg"], ["1", "b-1"]),
        (["48.85_2.35_-004.JPG", "48.85_2.36_-004.JPG"], ["48.85_2.35_-004", "48.85_2.36_-004"]),
        (["z/1.jpg", "a/1.jpg", "m/1.jpg"], ["z-1", "a-1", "m-1"]),
    ],
)
def test_an_id_is_the_path_below_what_is_common(names, ids):
    identify = Source({"test": names}, iter, False, names).ids("test")
    assert [identify(name) for name in names] == ids


@pytest.mark.parametrize("names", [["a/1.jpg", "a/1.png"], ["a/b/1.jpg", "a/b-1.jpg", "a/c.jpg"]])
def test_two_photographs_of_one_id_are_refused(names):
    with pytest.raises(InputError, match=f"{names[0]} and {names[1]} would be one picture's id; accepted: names that"):
        Source({"test": names}, iter, False, names).ids("test")


# ---- the same bytes


def many(count: int, height: int = 24, width: int = 32) -> Files:
    """With some that are rejected or duplicates."""
    files = {f"t/{number}.x": photograph(number, height, width) for number in range(count)}
    files |= {"t/bad.x": b"bad", "t/grey.x": encoded(GREY)}
    test = {"e/1.x": photograph(3, height, width), "e/2.x": photograph(1000, height, width)}
    return {"train": files, "test": test}


def test_equal_bytes_whatever_the_number_of_cores(tmp_path, monkeypatch):
    files, made = many(30), []
    for cores in (1, 2, 7, 1):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, cores=cores: set(range(cores)))
        folder = tmp_path / str(len(made))
        packed(folder, files)
        made.append(contents(folder / "shards") | contents(folder / "report"))
    assert set(made[0]) == {"train.bin", "train.npy", "test.bin", "test.npy", "report.json", "report.md",
                            "rejected.csv", "train.jpg", "test.jpg"}  # fmt: skip
    assert all(each == made[0] for each in made[1:])


def test_a_shard_says_what_it_holds(tmp_path):
    packed(tmp_path, many(5), crop="centre")
    for split in ("train", "test"):
        shard = Shard(tmp_path / "shards" / split)
        for number, row in enumerate(shard.index):
            assert hashlib.sha256(shard[number].tobytes()).hexdigest().encode() == row["sha256"]
        ends = shard.index["offset"] + 3 * shard.index["height"].astype(np.uint64) * shard.index["width"]
        assert list(shard.index["offset"][1:]) == list(ends[:-1]) and ends[-1] == len(shard.pixels)
    assert Shard(tmp_path / "shards" / "train").photos == [f"t/{n}.x" for n in (0, 1, 2, 4)] + ["t/grey.x"]


def test_an_index_is_an_npy_file_like_numpys(tmp_path):
    rows = [("a", "p/a.jpg", 2, 3, 0, "0" * 64), ("bé", "p/b.jpg", 4, 5, 18, "1" * 64)]
    write_index(tmp_path / "ours.npy", rows)
    kind = [("id", "S3"), ("photo", "S7"), ("height", "<u4"), ("width", "<u4"), ("offset", "<u8"), ("sha256", "S64")]
    encode = [tuple(each.encode() if isinstance(each, str) else each for each in row) for row in rows]
    np.save(tmp_path / "theirs.npy", np.array(encode, kind))
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def test_a_split_without_a_picture_is_refused_with_its_reasons(tmp_path):
    files = {"test": {"1.x": b"", "2.x": encoded(noise(1, 8, 8))}}
    found = r"test: asked for photographs that can be used, found none among 2 \(no readable picture; smaller"
    with pytest.raises(InputError, match=found):
        packed(tmp_path, files)
    assert not (tmp_path / "shards").exists()


# ---- stopped on the way


def boundaries(sizes: list[int]) -> list[int]:
    """Places in a file of parts with these sizes: around each end, and within each."""
    ends = np.cumsum([0, *sizes]).tolist()
    return sorted({place for start, end in pairwise(ends) for place in (start, (start + end) // 2, end - 1, end)})


def test_a_cut_anywhere_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # a kill, unlike a power cut, loses nothing that was written
    files = many(2)
    whole = tmp_path / "whole"
    packed(whole, files)
    lines = (whole / "scratch" / "train.jsonl").read_bytes().splitlines(True)
    pixels = (whole / "scratch" / "train.bin").read_bytes()
    pictures = [sum(3 * h * w for _, h, w, _ in json.loads(line)["pictures"]) for line in lines]
    assert sum(pictures) == len(pixels) and 0 in pictures
    names = list(files["train"])
    line_ends, picture_ends = np.cumsum([len(line) for line in lines]), np.cumsum(pictures)
    counts = set()
    for number, line_cut in enumerate(boundaries([len(line) for line in lines])):
        for pixel_cut in boundaries(pictures):
            again = tmp_path / f"{number}-{pixel_cut}"
            shutil.copytree(whole / "scratch", again / "scratch")
            os.truncate(again / "scratch" / "train.jsonl", line_cut)
            os.truncate(again / "scratch" / "train.bin", pixel_cut)
            seen: list[str] = []
            pack(config(), source(files, seen=seen), again / "shards", again / "scratch")
            done = min((line_ends <= line_cut).sum(), next((n for n, end in enumerate(picture_ends) if end > pixel_cut),
                                                           len(names)))  # fmt: skip
            assert seen == names[done:], (line_cut, pixel_cut)
            assert contents(again / "shards") == contents(whole / "shards"), (line_cut, pixel_cut)
            counts.add(int(done))
            shutil.rmtree(again)
    assert counts == set(range(len(names) + 1))


def test_a_shard_longer_than_its_journal_is_cut(tmp_path):
    files = many(4)
    packed(tmp_path, files)
    wanted = contents(tmp_path / "shards")
    shutil.rmtree(tmp_path / "shards")  # as DVC does before a stage runs
    with (tmp_path / "scratch" / "train.bin").open("ab") as file:
        file.write(b"half a picture")
    packed(tmp_path, files)
    assert contents(tmp_path / "shards") == wanted


@pytest.mark.parametrize("damage", [b"garbage\n", b'{"nmae": "a"}\n', b"\xff\xfe\n", b"[]\n", b"null\n"])
def test_a_damaged_line_of_a_journal_is_where_work_goes_on(tmp_path, damage):
    files = many(6)
    packed(tmp_path, files)
    wanted = contents(tmp_path / "shards")
    journal = tmp_path / "scratch" / "train.jsonl"
    lines = journal.read_bytes().splitlines(True)
    journal.write_bytes(b"".join([*lines[:3], damage, *lines[4:]]))
    packed(tmp_path, files)
    assert contents(tmp_path / "shards") == wanted


def test_work_on_other_photographs_is_not_gone_on_with(tmp_path):
    """Three more, and one renamed: what is in the journal counts as far as its names are those asked for."""
    files = many(6)
    packed(tmp_path, {**files, "train": dict(list(files["train"].items())[2:])})
    shutil.rmtree(tmp_path / "shards")
    packed(tmp_path, files)
    packed(tmp_path / "clean", files)
    assert contents(tmp_path / "shards") == contents(tmp_path / "clean" / "shards")


def test_other_bytes_in_scratch_are_gone_when_it_is_removed(tmp_path):
    packed(tmp_path, many(4))
    wanted = contents(tmp_path / "shards")
    packing.remove(tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()
    assert contents(tmp_path / "shards") == wanted  # which were second names of the same files
    packing.remove(tmp_path / "scratch")


def test_a_disk_without_second_names_gets_copies(tmp_path, monkeypatch):
    packed(tmp_path / "linked", many(4))

    def refuse(*names):
        raise OSError(errno.EXDEV, "no")

    monkeypatch.setattr(os, "link", refuse)
    packed(tmp_path / "copied", many(4))
    assert contents(tmp_path / "copied" / "shards") == contents(tmp_path / "linked" / "shards")
    assert (tmp_path / "linked" / "shards" / "test.bin").stat().st_nlink == 2
    assert (tmp_path / "copied" / "shards" / "test.bin").stat().st_nlink == 1


PACK = """
import json, sys, time
from pathlib import Path
from palimpsest.config.entry import in_one_line
from palimpsest.config.yaml import build
from palimpsest.data import packing
from palimpsest.data.crops import Crops
from palimpsest.data.sources import Source
from palimpsest.workspace import SlotFiles

packing.SECONDS = 0.0
folder, stop = Path(sys.argv[1]), sys.argv[2]
settings = build(Crops, json.loads(sys.argv[3]), "")
splits = {split: sorted(path.name for path in (folder / "files" / split).iterdir()) for split in ("test", "train")}

def stream(names):
    for name in names:
        if name == stop:
            print("stopped", flush=True)
            time.sleep(600)
        yield name, next((folder / "files").glob(f"*/{name}")).read_bytes()

source = Source(splits, stream, False, [])
in_one_line(lambda: packing.pack(settings, source, folder / "shards", folder / "scratch") and None)
"""


def process(folder: Path, stop: str = "") -> subprocess.Popen:
    command = [sys.executable, "-c", PACK, str(folder), stop, json.dumps(SETTINGS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def laid_out(folder: Path, files: Files) -> Files:
    """Files on disk for a process of its own, under sorted names of their own."""
    named = {
        split: {f"{split}-{number:03}.x": file for number, file in enumerate(each.values())}
        for split, each in files.items()
    }
    for split, each in named.items():
        (folder / "files" / split).mkdir(parents=True)
        for name, file in each.items():
            (folder / "files" / split / name).write_bytes(file)
    return named


@pytest.mark.parametrize("stop", ["train-001.x", "train-030.x"])
def test_a_killed_run_goes_on_where_it_was(tmp_path, stop):
    files = laid_out(tmp_path / "killed", many(38))
    with process(tmp_path / "killed", stop) as run:
        assert run.stdout.readline() == "stopped\n"
        run.kill()
    assert run.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "shards").exists()
    scratch = tmp_path / "killed" / "scratch"
    done = (scratch / "train.jsonl").read_bytes().count(b"\n")
    ahead = packing.AHEAD * len(os.sched_getaffinity(0))
    assert done >= int(stop[6:9]) - ahead  # all but those that were under way

    seen: list[str] = []
    pack(config(), source(files, seen=seen), tmp_path / "killed" / "shards", scratch)
    assert seen == list(files["train"])[done:]
    pack(config(), source(files), tmp_path / "unbroken" / "shards", tmp_path / "unbroken" / "scratch")
    assert contents(tmp_path / "killed" / "shards") == contents(tmp_path / "unbroken" / "shards")
    assert contents(scratch) == contents(tmp_path / "unbroken" / "scratch")


# ---- a full disk


@pytest.fixture
def disk(tmp_path):
    """A file system of 1 MiB, and a function that makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        return shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0

    if not mount("size=1m"):
        pytest.skip("a file system can be mounted by root alone")
    yield folder, lambda: mount("remount", "size=16m")
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_no_shard_and_a_larger_one_goes_on(tmp_path, disk):
    folder, enlarge = disk
    files = many(110, 64, 64)
    with pytest.raises(OSError, match="No space left") as refusal:
        pack(config(), source(files), folder / "shards", folder / "scratch")
    assert refusal.value.filename == str(folder / "scratch" / "train.bin")
    assert not (folder / "shards").exists()
    assert enlarge()
    pack(config(), source(files), folder / "shards", folder / "scratch")
    pack(config(), source(files), tmp_path / "shards", tmp_path / "scratch")
    assert contents(folder / "shards") == contents(tmp_path / "shards")


def test_a_disk_that_is_full_for_the_index_ends_in_one_line(tmp_path, disk):
    """A map of a file that the disk has no room for would end the process by a signal."""
    folder, enlarge = disk
    small, other = encoded(noise(1, 16, 16)), encoded(noise(2, 16, 16))
    train = {f"{number:0200}.x": small for number in range(600)}
    files = {"test": {"e.x": other}, "train": train}
    made = pack(config(), source(files), tmp_path / "shards", tmp_path / "scratch")
    room = sum(path.stat().st_size for path in (tmp_path / "scratch").iterdir())
    assert room < 2**20 - 2**15 < room + (tmp_path / "shards" / "train.npy").stat().st_size and len(made) == 2
    (folder / "files").symlink_to(tmp_path / "files")
    for split, each in files.items():
        (tmp_path / "files" / split).mkdir(parents=True)
        for name, file in each.items():
            (tmp_path / "files" / split / name).write_bytes(file)
    with process(folder) as run:
        said = run.communicate()[1]
    assert run.returncode == 1, said
    wanted = (
        f"error: no room to write {folder}/shards/train.npy: No space left on device; nothing was left half written\n"
    )
    assert said.endswith(wanted)
    assert sorted(path.name for path in (folder / "shards").iterdir()) == ["test.bin", "test.npy", "train.bin"]
    shutil.rmtree(folder / "shards")
    assert enlarge()
    with process(folder) as run:
        assert run.wait() == 0
    assert contents(folder / "shards") == contents(tmp_path / "shards")


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_write_that_fails_is_named_and_the_next_run_goes_on(tmp_path, monkeypatch, call):
    """The same without a file system of its own: each time that something is brought to the disk."""
    files, calls = many(8), iter(range(1, 100))
    settle = packing._settle

    def fail(file):
        if next(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        settle(file)

    with monkeypatch.context() as full:
        full.setattr(packing, "_settle", fail)
        with pytest.raises(OSError, match="No space left") as refusal:
            packed(tmp_path, files)
    split = "test" if call <= 2 else "train"
    assert refusal.value.filename == str(tmp_path / "scratch" / f"{split}.bin")
    assert not (tmp_path / "shards").exists()
    packed(tmp_path, files)
    packed(tmp_path / "unbroken", files)
    assert contents(tmp_path / "shards") == contents(tmp_path / "unbroken" / "shards")


def test_an_archive_that_cannot_be_read_is_not_called_a_shard(tmp_path):
    def stream(names):
        yield names[0], photograph(1)
        raise OSError(errno.EIO, "Input/output error", "archive.tar")

    with pytest.raises(OSError, match="Input/output") as refusal:
        pack(config(), Source({"test": ["a.x", "b.x"]}, stream, False, []), tmp_path / "shards", tmp_path / "scratch")
    assert refusal.value.filename == "archive.tar"


# ---- memory


def peak(folder: Path, count: int) -> int:
    """bytes that packing holds at most, of photographs that are made as they are asked for."""
    names = [f"{number:05}.x" for number in range(count)]
    made = Source({"test": names}, lambda wanted: ((n, photograph(int(n[:5]), 64, 64)) for n in wanted), False, names)
    tracemalloc.start()
    try:
        pack(config(size=64, crop="centre"), made, folder / "shards", folder / "scratch")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_photographs(tmp_path):
    picture = 3 * 64 * 64
    peak(tmp_path / "warm", 4)
    few, more = peak(tmp_path / "few", 40), peak(tmp_path / "more", 400)
    assert more - few < 360 * picture / 5  # names and lines of the journal, not pictures
    shard = Shard(tmp_path / "more" / "shards" / "test")
    assert len(shard) == 400
    assert isinstance(shard.pixels, np.memmap) and isinstance(shard.index, np.memmap)
    assert np.shares_memory(shard[7], shard.pixels)
