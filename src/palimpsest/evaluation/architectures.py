"""What it costs to fill a hole, counted: parameters and multiply-adds, and which runs cost the same.

Networks have random weights: what is counted does not depend on them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from palimpsest.config.runs import Run
from palimpsest.config.yaml import Tree, digest
from palimpsest.models import configure, create, without_values

COMPARED_AT = 256  # px, the size of the picture for which architectures are compared


@dataclass(frozen=True)
class Cost:
    """What it costs to fill one picture."""

    parameters: int  # of the modules that run
    multiply_adds: int  # of convolutions and matrix products


def architectures(runs: Mapping[str, Run]) -> dict[str, Tree]:
    """Groups the runs that learn by architecture: equal cost, and equal structure of the networks that fill holes.

    Returns {first run: all runs of the group, their cost, a hash of their structure, and `idle`, the networks that fill
    no hole}. Losses and schedules make no difference.
    """
    groups: dict[tuple[Cost, str], list[str]] = {}
    idle: dict[str, list[str]] = {}
    for name, run in runs.items():
        if hasattr(configure(run), "schedule"):
            model = with_random_weights(sketch(run), "cpu")
            cost, used = count(model, COMPARED_AT)
            idle[name] = _idle(model.networks, used)
            structure = digest(repr(sketch(run, idle[name]).networks))
            groups.setdefault((cost, structure), []).append(name)
    return {
        names[0]: {"runs": names, **asdict(cost), "structure": structure, "idle": idle[names[0]]}
        for (cost, structure), names in groups.items()
    }


def build(run: Run):
    """A run's model for pictures of `COMPARED_AT` px, untrained, ready to fill holes."""
    model = create(run, COMPARED_AT)
    model.networks.eval().requires_grad_(False)
    return model


def sketch(run: Run, idle: Sequence[str] = ()):
    """A run's model on the meta device, without the networks, or parts of networks, that are `idle`."""
    with without_values():
        model = build(run)
    for network in idle:
        parent, _, child = network.rpartition(".")
        delattr(model.networks.get_submodule(parent), child)
    return model


def with_random_weights(model, device: str):
    """A sketched model on a device. It has values because a method may look at the hole and so compute less."""
    model.networks.to_empty(device=device)
    for value in model.networks.parameters():
        nn.init.normal_(value, std=0.05)
    for value in model.networks.buffers():
        nn.init.ones_(value)
    return model


def picture(size: int) -> tuple[Tensor, Tensor]:
    """A grey picture, (1, 3, size, size), and a centred square hole of half its side, (1, 1, size, size)."""
    hole = torch.zeros(1, 1, size, size)
    hole[..., size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 1
    return torch.full((1, 3, size, size), 0.5) * (1 - hole), hole


def count(model, size: int) -> tuple[Cost, set[nn.Module]]:
    """The cost of one picture of `size` px, and the modules that run."""
    used: set[nn.Module] = set()
    handles = [m.register_forward_hook(lambda m, *_: used.add(m)) for m in model.networks.modules()]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.inpaint(*picture(size))
    for handle in handles:
        handle.remove()
    parameters = sum(p.numel() for module in used for p in module.parameters(recurse=False))
    return Cost(parameters, counter.get_total_flops() // 2), used


def _idle(networks: nn.Module, used: set[nn.Module], prefix: str = "") -> list[str]:
    """The dotted names of networks, and of networks within them, that have weights and of which no module is used."""
    found = []
    for name, network in networks.named_children():
        if used.isdisjoint(network.modules()) and any(True for _ in network.parameters()):
            found.append(f"{prefix}{name}")
        elif isinstance(network, nn.ModuleDict):
            found += _idle(network, used, f"{prefix}{name}.")
    return found
