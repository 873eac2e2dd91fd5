"""One file a method; the file's name is its registration.

A file holds `Config`, its settings, and `Model(config, size)`, or `Model(config, size, inside)` where it works with the
model of another run, whose networks are then among its own; `inside=None` where it may work alone:
    networks      ModuleDict: everything a checkpoint's weights hold; empty for a method that learns nothing
    multiple      px: `inpaint` takes pictures whose sides are multiples of it
    inpaint(image, hole)      the raw prediction, (B, 3, H, W) in [0, 1]; compositing happens elsewhere
A method that learns has `schedule: Schedule` in its Config and, in its Model, besides:
    optimisers    name → optimiser; made when first asked for, as filling a hole needs none
    batches       how many batches of its schedule one step takes
    begin(phase)              sets learning rates, freezes, switches losses on
    step(image, hole)         one optimisation step in the paper's own order → {log name: scalar tensor}
    inherits      names of networks that begin with the weights of the run in `needs.start`; may be left out
    reads_features            whether a step reads the network in `needs.features`; may be left out
A prior, which fills no hole and is trained for others to work with, has instead of `multiple` and `inpaint`:
    sample(first, count, device)   its pictures of these running numbers, (count, 3, size, size) in [0, 1]
    memory        features that others may recall, level by level, as stylegan2.Synthesis; may be left out:
        latent    channels of what it is asked with
        start     what its first level takes: (batch, height, width) → (B, C, height, width)
        levels    each with `channels`, `convs` and (features, a latent for each of convs, noise) → features
A method may have, for figures and tables:
    diagnose(image, hole)     {name: (B, ...) tensor}: what it shows of its inside
    references(image, hole)   the patch that it takes as the model of each patch: (dy, dx) in units of 8 px, int64
                              (B, 2, H / 8, W / 8); patches are 16 px wide, see layers/patches.py
"""

import inspect
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal, Self
from unittest.mock import patch

import torch
from pydantic import Discriminator, Field, NonNegativeFloat, PositiveFloat, PositiveInt, Tag, model_validator
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm

from palimpsest.config import InputError, Settings, build
from palimpsest.runs import Run

Betas = Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]


class Linear(Settings):
    """A learning rate that falls along a straight line."""

    highest: PositiveFloat
    lowest: NonNegativeFloat

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError(f"lowest is {self.lowest} and highest {self.highest}; accepted: a rate that falls")
        return self

    def left(self, done: float) -> float:
        """How much of the fall is left when this much of the phase is done, both from 0 to 1."""
        return 1 - done


class Cosine(Linear):
    """A learning rate that falls along half a cosine, several times: Loshchilov and Hutter 2017, SGDR."""

    periods: PositiveInt

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


Rate = Annotated[
    Annotated[PositiveFloat, Tag("constant")] | Annotated[Linear, Tag("linear")] | Annotated[Cosine, Tag("cosine")],
    Discriminator(_kind_of_rate),
]


class Phase(Settings):
    """One stretch of training; what it means is the method's to say, in `begin`."""

    name: str
    iterations: PositiveInt
    learning_rate: Rate

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
    one_hole_a_batch: bool  # else every sample has its own
    batch_size: PositiveInt  # pictures, over all processes
    augment: list[Literal["flip", "resize", "recolour"]]  # of the training crops, see data.random_crop
    phases: Annotated[list[Phase], Field(min_length=1)]

    @property
    def holes(self) -> list[str]:
        """The kinds of holes that training needs."""
        return [self.hole] if self.hole else []


def available() -> list[str]:
    return sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))


def find(model: str) -> ModuleType:
    """The method's file; InputError names what there is."""
    if model not in available():
        raise InputError(f"no method {model!r}; accepted: {', '.join(available())}")
    return import_module(f"{__name__}.{model}")


def is_prior(model: str) -> bool:
    """Whether a method draws pictures of its own and fills no holes."""
    return hasattr(find(model).Model, "sample")


def configure(run: Run) -> Settings:
    """A run's settings, checked by its method's Config."""
    try:
        kind = find(run.model).Config
    except InputError as error:
        raise InputError(f"params: runs.{run.name}.model: {error}") from error
    return build(kind, run.settings, run.at)


