"""Holes as picture files, however they were saved: in black and white or soft, in grey, a palette, colours or alpha."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from palimpsest.config.yaml import InputError
from palimpsest.data.pictures import UnfitError, eight_bits, reading, upright

Channel = Literal["brightness", "red", "green", "blue", "alpha"]
CHANNELS = get_args(Channel)
WHITES = (1, 255, 65535)  # levels of white; of a file it is the lowest that no level exceeds
TINT = 32  # of 255 levels, by which greys may be coloured and one colour may vary: by JPEG, or a brush's soft edge
GREY = 1 / 8  # of the range from black to white: how far from both a grey is that only soft edges should have


@dataclass(frozen=True)
class Hole:
    """The hole in a file."""

    missing: np.ndarray  # bool (H, W)
    soft: float  # share of pixels that are neither black nor white


@dataclass(frozen=True)
class Reading:
    """How a person's files of holes are read."""

    channel: Channel | None  # None = the one in which a hole lies, where that is clear
    invert: bool  # whether what is black, or transparent, is missing

    def read(self, path: Path, shape: tuple[int, int]) -> Hole:
        """The hole of a picture (H, W); InputError unless the file clearly holds one, of that size."""
        white, soft = read_mask(path, self.channel)
        if white.shape != shape:
            found, wanted = (f"{width} x {height}" for height, width in (white.shape, shape))
            raise InputError(f"{path}: the hole is {found} px, the picture {wanted}; accepted: equal sizes")
        if white.all() or not white.any():
            state = "missing" if white.all() != self.invert else "known"
            side = "above" if white.all() else "below"
            why = f", and {soft:.0%} of them are grey, {side} the middle" if soft else ""
            raise InputError(f"{path}: every pixel is {state}{why}; accepted: a hole with known and missing pixels")
        return Hole(white != self.invert, soft)


def read_mask(path: Path, channel: Channel | None = None) -> tuple[np.ndarray, float]:
    """Where a file is above the middle, bool (H, W), and the share of its pixels that are neither black nor white.

    InputError for a file that is no picture, or whose channel is not clear, or that is mostly grey, as photographs are.
    """
    with reading(path, "a hole"):
        levels = _levels(upright(path)[0], channel)
        if not (levels.min() >= 0 and levels.max() <= WHITES[-1]):
            found = f"levels from {levels.min():g} to {levels.max():g}"
            raise UnfitError(f"{found}; accepted: from 0, for black, to 1, 255 or 65535")
        white = next(white for white in WHITES if levels.max() <= white)
        grey = (np.abs(levels / white - 0.5) < 0.5 - GREY).mean()
        if grey > 0.5:
            raise UnfitError(f"a picture that is grey in {grey:.0%} of its pixels; accepted: mostly black and white")
        return levels > white / 2, float(((levels > 0) & (levels < white)).mean())


def _levels(picture: Image.Image, channel: Channel | None) -> np.ndarray:
    """The channel of a picture in which a hole lies, (H, W); UnfitError where it has no such channel, or several."""
    if picture.mode.startswith(("I", "F")):
        if channel == "alpha":
            raise UnfitError("no alpha; accepted: --holes-in brightness")
        return np.asarray(picture)
    picture = eight_bits(picture)
    if channel == "alpha" and not picture.has_transparency_data:
        raise UnfitError("no alpha; accepted: --holes-in brightness")
    red, green, blue, alpha = colours = np.moveaxis(np.asarray(picture.convert("RGBA")), -1, 0)
    channels = dict(zip(CHANNELS, (np.asarray(picture.convert("L")), red, green, blue, alpha), strict=True))
    if channel:
        return channels[channel]
    brightness = channels["brightness"]
    if np.ptp(alpha) > TINT:
        seen = colours[:3, alpha > alpha.max() // 2]
        if (np.ptp(seen, axis=1) <= TINT).all() or np.array_equal(alpha > 127, brightness > 127):
            return alpha
        raise UnfitError(
            "one in its brightness and another in its alpha; accepted: --holes-in brightness, or --holes-in alpha, "
            "which takes what is opaque for missing, and with --invert what is transparent"
        )
    if np.ptp(colours[:3], axis=0).max() > TINT:
        raise UnfitError("colours; accepted: black and white, or one channel by --holes-in red, green or blue")
    return brightness
