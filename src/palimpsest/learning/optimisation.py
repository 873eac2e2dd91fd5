"""What methods' optimisation steps share: Adam and Adadelta, a phase's learning rates, one step of descent."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from palimpsest.learning.schedule import Phase

Betas = Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
Log = dict[str, Tensor]  # {name: scalar}


def adam(parameters: Iterable[nn.Parameter], betas: Betas) -> torch.optim.Adam:
    """Adam with a learning rate of 0, until a phase sets it."""
    return torch.optim.Adam(parameters, lr=0.0, betas=tuple(betas))


def adam_for_each(model) -> dict[str, torch.optim.Adam]:
    """{network: Adam} of a Model; in its class, `optimisers = cached_property(adam_for_each)`."""
    return {name: adam(network.parameters(), model.config.betas) for name, network in model.networks.items()}


def adam_for_groups(model, groups: Mapping[str, Iterable[str]]) -> dict[str, torch.optim.Adam]:
    """{group: Adam for the parameters of all its networks}, which `groups` names."""
    found = {}
    for group, names in groups.items():
        parameters = [value for name in names for value in model.networks[name].parameters()]
        found[group] = adam(parameters, model.config.betas)
    return found


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


def critics_first(
    count: int, x: Tensor, hole: Tensor, step_critics: Callable[..., Log], step_generator: Callable[..., Log]
) -> Log:
    """Steps of the critics, each on a batch of its own, then one of the generator; x and hole are `count` batches."""
    *critic_batches, generator_batch = zip(x.chunk(count), hole.chunk(count), strict=True)
    log = {}
    for batch in critic_batches:
        log = step_critics(*batch)
    return {**log, **step_generator(*generator_batch)}
