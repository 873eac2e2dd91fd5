"""EdgeConnect's phases, section 4: an edge generator learns, then a painter along true edges, then both; E2I's too.

K. Nazeri et al., "EdgeConnect", ICCV workshops 2019. `prediction`, the painter along fixed completed edges, takes the
place of `joint` in the released code.
"""

from collections.abc import Callable

import torch
from torch import Tensor

PHASES = ("edges", "painting", "prediction", "joint")
# One optimiser for both generators, which `joint` trains with one loss, and one for both critics.
GROUPS = {"generator": ("edge_generator", "painter"), "critic": ("edge_critic", "critic")}


def edges_to_paint(phase: str, true: Tensor, complete: Callable[[], Tensor]) -> Tensor:
    """The edges along which a phase paints; `complete` gives those of the edge generator."""
    match phase:
        case "painting":
            return true
        case "prediction":
            with torch.no_grad():
                return complete()
        case "joint":
            return complete()
    raise ValueError(f"no phase {phase!r} that paints; accepted: painting, prediction, joint")
