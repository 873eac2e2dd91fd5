"""The kinds of holes in the settings, and the hole of one picture."""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from palimpsest.config.numbers import Seed
from palimpsest.config.yaml import InputError, Name, Settings, choices, shown
from palimpsest.holes.binned import Binned
from palimpsest.holes.drawn import Drawn
from palimpsest.holes.nvidia import Nvidia
from palimpsest.holes.objects import Blob, Silhouettes, Stamps
from palimpsest.holes.rectangles import Centre, PicnetRegular, RandomSquare, ShrunkSquare, Square
from palimpsest.holes.strokes import Brush, PicnetIrregular, Strokes


class Union(Settings):
    """The union of several holes, each drawn from its own kind."""

    shape: Literal["union"]
    of: Annotated[list[str], Field(min_length=2)]  # names of kinds


class OneOf(Settings):
    """A hole of one of several kinds, all equally likely."""

    shape: Literal["one-of"]
    of: Annotated[list[str], Field(min_length=2)]  # names of kinds


Rectangular = ShrunkSquare | Square | RandomSquare | Centre | PicnetRegular
Irregular = Brush | Strokes | PicnetIrregular | Binned | Nvidia
ObjectShaped = Blob | Silhouettes | Stamps | Drawn
Kind = Annotated[Rectangular | Irregular | ObjectShaped | Union | OneOf, Field(discriminator="shape")]


class Holes(Settings):
    """The section `holes`: every kind of hole that runs may be trained and tested on."""

    seed: Seed
    kinds: dict[Name, Kind]

    @model_validator(mode="after")
    def _unions_end(self) -> Self:
        for name in self.kinds:
            self._parts(name)
        return self

    def _parts(self, name: str, above: tuple[str, ...] = ()) -> set[str]:
        """A kind and all that it is made of; InputError for an unknown kind or one that is part of itself."""
        if name in above:
            found = f"holes.kinds.{above[-1]}.of: {' is made of '.join([*above, name])}"
            raise InputError(f"params.yaml: {found}; accepted: kinds that do not go in a circle")
        shape = self.kind(name)
        inner = shape.of if isinstance(shape, Union | OneOf) else []
        others = [kind for kind in self.kinds if kind not in (name, *above)]
        for place, part in enumerate(inner):
            if part not in self.kinds:
                found = f"holes.kinds.{name}.of.{place} is {shown(part)}"
                raise InputError(f"params.yaml: {found}; accepted: {choices(others, part)}")
        return {name}.union(*(self._parts(part, (*above, name)) for part in inner))

    @property
    def names(self) -> list[str]:
        return list(self.kinds)

    def kind(self, name: str) -> Kind:
        if name not in self.kinds:
            raise InputError(f"asked for holes of kind {shown(name)}; accepted: {choices(self.kinds, name)}")
        return self.kinds[name]

    def only(self, names: Iterable[str]) -> Self:
        """Only these kinds, and those that they are made of."""
        kept = set().union(*(self._parts(name) for name in names))
        return self.model_copy(update={"kinds": {name: kind for name, kind in self.kinds.items() if name in kept}})

    def draw(self, name: str, size: int, rng: np.random.Generator, image_id: str = "") -> np.ndarray:
        """A hole of a kind, bool (size, size). Only kinds that are drawn by hand read `image_id`."""
        match shape := self.kind(name):
            case Union():
                return np.logical_or.reduce([self.draw(part, size, rng, image_id) for part in shape.of])
            case OneOf():
                return self.draw(shape.of[rng.integers(len(shape.of))], size, rng, image_id)
            case Drawn():
                return shape.draw(size, image_id)
        return shape.draw(size, rng)


def fixed_hole(config: Holes, kind: str, image_id: str, size: int) -> np.ndarray:
    """The fixed hole of one test picture, bool (size, size)."""
    number = int.from_bytes(hashlib.sha256(f"{kind}/{image_id}".encode()).digest()[:8])
    return config.draw(kind, size, np.random.default_rng([config.seed, number]), image_id)


def training_hole(config: Holes, kind: str, number: int, size: int) -> np.ndarray:
    """The hole of the training crop with this running number, bool (size, size)."""
    return config.draw(kind, size, np.random.default_rng([config.seed, 2, number]))
