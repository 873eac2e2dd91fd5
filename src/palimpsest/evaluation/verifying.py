"""A released network against the pictures that its authors filled with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from palimpsest.config.yaml import InputError
from palimpsest.data.fetching import Remote, fetch
from palimpsest.data.pictures import read_picture
from palimpsest.holes.files import read_mask
from palimpsest.inpainting import predict, to_tensors
from palimpsest.released.catalogue import Gold

ALLOWED = 2e-4  # share of hole values beyond one level; a port of DeepFill v2 reached it with the real weights


@dataclass(frozen=True)
class Compared:
    """One picture: how many grey levels each value of a hole pixel, three a pixel, lies from the authors'."""

    name: str
    levels: np.ndarray  # (N, 3), of the hole's pixels
    places: np.ndarray  # (N, 2), their (y, x)
    known: int  # values outside the hole in which the authors' result is more than a level from their picture

    @property
    def beyond(self) -> int:
        """Values more than one level off."""
        return int((self.levels > 1).sum())

    @property
    def agrees(self) -> bool:
        return self.beyond <= ALLOWED * self.levels.size

    def __str__(self) -> str:
        row = self.levels.max(1).argmax()
        y, x = self.places[row]
        equal, one = ((self.levels == each).mean() for each in (0, 1))
        text = f"{self.name}: {self.levels.size:,} hole values, {equal:.2%} equal, {one:.2%} off by 1 level"
        text += f", {self.beyond:,} by more, at most {self.levels.max()} at row {y}, column {x}"
        if self.known:
            text += f"; {self.known:,} known values of the authors' result are not those of their picture"
        return text


@torch.inference_mode()
def verify(model, gold: Gold, folder: Path, mirror: str | None, device: torch.device | str) -> Iterator[Compared]:
    """Fills each gold picture and compares it; the pictures are fetched into `folder`.

    InputError where one cannot be had, or its hole has another size.
    """
    for name in gold.pictures:
        places = (pattern.replace("{}", name) for pattern in (gold.image, gold.hole, gold.result))
        image, hole, result = (_fetched(gold, place, folder, mirror) for place in places)
        (picture, theirs), (white, _) = (read_picture(each).pixels for each in (image, result)), read_mask(hole)
        missing = white if gold.missing == "white" else ~white
        if not picture.shape[:2] == missing.shape == theirs.shape[:2]:
            sizes = ", ".join(f"{each.shape[1]} x {each.shape[0]}" for each in (picture, missing, theirs))
            raise InputError(f"{name}: its image, hole and result are {sizes} px; accepted: equal sizes")
        if not missing.any():
            raise InputError(f"{hole}: asked for a hole, found no missing pixel; accepted: {gold.missing} ones")
        tensors = (each.to(device) for each in to_tensors(picture[None], missing[None]))
        values = predict(model, *tensors).clamp(0, 1)[0].permute(1, 2, 0).cpu().numpy() * 255
        ours = (np.floor(values) if gold.bits == "truncated" else np.round(values)).astype(int)
        known = int((np.abs(theirs.astype(int) - picture)[~missing] > 1).sum())
        yield Compared(name, np.abs(ours - theirs)[missing], np.argwhere(missing), known)


def _fetched(gold: Gold, place: str, folder: Path, mirror: str | None) -> Path:
    remote = Remote(url=f"{gold.source}/{place}", bytes=None, hash=None, how=None)
    return fetch(place, remote, folder, mirror).path
