"""Single picture files: read strictly, and resized."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from palimpsest.config.yaml import InputError


def read_picture(path: Path | str) -> np.ndarray:
    """An 8-bit RGB picture as uint8 (H, W, 3), upright as its EXIF tag says; InputError for any other file."""
    return _read(path, {"RGB"}, "an 8-bit RGB picture")


def read_hole(path: Path | str) -> np.ndarray:
    """An 8-bit grey or black-and-white picture as uint8 (H, W); InputError for any other file."""
    hole = _read(path, {"L", "1"}, "a hole, an 8-bit grey picture")
    return hole.astype(np.uint8) * 255 if hole.dtype == bool else hole


def is_deep(picture: Image.Image) -> bool:
    """Whether a file holds 16 bits a channel, of which Pillow would read only the upper 8."""
    for tile in picture.tile:
        kind, *more = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if "16" in str(kind) or (tile.codec_name == "ppm" and more[0] > 255):
            return True
    return False


def _read(path: Path | str, modes: set[str], wanted: str) -> np.ndarray:
    names = {"L": "grey", "RGB": "RGB", "RGBA": "RGB with transparency", "P": "palette", "1": "black-and-white"}
    try:
        with Image.open(path) as picture:
            if picture.mode not in modes:
                found = names.get(picture.mode, "16-bit grey" if picture.mode.startswith("I") else picture.mode)
                raise InputError(f"{path}: asked for {wanted}, found a {found} picture")
            if is_deep(picture):
                raise InputError(f"{path}: asked for {wanted}, found one of 16 bits a channel")
            return np.array(ImageOps.exif_transpose(picture))
    except FileNotFoundError as error:
        raise InputError(f"{path}: asked for {wanted}, found no such file") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: asked for {wanted}, found a file that is no picture") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: asked for {wanted}, found one that is cut short or damaged ({error})") from error


def resized(picture: np.ndarray, height: int, width: int, resize: str) -> np.ndarray:
    """uint8 (height, width, 3), by one of Pillow's filters or `opencv-bilinear`."""
    if picture.shape[:2] == (height, width):
        return picture
    if resize == "opencv-bilinear":
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling[resize.upper()]))
