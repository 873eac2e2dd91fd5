"""The methods that the demo offers, and what each makes of one picture and its hole."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, cycle
from time import perf_counter

import numpy as np
import torch
from PIL import Image, ImageDraw

from palimpsest.config import runs
from palimpsest.config.yaml import InputError, Tree
from palimpsest.evaluation.filling import Filled
from palimpsest.evaluation.trained import TrainedModel
from palimpsest.figures.grids import colour_code
from palimpsest.figures.pictures import MISSING, RANKED, STRIDE, retrieved_patches
from palimpsest.inpainting import composite
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace

SUGGESTED = ("constant-fill", "patchmatch", "deepfill-v2")  # to begin with
MAPS = ("flow", "offsets")  # of what a model's `inspect` gives, see palimpsest/models/__init__.py


@dataclass(frozen=True)
class Shown:
    """What a method made of a picture, and what it shows of how; every picture is uint8 (H, W, 3)."""

    result: np.ndarray
    inside: dict[str, np.ndarray]
    seconds: float
    note: str  # on its settings; "" where they are those of params.yaml

    def caption(self, name: str) -> str:
        return "; ".join(filter(None, [f"{name}: {self.seconds:.2f} s", self.note]))


@dataclass(frozen=True, eq=False)
class Methods:
    """Runs whose weights are there, each loaded when it is first asked for."""

    params: Tree
    names: Sequence[str]
    device: torch.device | str
    workspace: Workspace

    @cache  # noqa: B019
    def load(self, name: str):
        """(model, note) of a run."""
        model, origin = checkpoints.load_named(self.workspace, self.params, name, self.device)
        current = origin.source or origin.run == runs.resolve(self.params, name)
        return model, "" if current else "trained under other settings than params.yaml holds now"

    def fill(self, name: str, picture: np.ndarray, hole: np.ndarray) -> Shown:
        """uint8 (H, W, 3), bool (H, W) → what a run makes of them."""
        model, note = self.load(name)
        begun = perf_counter()
        filled = TrainedModel(model, self.device).fill("painted", ["painted"], picture[None], hole[None])
        seconds = perf_counter() - begun
        return Shown(filled.results[0], inside(model, filled), seconds, note)


def ready(workspace: Workspace, names: Sequence[str]) -> list[str]:
    """Those of the runs whose weights are there; InputError if there are none."""
    found = [name for name in names if checkpoints.is_there(workspace.run(name).weights)]
    if not found:
        some = " ".join(f"train@{name}" for name in SUGGESTED)
        raise InputError(f"runs: asked for trained runs, found none; accepted: some, which `dvc repro {some}` makes")
    return found


def painted(background: np.ndarray | None, layers: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(picture, hole) of an editor's picture and what is painted over it, uint8 (H, W, 4); InputError without both."""
    if background is None:
        raise InputError("asked for a picture, found none; accepted: one that is opened or pasted")
    hole = np.zeros(background.shape[:2], bool)
    for layer in layers:
        hole |= layer[..., 3] > 127
    if hole.all() or not hole.any():
        state = "missing" if hole.all() else "known"
        raise InputError(f"every pixel is {state}; accepted: a hole painted into a part of the picture")
    return background[..., :3], hole


def inside(model, filled: Filled) -> dict[str, np.ndarray]:
    """What a model shows of how it filled one picture: maps, pieced and marked pictures, and those of its own."""
    picture, hole = filled.pictures[0], filled.holes[0]
    arrays = {name: array[0] for name, array in filled.kept(np.array([0])).items()}
    shown = {}
    for name, array in arrays.items():
        if name in MAPS:
            shown["where it looks"] = enlarged(colour_code(array), STRIDE)[: len(picture), : picture.shape[1]]
        elif name == "pieced":
            shown["pieced from its patches"] = composite(array, picture, hole)
        elif name == "retrieved":
            shown["patches it retrieved"] = marked(arrays["result"], array, model.patch)
        elif name not in ("result", "output"):
            shown[name] = array
    return shown


def enlarged(picture: np.ndarray, times: int) -> np.ndarray:
    """Every pixel as a square of `times` px."""
    return picture.repeat(times, 0).repeat(times, 1)


def marked(result: np.ndarray, retrieved: np.ndarray, side: int) -> np.ndarray:
    """The patch in the hole's middle, and those that were retrieved for it, framed in the colours of the figures."""
    _, missing, corners = retrieved_patches(side * len(retrieved), retrieved)
    drawn = Image.fromarray(result)
    for (y, x), colour in zip([missing, *corners], chain([MISSING], cycle(RANKED)), strict=False):
        ImageDraw.Draw(drawn).rectangle((x, y, x + side - 1, y + side - 1), outline=colour)
    return np.asarray(drawn)
