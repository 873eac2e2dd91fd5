"""How a method trains: phases, learning rates, batches."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from palimpsest.config.numbers import Count, Iterations, Rate
from palimpsest.config.yaml import Namer, Settings, one_of


class Linear(Settings):
    """A learning rate that falls linearly."""

    highest: Rate
    lowest: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError(f"lowest is {self.lowest} and highest {self.highest}; accepted: a rate that falls")
        return self

    def left(self, done: float) -> float:
        """What remains of the fall when a part `done` of the phase is over, both from 0 to 1."""
        return 1 - done


class Cosine(Linear):
    """A learning rate that falls along half a cosine and restarts: Loshchilov and Hutter 2017, SGDR."""

    periods: Iterations

    def left(self, done: float) -> float:
        return (1 + math.cos(math.pi * (done * self.periods % 1))) / 2


def _kind_of_rate(rate: object) -> str:
    match rate:
        case Cosine() | {"periods": _}:
            return "cosine"
        case Linear() | dict():
            return "linear"
        case _:
            return "constant"


Rates = Annotated[
    Annotated[Rate, Tag("constant")] | Annotated[Linear, Tag("linear")] | Annotated[Cosine, Tag("cosine")],
    Discriminator(_kind_of_rate),
]


class Phase(Settings):
    """One part of training; the method's `begin` decides what it means."""

    name: str
    iterations: Iterations
    learning_rate: Rates

    @property
    def highest_rate(self) -> float:
        return self.learning_rate.highest if isinstance(self.learning_rate, Linear) else self.learning_rate

    def share(self, iteration: int) -> float:
        """The learning rate at an iteration of this phase, as a share of its highest."""
        rate = self.learning_rate
        if not isinstance(rate, Linear):
            return 1.0
        lowest = rate.lowest / rate.highest
        return lowest + (1 - lowest) * rate.left(iteration / self.iterations)


class Schedule(Settings):
    """How a method trains."""

    hole: str | None  # kind of the training holes; null for a method that fills none
    one_hole_a_batch: bool  # otherwise every sample has its own
    batch_size: Count  # pictures, over all processes
    augment: list[Literal["flip", "resize", "recolour"]]  # of the training crops, see data.crops.random_crop
    phases: Annotated[list[Phase], Field(min_length=1)]

    def check_phases(self, accepted: Sequence[str], named: Namer) -> None:
        """InputError where a phase is none of the method's own; `named` says where the schedule is written."""
        for number, phase in enumerate(self.phases):
            one_of(phase.name, accepted, f"params.yaml: {named(('schedule', 'phases', number, 'name'))}")

    @property
    def holes(self) -> list[str]:
        """The kinds of holes that training uses."""
        return [self.hole] if self.hole else []
