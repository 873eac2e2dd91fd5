"""Test pictures filled once: one value holds all that is scored, kept for figures or shown of a model's inside."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from torch import Tensor

from palimpsest.inpainting import composite, to_pixels


@dataclass(frozen=True)
class Filled:
    """A batch of pictures whose holes are filled, and what the model shows of how it filled them."""

    ids: Sequence[str]
    pictures: np.ndarray  # uint8 (B, H, W, 3)
    holes: np.ndarray  # bool (B, H, W)
    outputs: np.ndarray  # uint8 (B, H, W, 3), raw
    pieced: np.ndarray | None = None  # uint8 (B, H, W, 3), pieced from the model's reference patches, raw
    inside: dict[str, Tensor] = field(default_factory=dict)  # as the model's `inspect` gives it, on its device

    @cached_property
    def results(self) -> np.ndarray:
        """The outputs in the holes, the pictures elsewhere: uint8 (B, H, W, 3)."""
        return composite(self.outputs, self.pictures, self.holes)

    @property
    def scored(self) -> "dict[str, Filled]":
        """What is scored, by the suffix of its hole kind: the outputs, and as outputs too the pieced pictures."""
        if self.pieced is None:
            return {"": self}
        return {"": self, "/pieced": Filled(self.ids, self.pictures, self.holes, self.pieced)}

    def kept(self, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """What the figures show of the pictures at the indices `chosen`: pictures as uint8, whole numbers as int16."""
        arrays = {"result": self.results[chosen], "output": self.outputs[chosen]}
        if self.pieced is not None:
            arrays["pieced"] = self.pieced[chosen]
        return arrays | {name: self._array(value[chosen.tolist()]) for name, value in self.inside.items()}

    def _array(self, value: Tensor) -> np.ndarray:
        if not value.is_floating_point():
            return value.cpu().numpy().astype(np.int16)
        return to_pixels(cropped(value, self.pictures))


class Source(Protocol):
    """Where results come from."""

    def fill(self, kind: str, ids: Sequence[str], pictures: np.ndarray, holes: np.ndarray) -> Filled:
        """Pictures of the test split, uint8 (B, H, W, 3), with their holes of a kind, bool (B, H, W), filled."""


def cropped(image: Tensor, pictures: np.ndarray) -> Tensor:
    """(B, 3, H', W') cut to the size of the `pictures`, uint8 (B, H, W, 3), that it was padded from."""
    return image[..., : pictures.shape[1], : pictures.shape[2]]
