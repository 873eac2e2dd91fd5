"""Several processes that train one model: their gradients and buffers averaged, so that their networks stay equal.

DistributedDataParallel averages in its own backward pass, which does not support the critics' gradient penalty.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def average_gradients(fabric: "Fabric", optimisers: Iterable[torch.optim.Optimizer]) -> None:
    """From now on, each optimiser averages its gradients over all processes before it steps."""

    def average_its_gradients(optimiser: torch.optim.Optimizer, *_) -> None:
        values = [value for group in optimiser.param_groups for value in group["params"]]
        average(fabric, [value.grad for value in values if value.grad is not None])

    for optimiser in optimisers:
        optimiser.register_step_pre_hook(average_its_gradients)


def average(fabric: "Fabric", tensors: list[Tensor]) -> None:
    """Replaces each tensor by its mean over all processes, in one message."""
    if fabric.world_size == 1 or not tensors:
        return
    mean = fabric.all_reduce(torch.cat([tensor.flatten() for tensor in tensors]), reduce_op="mean")
    for tensor, part in zip(tensors, mean.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def greatest(fabric: "Fabric", number: int) -> int:
    """The greatest of the numbers of all processes."""
    if fabric.world_size == 1:
        return number
    return int(fabric.all_reduce(torch.tensor(number, device=fabric.device), reduce_op="max"))
