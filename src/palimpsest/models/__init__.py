"""One file a method; the file's name is its registration.

A file holds `Config`, its settings, and `Model(config, size)`:
    networks      ModuleDict: everything a checkpoint's weights hold; empty for a method that learns nothing
    multiple      px: `inpaint` takes pictures whose sides are multiples of it
    inpaint(image, hole)      the raw prediction, (B, 3, H, W) in [0, 1]; compositing happens elsewhere
A method that learns has `schedule: Schedule` in its Config and, in its Model, besides:
    optimisers    name → optimiser; made when first asked for, as filling a hole needs none
    batches       how many batches of its schedule one step takes
    begin(phase)              sets learning rates, freezes, switches losses on
    step(image, hole)         one optimisation step in the paper's own order → {log name: scalar tensor}
It may have, for figures and tables:
    diagnose(image, hole)     {name: (B, ...) tensor}: what it shows of its inside
    references(image, hole)   the patch that it takes as the model of each patch: (dy, dx) in units of 8 px, int64
                              (B, 2, H / 8, W / 8); patches are 16 px wide, see layers/patches.py
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from palimpsest.config import InputError, Settings, build
from palimpsest.runs import Run


class Phase(Settings):
    """One stretch of training; what it means is the method's to say, in `begin`."""

    name: str
    iterations: PositiveInt
    learning_rate: PositiveFloat


class Schedule(Settings):
    """How a method trains."""

    hole: str  # kind of the training holes
    one_hole_a_batch: bool  # else every sample has its own
    batch_size: PositiveInt  # pictures, over all processes
    augment: list[Literal["flip", "recolour"]]  # of the training crops, see data.random_crop
    phases: Annotated[list[Phase], Field(min_length=1)]


def available() -> list[str]:
    return sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))


def find(model: str) -> ModuleType:
    """The method's file; InputError names what there is."""
    if model not in available():
        raise InputError(f"no method {model!r}; accepted: {', '.join(available())}")
    return import_module(f"{__name__}.{model}")


def configure(run: Run) -> Settings:
    """A run's settings, checked by its method's Config."""
    try:
        kind = find(run.model).Config
    except InputError as error:
        raise InputError(f"params: runs.{run.name}.model: {error}") from error
    return build(kind, run.settings, run.at)


def create(run: Run, size: int):
    """A run's Model for training pictures of `size` px."""
    return find(run.model).Model(configure(run), size)


def count_parameters(model) -> dict[str, int]:
    """Parameters of each network and of its named parts, two levels down: {dotted name: count}."""
    return {
        name: sum(parameter.numel() for parameter in module.parameters())
        for name, module in model.networks.named_modules()
        if name and name.count(".") <= 2 and not any(piece.isdigit() for piece in name.split("."))
    }


def paste(output: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """The result: the output in the hole, the image elsewhere."""
    return output * hole + image * (1 - hole)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of the optimiser's own parameters; those that are frozen or that the loss does not reach stay."""
    optimiser.zero_grad()
    learning = [value for group in optimiser.param_groups for value in group["params"] if value.requires_grad]
    for value, gradient in zip(learning, torch.autograd.grad(loss, learning, allow_unused=True), strict=True):
        value.grad = gradient
    optimiser.step()