def create(run: Run, size: int):
    """A run's Model for training pictures of `size` px, with that of the run inside it."""
    kind, config = find(run.model).Model, configure(run)
    inside = inspect.signature(kind).parameters.get("inside")
    if run.inside is None and inside is not None and inside.default is inside.empty:
        raise InputError(f"{run.name}: needs.inside is nothing; {run.model} works with the model of another run")
    if run.inside is not None and inside is None:
        raise InputError(f"{run.name}: needs.inside is {run.inside.name}; {run.model} works alone: accepted: nothing")
    model = kind(config, size, create(run.inside, size)) if run.inside else kind(config, size)
    if run.features and not hasattr(model, "reads_features"):
        raise InputError(f"{run.name}: needs.features is perceptual; {run.model} reads none: accepted: nothing")
    if reads_features(model) and not run.features:
        raise InputError(f"{run.name}: needs.features is nothing, and a loss reads them; accepted: perceptual")
    if bool(inherited := getattr(model, "inherits", [])) != bool(run.start):
        found = f"needs.start is {run.start.name if run.start else 'nothing'}"
        taken = f"{run.model} begins with {', '.join(inherited) or 'none'} of its networks"
        raise InputError(f"{run.name}: {found}, and {taken}; accepted: both or neither")
    return model


def reads_features(model) -> bool:
    """Whether a step reads the network in `needs.features`."""
    return getattr(model, "reads_features", False)


def inherit(model, start) -> None:
    """Networks begin with the weights of another model's; InputError where it has none of that name and shape."""
    for name in model.inherits:
        if name not in start.networks:
            raise InputError(f"needs.start: it has no network {name!r}; accepted: {', '.join(start.networks)}")
        try:
            model.networks[name].load_state_dict(start.networks[name].state_dict())
        except RuntimeError as error:
            raise InputError(f"needs.start: its network {name!r} has other layers or sizes") from error


@contextmanager
def without_values() -> Iterator[None]:
    """Models that are made within have shapes and no values; spectral normalisation does not start to estimate."""
    with torch.device("meta"), patch.object(_SpectralNorm, "_power_method"):
        yield


def count_parameters(model) -> dict[str, int]:
    """Parameters of each network and of its named parts, two levels down: {dotted name: count}."""
    return {
        name: sum(parameter.numel() for parameter in module.parameters())
        for name, module in model.networks.named_modules()
        if name and name.count(".") <= 2 and not any(piece.isdigit() for piece in name.split("."))
    }


def count_blocks(model) -> dict[str, dict[str, int]]:
    """How many blocks of each kind a network and its parts hold: {name or name.part: {kind: count}}."""
    named = [(name, module) for name, module in model.networks.named_modules() if name and name.count(".") <= 1]
    counts = {
        name: Counter(type(part).__name__ for part in module.modules() if _is_layer(part)) for name, module in named
    }
    return {name: dict(found) for name, found in counts.items() if found}


def _is_layer(module: nn.Module) -> bool:
    return type(module).__module__.startswith("palimpsest.layers.")


def paste(output: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """The result: the output in the hole, the image elsewhere."""
    return output * hole + image * (1 - hole)


def adam(parameters: Iterable[nn.Parameter], betas: Betas) -> torch.optim.Adam:
    """Adam at rest: the learning rate is a phase's to set."""
    return torch.optim.Adam(parameters, lr=0.0, betas=tuple(betas))


def set_rates(optimisers: dict[str, torch.optim.Optimizer], phase: Phase, **shares: float) -> None:
    """Each optimiser learns at the phase's highest rate, or at its share of it."""
    for name, share in (dict.fromkeys(optimisers, 1.0) | shares).items():
        for group in optimisers[name].param_groups:
            group["lr"] = phase.highest_rate * share


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of the optimiser's own parameters; those that are frozen or that the loss does not reach stay."""
    optimiser.zero_grad()
    learning = [value for group in optimiser.param_groups for value in group["params"] if value.requires_grad]
    for value, gradient in zip(learning, torch.autograd.grad(loss, learning, allow_unused=True), strict=True):
        value.grad = gradient
    optimiser.step()
