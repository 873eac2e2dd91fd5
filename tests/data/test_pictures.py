"""Picture files of every kind, as a person has them."""

import os
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from palimpsest.config.yaml import InputError
from palimpsest.data.pictures import ENDINGS, is_picture, kept, read_picture, size_of

NOISE = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
GREY = NOISE[..., 0]
THRICE = GREY[..., None].repeat(3, 2)
TURNED = 0x0112
PROFILES = {"RGB": b"\0" * 16 + b"RGB ", "grey": b"\0" * 16 + b"GRAY"}


def save(path, picture, **how):
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(path, **how)
    return path


def save_16_bits(path):
    tifffile.imwrite(path, NOISE.astype(np.uint16) * 256 + 200, photometric="rgb")
    return path


def converted(mode):
    return Image.fromarray(NOISE).convert(mode)


def with_alpha(*pixels):
    return np.dstack([*pixels, np.eye(9, 12, dtype=np.uint8) * 255])


@pytest.mark.parametrize(
    ("make", "pixels", "changes"),
    [
        (lambda to: save(to / "a.png", NOISE), NOISE, []),
        (lambda to: save(to / "a.png", GREY), THRICE, ["grey"]),
        (lambda to: save(to / "a.png", converted("L").convert("LA")), None, ["grey"]),
        (lambda to: save(to / "a.png", GREY > 127), (THRICE > 127) * 255, ["black and white"]),
        (lambda to: save(to / "a.gif", converted("P")), None, ["palette"]),
        (lambda to: save(to / "a.tif", converted("CMYK")), None, ["CMYK"]),
        (lambda to: save(to / "a.png", converted("RGBA")), NOISE, []),
        (lambda to: save(to / "a.PNG", GREY.astype(np.uint16) * 257), THRICE, ["grey", "16 bits"]),
        (lambda to: save_16_bits(to / "a.tiff"), NOISE, ["16 bits"]),
    ],
    ids=["RGB", "grey", "grey with alpha", "bits", "palette", "CMYK", "opaque", "grey of 16 bits", "16 bits"],
)
def test_a_picture_of_any_kind_becomes_rgb_and_says_so(tmp_path, make, pixels, changes):
    path = make(tmp_path)
    found = read_picture(path)
    reference = np.asarray(Image.open(path).convert("RGB")) if pixels is None else pixels
    assert found.pixels.dtype == np.uint8 and (found.pixels == reference).all()
    assert found.changes == changes and not found.transparent and size_of(path) == (12, 9)


def test_transparent_pixels_keep_their_colours_and_are_told(tmp_path):
    found = read_picture(save(tmp_path / "a.png", with_alpha(NOISE)))
    assert found.transparent and (found.pixels == NOISE).all()


@pytest.mark.parametrize("ending", sorted({".png", ".jpg", ".jfif", ".webp", ".avif", ".jp2", ".bmp", ".tga", ".qoi"}))
def test_every_ending_that_pillow_reads_is_one_in_any_case(tmp_path, ending):
    """A folder read under its name is the folder that this list finds."""
    path = save(tmp_path / f"a{ending}", np.full((8, 8, 3), 200, np.uint8))
    assert ending in ENDINGS and is_picture(f"sub/A{ending.upper()}")
    assert np.abs(read_picture(path).pixels.astype(int) - 200).max() <= 3


def test_what_is_hidden_or_needs_another_program_is_no_picture(tmp_path):
    assert not any(map(is_picture, ("._a.png", "sub/.a.png", "a.eps", "a.txt", "png", "a.heic")))
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(InputError, match="found no readable picture"):
        read_picture(tmp_path / "a.png")


def pipe(path):
    os.mkfifo(path)


def bomb(path):
    """A few bytes that say they are 400 million pixels of one bit."""
    file = save(path, GREY > 127).read_bytes()
    head = file[12:16] + (20_000).to_bytes(4, "big") * 2 + file[24:29]
    path.write_bytes(file[:12] + head + zlib.crc32(head).to_bytes(4, "big") + file[33:])


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.symlink_to("nowhere"), "a link that leads nowhere"),
        (pipe, "neither file nor folder"),
        (lambda path: path.mkdir(), "no such file"),
        (lambda path: path.write_text("<html>not found</html>"), "no readable picture"),
        (lambda path: path.write_bytes(save(path, NOISE).read_bytes()[:300]), "a file cut short or damaged"),
        (bomb, "more than 178956970 pixels"),
        (lambda path: save(path, GREY.astype(np.float32), format="TIFF"), "floating-point numbers; accepted: 8 or 16"),
        (lambda path: save(path, converted("LAB"), format="TIFF"), "LAB colours; accepted: RGB, grey, palette or CMY"),
    ],
    ids=["none", "dead link", "pipe", "folder", "text", "cut", "bomb", "floats", "LAB"],
)
def test_what_is_no_picture_is_named_in_one_line(tmp_path, make, found):
    path = tmp_path / "a.png"
    make(path)
    with pytest.raises(InputError) as error:
        read_picture(path)
    assert str(error.value).startswith(f"{path}: asked for a picture, found {found}")


def test_a_name_that_is_no_utf_8_is_read(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.png"
    Image.fromarray(NOISE).save(path.decode(errors="surrogateescape"))
    assert (read_picture(os.fsdecode(path)).pixels == NOISE).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_result_keeps_profile_exif_and_dpi_and_stands_upright(tmp_path, ending):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[TURNED], exif[0x010F] = 6, "maker"
    source = save(tmp_path / "a.jpg", NOISE, exif=exif, icc_profile=profile, dpi=(300, 300))
    result = Image.open(save(tmp_path / f"b.{ending}", read_picture(source).pixels, **kept(source)))
    assert (np.asarray(result) == np.rot90(np.asarray(Image.open(source)), -1)).all()
    assert result.info["icc_profile"] == profile and result.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert result.getexif()[0x010F] == "maker" and TURNED not in result.getexif()


def test_a_profile_of_other_colours_and_the_layout_of_a_tiff_are_not_kept(tmp_path):
    assert kept(save(tmp_path / "a.png", NOISE, icc_profile=PROFILES["RGB"])) == {"icc_profile": PROFILES["RGB"]}
    assert kept(save(tmp_path / "b.png", GREY, icc_profile=PROFILES["grey"])) == {}
    assert kept(save(tmp_path / "c.tif", NOISE)) == {}


@pytest.mark.parametrize("dpi", [4294967295, 1])
def test_a_resolution_that_says_nothing_or_that_png_cannot_hold_is_left_out(tmp_path, dpi):
    source = save(tmp_path / "a.tif", NOISE, dpi=(dpi, dpi))
    assert "dpi" not in kept(source)
    Image.open(source).save(tmp_path / "b.png", **kept(source))
