"""The progress of a training, and the resume point on disk from which it goes on."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from palimpsest.config.yaml import InputError
from palimpsest.storage import replacing


@dataclass
class Progress:
    """How far training is; together with the networks and optimisers, all that a resume point holds."""

    iteration: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)
    grids: dict[int, np.ndarray] = field(default_factory=dict)  # iteration → sample grid, uint8 (K, H, W, 3)


class ResumePoint:
    """The state of a run on disk, in a folder of its own for exactly these settings, data and code."""

    def __init__(self, folder: Path, model):
        self.path, self.model = folder / "state.pt", model

    def __str__(self) -> str:
        return str(self.path) if self.path.exists() else "the start: no resume point was written yet"

    def save(self, progress: Progress) -> None:
        grids = {iteration: torch.from_numpy(grid) for iteration, grid in progress.grids.items()}
        optimisers = {name: optimiser.state_dict() for name, optimiser in self.model.optimisers.items()}
        state = {"iteration": progress.iteration, "log": progress.log, "grids": grids, "optimisers": optimisers}
        buffer = io.BytesIO()
        torch.save({**state, "networks": self.model.networks.state_dict()}, buffer)
        with replacing(self.path) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def restore(self) -> Progress:
        """Restores networks and optimisers and returns the progress saved last, or new progress if none was saved."""
        if not self.path.exists():
            return Progress()
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            self.model.networks.load_state_dict(state["networks"])
            for name, optimiser in self.model.optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
            grids = {iteration: grid.numpy() for iteration, grid in state["grids"].items()}
            return Progress(state["iteration"], state["log"], grids)
        except (RuntimeError, LookupError, TypeError, EOFError, ValueError, UnpicklingError) as error:
            raise InputError(
                f"{self.path}: the resume point is damaged; remove its folder to train from the start"
            ) from error
