"""Training batches, which depend on the seed and the iteration alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from palimpsest.config.yaml import InputError
from palimpsest.data.crops import Crops, random_crop
from palimpsest.data.shards import Shard
from palimpsest.holes.kinds import Holes, training_hole
from palimpsest.inpainting import to_tensors
from palimpsest.learning.schedule import Schedule


@dataclass
class Batches(Dataset):
    """`batches[iteration]` is (image, hole, *derived): one process's pictures out of all batches that a step takes."""

    shard: Shard
    crops: Crops
    holes: Holes
    schedule: Schedule
    a_step: int  # batches of one step
    seed: int
    rank: int = 0
    world: int = 1  # processes
    derive: Callable[[Tensor, Tensor], tuple[Tensor, ...]] | None = None  # the model's, if it has one

    def __post_init__(self) -> None:
        if self.schedule.batch_size % self.world:
            raise InputError(
                f"schedule.batch_size is {self.schedule.batch_size}; accepted: a multiple of {self.world} processes"
            )
        for kind in self.schedule.holes:
            self.holes.kind(kind)

    def __getitem__(self, iteration: int) -> tuple[Tensor, ...]:
        batch = self.schedule.batch_size
        first = iteration * self.a_step * batch
        mine = [n for n in range(first, first + self.a_step * batch) if n % self.world == self.rank]
        numbers = [n // batch * batch if self.schedule.one_hole_a_batch else n for n in mine]
        image, hole = to_tensors(np.stack([self.crop(n) for n in mine]), np.stack([self.hole(n) for n in numbers]))
        return image, hole, *(self.derive(image, hole) if self.derive else ())

    def crop(self, number: int) -> np.ndarray:
        """The training crop with this running number, uint8 (size, size, 3)."""
        return random_crop(self.shard, number, self.crops, self.schedule.augment, self.seed)

    def hole(self, number: int) -> np.ndarray:
        """Its hole, bool (size, size); for a method that fills none, nothing is missing."""
        if self.schedule.hole is None:
            return np.zeros((self.crops.size, self.crops.size), bool)
        return training_hole(self.holes, self.schedule.hole, number, self.crops.size)
