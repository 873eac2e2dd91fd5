"""What the steps of several methods share: Adam at rest, a phase's rates, one step down a loss."""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from palimpsest.learning.schedule import Phase

Betas = Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]


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
