"""The one training loop: phases as data, the method's own step, exact resume.

Batch, noise and dropout of an iteration are functions of (seed, iteration), so a run that was killed and goes on from
its last resume point ends in the same bytes as one that was not.
"""

import math
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from palimpsest.config.runtime import Runtime
from palimpsest.config.yaml import InputError, Settings
from palimpsest.learning.schedule import Phase
from palimpsest.training.batches import Batches
from palimpsest.training.resume import Progress, ResumePoint
from palimpsest.training.sample_grids import SampleGrid


class TrainingConfig(Settings):
    """A profile's `training`."""

    seed: NonNegativeInt
    log_every: PositiveInt  # iterations that a row of the log averages over; a phase's last row may take fewer
    sample_every: PositiveInt  # iterations between two grids of sample pictures
    samples: PositiveInt  # pictures on a grid
    compared: Annotated[int, Field(ge=2)]  # pictures on either side of a prior's Fréchet distance, at every grid


class Display:
    """A progress bar on a terminal, a plain line every few seconds elsewhere: losses, rate, time left."""

    seconds_between_lines = 5.0

    def __init__(self, total: int, start: int):
        self.total, self.start = total, start
        self.bar = tqdm(total=total, initial=start, unit="it") if sys.stderr.isatty() else None
        self.began = self.shown = time.monotonic()

    def show(self, iteration: int, losses: dict[str, float]) -> None:
        values = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
        now = time.monotonic()
        if self.bar is not None:
            self.bar.set_postfix_str(values, refresh=False)
            self.bar.update()
        elif now - self.shown > self.seconds_between_lines or iteration == self.total:
            rate = (iteration - self.start) / (now - self.began)
            left = (self.total - iteration) / rate
            print(f"{iteration}/{self.total}: {values}; {rate:.2f} it/s, {left:.0f} s left", flush=True)
            self.shown = now

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def train(
    model,
    batches: Batches,
    grid: SampleGrid | None,
    config: TrainingConfig,
    fabric: Fabric,
    folder: Path,
    runtime: Runtime,
) -> Progress:
    """Trains `model` through its schedule, going on from the resume point in `folder` where there is one.

    One process of several has a grid, and all average gradients and buffers, so that their networks stay the same.
    Raises InputError with the iteration and the last good state when a loss is not finite.
    """
    phases = [(phase, place) for phase in batches.schedule.phases for place in range(phase.iterations)]
    model.networks.to(fabric.device, memory_format=torch.channels_last).train()
    resume = ResumePoint(folder, model)
    progress = resume.restore()
    for optimiser in model.optimisers.values():
        optimiser.register_step_pre_hook(_average_gradients(fabric))
    counted = [buffer for buffer in model.networks.buffers() if buffer.is_floating_point()]
    order = range(progress.iteration, len(phases))
    display = Display(len(phases), progress.iteration) if fabric.is_global_zero else None
    current: Phase | None = None
    highest: list[tuple[dict[str, Any], float]] = []
    recent: list[dict[str, float]] = []
    saved = time.monotonic()
    for image, hole in DataLoader(batches, batch_size=None, sampler=order, num_workers=runtime.workers):
        phase, place = phases[progress.iteration]
        if phase is not current:
            current = phase
            model.begin(current)
            groups = [group for optimiser in model.optimisers.values() for group in optimiser.param_groups]
            highest = [(group, group["lr"]) for group in groups]
        for group, rate in highest:
            group["lr"] = rate * current.share(place)
        torch.manual_seed(_seed(config.seed, progress.iteration, fabric.global_rank))
        with fabric.autocast():
            losses = model.step(image.to(fabric.device), hole.to(fabric.device))
        _average(fabric, counted)
        recent.append({name: float(loss.detach()) for name, loss in losses.items()})
        if bad := [name for name, loss in recent[-1].items() if not math.isfinite(loss)]:
            raise InputError(
                f"training stopped at iteration {progress.iteration + 1} of {len(phases)}: the loss {bad[0]} is "
                f"{recent[-1][bad[0]]}; the last good state is {resume}"
            )
        progress.iteration += 1
        if display:
            display.show(progress.iteration, recent[-1])
        done = progress.iteration == len(phases)
        distances = {}
        if grid is not None and (progress.iteration % config.sample_every == 0 or done):
            model.networks.eval()
            progress.grids[progress.iteration] = grid.results(model, fabric.device)
            distances = grid.distances(model, fabric.device)
            model.networks.train()
        ends = done or phases[progress.iteration][0] is not current
        if progress.iteration % config.log_every == 0 or ends or distances:
            row = {"iteration": progress.iteration, "phase": current.name, **_means(recent), **distances}
            progress.log.append(row)
            recent = []
            if fabric.is_global_zero and not done and time.monotonic() - saved >= runtime.checkpoint_seconds:
                resume.save(progress)
                saved = time.monotonic()
    if display:
        display.close()
    return progress


def _seed(seed: int, iteration: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, 3, iteration, rank]).generate_state(1, np.uint64)[0])


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of each loss over the iterations that had it."""
    found = {name: [row[name] for row in rows if name in row] for row in rows for name in row}
    return {name: math.fsum(values) / len(values) for name, values in found.items()}


def _average_gradients(fabric: Fabric):
    """Before an optimiser's step: its gradients become their mean over all processes.

    DistributedDataParallel does this in its backward, and does not support the critics' penalty on a gradient.
    """

    def average(optimiser: torch.optim.Optimizer, *_) -> None:
        values = [value for group in optimiser.param_groups for value in group["params"]]
        _average(fabric, [value.grad for value in values if value.grad is not None])

    return average


def _average(fabric: Fabric, tensors: list[Tensor]) -> None:
    """Each becomes its mean over all processes, in one message."""
    if fabric.world_size == 1 or not tensors:
        return
    mean = fabric.all_reduce(torch.cat([tensor.flatten() for tensor in tensors]), reduce_op="mean")
    for tensor, part in zip(tensors, mean.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
