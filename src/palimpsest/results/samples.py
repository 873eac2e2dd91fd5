"""The test pictures that every run kept for figures and studies, with what each run made of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palimpsest.config.yaml import InputError
from palimpsest.data.shards import Shard, spread
from palimpsest.holes.bank import read_bank
from palimpsest.results.measured import Measured
from palimpsest.storage import read_arrays
from palimpsest.workspace import Workspace


@dataclass(frozen=True)
class Samples:
    """The test pictures that every run kept, with what each run made of them."""

    ids: list[str]
    pictures: np.ndarray  # uint8 (K, H, W, 3)
    inputs: np.ndarray  # the same, hole white
    holes: np.ndarray  # bool (K, H, W)
    kept: dict[str, dict[str, np.ndarray]]  # run → result, offsets and so on

    def first(self, count: int) -> "Samples":
        """`count` of the pictures, spread over them all."""
        chosen = spread(len(self.ids), count)
        kept = {run: {name: array[chosen] for name, array in arrays.items()} for run, arrays in self.kept.items()}
        ids = [self.ids[i] for i in chosen]
        return Samples(ids, self.pictures[chosen], self.inputs[chosen], self.holes[chosen], kept)


Reader = Callable[[Path], dict[str, np.ndarray]]


def read_samples(root: Path, measured: Measured, slot: str, hole: str, read: Reader = read_arrays) -> Samples:
    """The kept samples of every run measured on a slot with holes of a kind.

    InputError where there are none, or where runs kept other pictures.
    """
    shard = Shard(Workspace(root).slot(slot).shard("test"))
    bank = read_bank(Workspace(root).slot(slot).holes, hole, len(shard))
    index, kept = None, {}
    for run in measured.kept(slot, hole):
        arrays = read(Workspace(root).results(run).samples)
        if index is not None and not np.array_equal(index, arrays["index"]):
            raise InputError(
                f"results/{run}/samples.npz: holds other pictures than the runs before; `dvc repro` mends it"
            )
        index = arrays["index"]
        kept[run] = {name.split("/")[1]: array for name, array in arrays.items() if name.startswith(f"{hole}/")}
    if index is None:
        raise InputError(
            f"results: asked for samples of {slot!r} with {hole} holes, found none; `dvc repro` makes them"
        )
    pictures = np.stack([shard[i] for i in index])
    holes = bank[index]
    inputs = np.where(holes[..., None], np.uint8(255), pictures)
    return Samples([shard.ids[i] for i in index], pictures, inputs, holes, kept)
