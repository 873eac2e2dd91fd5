"""The test pictures, their holes, and what each run kept of its results: for figures, gallery and studies alike.

A run's samples.npz holds `index`, the places of the samples that every run kept, and arrays `<hole>/<what>` in their
order; `worst/<hole>/index` and `worst/<hole>/result` are the run's own worst pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from palimpsest.config.yaml import InputError
from palimpsest.data.shards import Shard, spread
from palimpsest.holes.bank import Bank, read_bank
from palimpsest.results.measured import Measured
from palimpsest.storage import read_arrays
from palimpsest.workspace import Workspace

Arrays = dict[str, np.ndarray]
Reader = Callable[[Path], Arrays]


PICTURES = ("result", "pieced")  # arrays of pictures, uint8 (K, H, W, 3)
STRIPES = (255, 150)  # the greys of a hatched hole
FINEST, ACROSS = 8, 16  # px from one stripe to its like, at least; of them along a picture


def hatched(pictures: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Pictures, uint8 (…, H, W, 3), with their holes, bool (…, H, W), hatched: no photograph hides them."""
    height, width = holes.shape[-2:]
    period = max(FINEST, height // ACROSS)
    light = np.add.outer(np.arange(height), np.arange(width)) % period < period // 2
    return np.where(holes[..., None], np.where(light, *STRIPES)[..., None].astype(np.uint8), pictures)


@dataclass(frozen=True)
class Scene:
    """The test pictures of one slot with their holes of one kind; a picture's place is its number in the split."""

    slot: str
    hole: str  # kind
    shard: Shard
    bank: Bank

    def input(self, place: int) -> np.ndarray:
        """A picture with its hole hatched, uint8 (H, W, 3)."""
        return hatched(self.shard[place], self.bank[place])

    def pieced(self, place: int, references: np.ndarray) -> np.ndarray:
        """A picture whose hole is filled from a picture that was pieced together of references, uint8 (H, W, 3)."""
        return np.where(self.bank[place][..., None], references, self.shard[place])


def read_scene(root: Path, slot: str, hole: str) -> Scene:
    files = Workspace(root).slot(slot)
    shard = Shard(files.shard("test"))
    return Scene(slot, hole, shard, read_bank(files.holes, hole, len(shard)))


@dataclass(frozen=True)
class Samples:
    """Some pictures of a scene, and what runs made of them."""

    scene: Scene
    places: np.ndarray  # (K,)
    kept: dict[str, Arrays]  # run → result, offsets and so on, K of each

    @cached_property
    def ids(self) -> list[str]:
        names = self.scene.shard.ids
        return [names[place] for place in self.places]

    @cached_property
    def pictures(self) -> np.ndarray:
        """uint8 (K, H, W, 3)."""
        return np.stack([self.scene.shard[place] for place in self.places])

    @cached_property
    def holes(self) -> np.ndarray:
        """bool (K, H, W)."""
        return self.scene.bank[self.places]

    @cached_property
    def inputs(self) -> np.ndarray:
        """The pictures with their holes hatched."""
        return hatched(self.pictures, self.holes)

    def take(self, chosen: np.ndarray | slice) -> "Samples":
        kept = {run: {name: array[chosen] for name, array in arrays.items()} for run, arrays in self.kept.items()}
        return Samples(self.scene, self.places[chosen], kept)

    def evenly(self, count: int) -> "Samples":
        """At most `count` of the pictures, spread evenly over them."""
        return self.take(spread(len(self.places), count))


def read_kept(root: Path, measured: Measured, run: str, read: Reader = read_arrays) -> Arrays:
    """The arrays of a run's samples.npz; InputError unless it holds a picture of the right size for each place."""
    path, result = Workspace(root).results(run).samples, measured.results[run]
    arrays = read(path)
    for name, array in arrays.items():
        group, _, what = name.rpartition("/")
        index = arrays.get(f"{group}/index" if group.startswith("worst/") else "index", np.empty(0))
        if what == "index":
            fits = array.ndim == 1 and array.dtype.kind in "iu" and ((array >= 0) & (array < result.images)).all()
        elif what in PICTURES:
            fits = array.dtype == np.uint8 and array.shape == (len(index), result.size, result.size, 3)
        else:
            fits = array.shape[:1] == index.shape
        if not fits:
            found = f"found {name} of {array.dtype} {array.shape}"
            raise InputError(f"{path}: {found}, which does not fit its pictures; `dvc repro` makes it anew")
    if lacking := [f"{hole}/result" for hole in result.holes if "/" not in hole and f"{hole}/result" not in arrays]:
        raise InputError(f"{path}: has no {lacking[0]}; `dvc repro` makes it anew")
    return arrays


def read_samples(root: Path, measured: Measured, slot: str, hole: str, read: Reader = read_arrays) -> Samples:
    """The samples of every run that was measured on a slot with holes of a kind.

    InputError where there are none, or where runs kept different pictures.
    """
    index, kept = None, {}
    for run in measured.kept(slot, hole):
        path = Workspace(root).results(run).samples
        arrays = read_kept(root, measured, run, read)
        if index is not None and not np.array_equal(index, arrays["index"]):
            raise InputError(f"{path}: found other pictures than those of the other runs; `dvc repro` makes it anew")
        index = arrays["index"]
        kept[run] = {name.split("/")[1]: array for name, array in arrays.items() if name.startswith(f"{hole}/")}
    if index is None:
        raise InputError(
            f"results: asked for samples of {slot!r} with {hole} holes, found none; `dvc repro` makes them"
        )
    return Samples(read_scene(root, slot, hole), index, kept)


def read_worst(root: Path, measured: Measured, run: str, slot: str, hole: str, read: Reader = read_arrays) -> Samples:
    """The pictures that a run filled worst, worst first."""
    arrays = read_kept(root, measured, run, read)
    places, results = arrays[f"worst/{hole}/index"], arrays[f"worst/{hole}/result"]
    return Samples(read_scene(root, slot, hole), places, {run: {"result": results}})
