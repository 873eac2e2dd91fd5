"""Single picture files of every kind that Pillow decodes: read as upright 8-bit RGB, and resized."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from posixpath import basename, splitext
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from palimpsest.config.yaml import InputError

Image.init()
UNDECODED = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}  # Pillow knows them, and leaves decoding to other programs
FORMATS = sorted(Image.OPEN.keys() - UNDECODED)
ENDINGS = {ending for ending, kind in Image.registered_extensions().items() if kind in FORMATS}
MODES = {
    "RGB": "",
    "RGBA": "",
    "L": "grey",
    "LA": "grey",
    "I": "grey",
    "1": "black and white",
    "P": "palette",
    "PA": "palette",
}
DEEPEST = 65535  # level, of 16 bits
ORIENTATION = 0x0112  # EXIF tag
FINEST = 65535  # dpi that every format can hold
# EXIF tags of a TIFF's own layout, and of its profile
LAYOUT = {*range(0x00FE, 0x010B), *range(0x0111, 0x011A), 0x011C, *range(0x013D, 0x0155), 0x015B, 0x8773}
TURNS = {  # EXIF orientation → what turns a picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

DAMAGE = (  # what decoders raise
    *(OSError, SyntaxError, ValueError, EOFError, struct.error),
    *(RuntimeError, AssertionError, LookupError, TypeError, OverflowError),
)


warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # of half as many pixels as are refused


class UnfitError(Exception):
    """A file that gives no picture; the text says what it is."""


@dataclass(frozen=True)
class Picture:
    """A picture as everything here computes with it, and what was converted."""

    pixels: np.ndarray  # uint8 (H, W, 3), upright
    changes: list[str]  # such as `grey` or `16 bits`; none for an 8-bit RGB file
    transparent: bool  # whether some pixels are; they keep the colours that the file stores


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its name; hidden files, such as macOS adds, are none."""
    base = basename(name)
    return splitext(base)[1].lower() in ENDINGS and not base.startswith(".")


def read_picture(path: Path | str) -> Picture:
    """A picture file; InputError for any other."""
    with reading(path, "a picture"):
        return decode(Path(path))


@contextmanager
def reading(path: Path | str, wanted: str) -> Iterator[None]:
    """Turns an UnfitError into an InputError that names the file and what was asked for."""
    try:
        yield
    except UnfitError as error:
        raise InputError(f"{path}: asked for {wanted}, found {error}") from error


def decode(file: Path | BinaryIO) -> Picture:
    """A picture in 8-bit RGB; UnfitError for any other file."""
    picture, changes = upright(file)
    eight = eight_bits(picture)
    transparent = eight.has_transparency_data and eight.convert("RGBA").getchannel("A").getextrema()[0] < 255
    return Picture(np.asarray(eight.convert("RGB")), changes, bool(transparent))


def upright(file: Path | BinaryIO) -> tuple[Image.Image, list[str]]:
    """A picture turned as its EXIF tag says, and what of it is not 8-bit RGB; UnfitError for any other file."""
    with opened(file) as picture:
        deep = is_deep(picture)
        turned = picture.getexif().get(ORIENTATION) in TURNS
        picture.load()  # which turns a TIFF
        turn = TURNS.get(picture.getexif().get(ORIENTATION))
        kind = "grey" if picture.mode.startswith("I;16") else MODES.get(picture.mode, picture.mode)
        changes = [change for change in (kind, "16 bits" * deep, "turned" * turned) if change]
        return picture.copy() if turn is None else picture.transpose(turn), changes


@contextmanager
def opened(file: Path | BinaryIO) -> Iterator[Image.Image]:
    """A file for Pillow alone to work on; UnfitError for what its decoders raise."""
    if isinstance(file, Path) and (fault := fault_of(file)):
        raise UnfitError(fault)
    try:
        with Image.open(file, formats=FORMATS) as picture:
            yield picture
    except UnidentifiedImageError as error:
        raise UnfitError("no readable picture") from error
    except Image.DecompressionBombError as error:
        raise UnfitError(f"more than {2 * Image.MAX_IMAGE_PIXELS} pixels") from error
    except DAMAGE as error:
        raise UnfitError("a file cut short or damaged") from error


def fault_of(path: Path) -> str:
    """Why a path is no file that can be read; "" where it is one."""
    if path.is_file():
        return ""
    if path.is_symlink():
        return "a link that leads nowhere"
    return "neither file nor folder" if path.exists() and not path.is_dir() else "no such file"


def is_deep(picture: Image.Image) -> bool:
    """Whether a file that is not yet loaded holds more than 8 bits a channel."""
    if picture.mode.startswith(("I", "F")):
        return True
    for tile in picture.tile:
        kind, *more = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if "16" in str(kind) or (tile.codec_name == "ppm" and more[0] > 255):
            return True
    return False


def eight_bits(picture: Image.Image) -> Image.Image:
    """A picture in a mode of 8 bits a channel, the upper ones of 16; UnfitError for other numbers and colours."""
    if picture.mode.startswith("I"):
        levels = np.asarray(picture)
        if levels.min() < 0 or levels.max() > DEEPEST:
            raise UnfitError("32 bits a channel; accepted: 8 or 16")
        return Image.fromarray((levels >> 8).astype(np.uint8))
    if picture.mode == "F":
        raise UnfitError("floating-point numbers; accepted: 8 or 16 bits a channel")
    if picture.mode == "LAB":
        raise UnfitError("LAB colours; accepted: RGB, grey, palette or CMYK")
    return picture


def size_of(path: Path) -> tuple[int, int]:
    """Width and height in a file's head, before it is turned; (0, 0) of what is no picture."""
    with suppress(UnfitError), opened(path) as picture:
        return picture.size
    return 0, 0


def kept(path: Path | str) -> dict[str, Any]:
    """What a result keeps of its picture's file, as Pillow's `save` takes it: EXIF, dpi, and the profile of its RGB.

    The tags that say how the file's own pixels lie in it are left out, and so is EXIF that cannot be written again.
    """
    with reading(path, "a picture"), opened(Path(path)) as picture:
        picture.load()  # some formats keep it behind the pixels
        found = {name: picture.info.get(name) for name in ("dpi", "icc_profile")}
        if (found["icc_profile"] or b"")[16:20] != b"RGB ":
            del found["icc_profile"]
        if not all(1 < each <= FINEST for each in found["dpi"] or ()):  # 1 in a file that says nothing
            del found["dpi"]
        exif = picture.getexif()
        for tag in LAYOUT & set(exif):
            del exif[tag]
        with suppress(ValueError, TypeError, struct.error):
            found["exif"] = exif.tobytes() if exif else None
        return {name: value for name, value in found.items() if value}


def resized(picture: np.ndarray, height: int, width: int, resize: str) -> np.ndarray:
    """uint8 (height, width, 3), by one of Pillow's filters or `opencv-bilinear`."""
    if picture.shape[:2] == (height, width):
        return picture
    if resize == "opencv-bilinear":
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling[resize.upper()]))
