"""EdgeConnect's phases, section 4: an edge generator learns, then a painter along true edges, then both; E2I's too.

K. Nazeri et al., "EdgeConnect", ICCV workshops 2019. `prediction`, the painter along fixed completed edges, takes the
place of `joint` in the released code.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from palimpsest.learning.optimisation import Betas, adam

PHASES = ("edges", "painting", "prediction", "joint")


def optimisers_of(networks: nn.ModuleDict, betas: Betas) -> dict[str, torch.optim.Optimizer]:
    """One for both generators, which `joint` trains with one loss, and one for both critics."""
    pairs = {"generator": ("edge_generator", "painter"), "critic": ("edge_critic", "critic")}
    return {
        name: adam([value for network in pair for value in networks[network].parameters()], betas)
        for name, pair in pairs.items()
    }


def edges_to_paint(phase: str, true: Tensor, complete: Callable[[], Tensor]) -> Tensor:
    """The edges along which a phase paints; `complete` gives those of the edge generator."""
    match phase:
        case "painting":
            return true
        case "prediction":
            return complete().detach()
        case "joint":
            return complete()
    raise ValueError(f"no phase {phase!r} that paints; accepted: painting, prediction, joint")
