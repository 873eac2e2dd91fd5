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
BOTH = "a hole with known and missing pixels"
GREY = 1 / 8  # of the range from black to white: how far from both a grey is that only soft edges should have


@dataclass(frozen=True)
class Hole:
    """The hole in a file."""

    missing: np.ndarray  # bool (H, W)
    soft: float  # share of pixels that are neither black nor white
    painted: bool = False  # whether it is where alpha is opaque, or transparent, and nothing else says which


@dataclass(frozen=True)
class Reading:
    """How a person's files of holes are read."""

    channel: Channel | None  # None = the one in which a hole lies, where that is clear
    invert: bool  # whether what is black, or transparent, is missing

    def read(self, path: Path, shape: tuple[int, int]) -> Hole:
        """The hole of a picture (H, W); InputError unless the file clearly holds one, of that size."""
        mask = _read(path, self.channel)
        white, soft = mask.white, mask.soft
        if white.shape != shape:
            found, wanted = (f"{width} x {height}" for height, width in (white.shape, shape))
            raise InputError(f"{path}: the hole is {found} px, the picture {wanted}; accepted: equal sizes")
        if white.all() or not white.any():
            state = "missing" if white.all() != self.invert else "known"
            side = "above" if white.all() else "below"
            why = f", and {soft:.0%} of them are grey, {side} the middle" if soft else ""
            accepted = f"black and white (0 and 255, or 0 and 1); its levels are {mask.span}" if soft else BOTH
            raise InputError(f"{path}: every pixel is {state}{why}; accepted: {accepted}")
        return Hole(white != self.invert, soft, mask.painted)


@dataclass(frozen=True)
class _Mask:
    """What a file shows in one channel."""

    white: np.ndarray  # bool (H, W), above the middle
    soft: float  # share of pixels that are neither black nor white
    span: str  # its lowest and its highest level
    painted: bool  # see Hole


def read_mask(path: Path, channel: Channel | None = None) -> tuple[np.ndarray, float]:
    """Where a file is above the middle, bool (H, W), and the share of its pixels that are neither black nor white.

    InputError for a file that is no picture, or whose channel is not clear, or that is mostly grey, as photographs are.
    """
    mask = _read(path, channel)
    return mask.white, mask.soft


def _read(path: Path, channel: Channel | None) -> _Mask:
    with reading(path, "a hole"):
        levels, painted = _levels(upright(path)[0], channel)
        span = f"{levels.min():g} to {levels.max():g}"
        if not (levels.min() >= 0 and levels.max() <= WHITES[-1]):
            raise UnfitError(f"levels from {span}; accepted: from 0, for black, to 1, 255 or 65535")
        white = next(white for white in WHITES if levels.max() <= white)
        grey = (np.abs(levels / white - 0.5) < 0.5 - GREY).mean()
        if grey > 0.5:
            raise UnfitError(f"a picture that is grey in {grey:.0%} of its pixels; accepted: mostly black and white")
        return _Mask(levels > white / 2, float(((levels > 0) & (levels < white)).mean()), span, painted)


def _levels(picture: Image.Image, channel: Channel | None) -> tuple[np.ndarray, bool]:
    """The channel of a picture in which a hole lies, (H, W), and whether it is alpha without anybody having said so.

    UnfitError where it has no such channel, or several.
    """
    if picture.mode.startswith(("I", "F")):
        if channel == "alpha":
            raise UnfitError("no alpha; accepted: --holes-in brightness")
        return np.asarray(picture), False
    picture = eight_bits(picture)
    if channel == "alpha" and not picture.has_transparency_data:
        raise UnfitError("no alpha; accepted: --holes-in brightness")
    red, green, blue, alpha = colours = np.moveaxis(np.asarray(picture.convert("RGBA")), -1, 0)
    channels = dict(zip(CHANNELS, (np.asarray(picture.convert("L")), red, green, blue, alpha), strict=True))
    if channel:
        return channels[channel], False
    brightness = channels["brightness"]
    if np.ptp(alpha) > TINT:
        seen = colours[:3, alpha > alpha.max() // 2]
        if np.array_equal(alpha > 127, brightness > 127):
            return alpha, False
        canvas = min(alpha[y, x] for y in (0, -1) for x in (0, -1)) > 127 and seen.max() <= 127
        if (np.ptp(seen, axis=1) <= TINT).all() and not canvas:  # black up to the corners is known, with an erased hole
            return alpha, True
        raise UnfitError(
            "one in its brightness and another in its alpha; accepted: --holes-in brightness, or --holes-in alpha, "
            "which takes what is opaque for missing, and with --invert what is transparent"
        )
    if 0 < alpha.max() <= TINT:
        raise UnfitError(f"alpha of {alpha.max()} of 255 at most, too faint for a hole; accepted: an opaque brush")
    if np.ptp(colours[:3], axis=0).max() > TINT:
        raise UnfitError("colours; accepted: black and white, or one channel by --holes-in red, green or blue")
    return brightness, False
