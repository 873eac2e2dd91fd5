"""What methods' optimisation steps share: Adam and Adadelta, a phase's learning rates, one step of descent."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from palimpsest.learning.schedule import Phase

Betas = Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]


def adam(parameters: Iterable[nn.Parameter], betas: Betas) -> torch.optim.Adam:
    """Adam with a learning rate of 0, until a phase sets it."""
    return torch.optim.Adam(parameters, lr=0.0, betas=tuple(betas))


def adadelta(parameters: Iterable[nn.Parameter], decay: float) -> torch.optim.Adadelta:
    """Adadelta (M. Zeiler 2012) with a learning rate of 0, until a phase sets it; the paper's own rule has 1."""
    return torch.optim.Adadelta(parameters, lr=0.0, rho=decay)


def set_rates(optimisers: dict[str, torch.optim.Optimizer], phase: Phase, **shares: float) -> None:
    """Sets each optimiser to the phase's highest rate, times its share where it is named."""
    for name, share in (dict.fromkeys(optimisers, 1.0) | shares).items():
        for group in optimisers[name].param_groups:
            group["lr"] = phase.highest_rate * share


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of the optimiser's parameters; frozen ones, and those that the loss does not reach, stay as they are."""
    optimiser.zero_grad()
    learning = [value for group in optimiser.param_groups for value in group["params"] if value.requires_grad]
    for value, gradient in zip(learning, torch.autograd.grad(loss, learning, allow_unused=True), strict=True):
        value.grad = gradient
    optimiser.step()


def in_turn(count: int, *parts: Tensor) -> list[tuple[Tensor, ...]]:
    """`count` batches out of one `count` times as large: what each step of critics and generators takes."""
    return list(zip(*(part.chunk(count) for part in parts), strict=True))
