"""The progress of a training, and the resume point on disk from which it goes on."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from pydantic import ConfigDict, NonNegativeInt
from torch import Tensor

from palimpsest.config.yaml import InputError, Settings
from palimpsest.storage import replacing
from palimpsest.training.checkpoints import misfit, not_finite

DIGEST = 32  # bytes


class UnfitError(ValueError):
    """A resume point that holds something else than this training's state; the text says what."""


@dataclass
class Progress:
    """How far training is; together with the networks and optimisers, all that a resume point holds."""

    iteration: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)
    recent: list[dict[str, float]] = field(default_factory=list)  # losses that no row of the log holds yet
    grids: dict[int, np.ndarray] = field(default_factory=dict)  # iteration → sample grid, uint8 (K, H, W, 3)


class OptimiserState(Settings):
    """What an optimiser's `state_dict` holds."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    state: dict[int, dict[str, Tensor]]  # by the place of a parameter
    param_groups: list[dict[str, Any]]

    def fits(self, optimiser: torch.optim.Optimizer) -> bool:
        """Whether the optimiser can go on from it: its own settings but for the rate, and finite tensors as its own."""
        own = optimiser.state_dict()["param_groups"]
        if [group | {"lr": 0.0} for group in self.param_groups] != [group | {"lr": 0.0} for group in own]:
            return False
        parameters = [value for group in optimiser.param_groups for value in group["params"]]
        return all(
            place in range(len(parameters))
            and not not_finite(tensors)
            and _alike(tensors, _after_a_step(optimiser, parameters[place]))
            for place, tensors in self.state.items()
        )


def _after_a_step(optimiser: torch.optim.Optimizer, parameter: Tensor) -> dict[str, Tensor]:
    """The state of a parameter like this one, without values, after a first step of such an optimiser."""
    like = torch.empty_like(parameter, device="meta").requires_grad_()
    like.grad = torch.empty_like(like)
    other = type(optimiser)([like], **optimiser.defaults)
    other.step()
    return other.state[like]


def _alike(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    """Whether both have tensors of the same names, types and shapes."""
    kinds = ({name: (value.dtype, value.shape) for name, value in each.items()} for each in (found, wanted))
    return next(kinds) == next(kinds)


class State(Settings):
    """What a resume point holds."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    iteration: NonNegativeInt
    log: list[dict[str, int | float | str]]
    recent: list[dict[str, float]]
    grids: dict[int, Tensor]
    optimisers: dict[str, OptimiserState]
    networks: dict[str, Tensor]


class ResumePoint:
    """The state of a run on disk, in a folder of its own for exactly these settings, data and code.

    The file begins with the sha256 of the rest of it.
    """

    def __init__(self, folder: Path, model):
        self.path, self.model = folder / "state", model

    def __str__(self) -> str:
        return str(self.path) if self.path.exists() else "the start: no resume point was written yet"

    def save(self, progress: Progress) -> None:
        """InputError for weights that are not finite, from which no training can go on."""
        networks = self.model.networks.state_dict()
        if name := not_finite(networks):
            found = f"{name} holds numbers that are not finite"
            raise InputError(
                f"training stopped after iteration {progress.iteration}: {found}; the last good state is {self}"
            )
        grids = {iteration: torch.from_numpy(grid) for iteration, grid in progress.grids.items()}
        optimisers = {name: optimiser.state_dict() for name, optimiser in self.model.optimisers.items()}
        state = {"iteration": progress.iteration, "log": progress.log, "recent": progress.recent, "grids": grids}
        buffer = io.BytesIO()
        torch.save({**state, "optimisers": optimisers, "networks": networks}, buffer)
        with replacing(self.path) as temporary, temporary.open("wb") as file:
            file.write(sha256(buffer.getbuffer()).digest())
            file.write(buffer.getbuffer())

    def restore(self, iterations: int) -> Progress:
        """Restores networks and optimisers and returns the progress saved last, or new progress if none was saved.

        InputError for a file that was not written whole in a training of so many iterations.
        """
        if not self.path.exists():
            return Progress()
        try:
            return self._restore(self.path.read_bytes(), iterations)
        except (RuntimeError, LookupError, TypeError, EOFError, ValueError, UnpicklingError) as error:
            why = f" ({error})" if isinstance(error, UnfitError) else ""
            raise InputError(
                f"{self.path}: the resume point is damaged{why}; remove its folder to train from the start"
            ) from error

    def _restore(self, written: bytes, iterations: int) -> Progress:
        digest, content = written[:DIGEST], memoryview(written)[DIGEST:]
        if sha256(content).digest() != digest:
            raise UnfitError("its bytes have changed since it was written")
        state = State.model_validate(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
        own = self.model.optimisers
        if state.iteration > iterations or misfit(state.networks, self.model.networks):
            raise UnfitError("it is of another training")
        if state.optimisers.keys() != own.keys() or not all(state.optimisers[name].fits(own[name]) for name in own):
            raise UnfitError("its optimisers are those of another training")
        if any((grid.dtype, grid.ndim, grid.shape[3:]) != (torch.uint8, 4, (3,)) for grid in state.grids.values()):
            raise UnfitError("its sample grids are no pictures")
        self.model.networks.load_state_dict(state.networks)
        for name, optimiser in own.items():
            optimiser.load_state_dict(state.optimisers[name].model_dump())
        grids = {at: grid.numpy() for at, grid in state.grids.items()}
        return Progress(state.iteration, state.log, state.recent, grids)
