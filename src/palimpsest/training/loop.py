"""The one training loop: phases as data, the method's own step, exact resume.

The batch, noise and dropout of an iteration are functions of (seed, iteration). A run that was killed and goes on from
its last resume point therefore ends in the same bytes as one that was not. Ctrl-C and SIGTERM leave a resume point at
the end of the iteration.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch.utils.data import DataLoader

from palimpsest.config.numbers import Count, Iterations
from palimpsest.config.runtime import Runtime
from palimpsest.config.stopping import Postponed, Stopped
from palimpsest.config.yaml import InputError, Settings
from palimpsest.learning.schedule import Phase
from palimpsest.training.averaging import average, average_gradients, greatest
from palimpsest.training.batches import Batches
from palimpsest.training.display import Display
from palimpsest.training.resume import Progress, ResumePoint
from palimpsest.training.sample_grids import SampleGrid

if TYPE_CHECKING:
    from lightning_fabric import Fabric

POSTPONED = "the training stops after this iteration, with a resume point; a second time, it stops at once"


class TrainingConfig(Settings):
    """A profile's `training`."""

    log_every: Iterations  # iterations that a row of the log averages over; a phase's last row may take fewer
    sample_every: Iterations  # iterations between two sample grids
    samples: Count  # pictures on a grid
    validated: Count  # pictures whose hole PSNR is logged with every grid, at most the validation split's
    compared: Annotated[Count, Field(ge=2)]  # pictures on either side of a prior's Fréchet distance, with every grid


def train(
    model,
    batches: Batches,
    grid: SampleGrid | None,
    config: TrainingConfig,
    fabric: "Fabric",
    folder: Path,
    runtime: Runtime,
) -> Progress:
    """Trains `model` through its schedule, from the resume point in `folder` if there is one.

    Of several processes only one has a grid; all of them average gradients and buffers. Raises InputError with the
    iteration and the last good state when a loss is not finite.
    """
    phases = [(phase, place) for phase in batches.schedule.phases for place in range(phase.iterations)]
    model.networks.to(fabric.device, memory_format=torch.channels_last).train()
    resume = ResumePoint(folder, model)
    progress = resume.restore(len(phases))
    average_gradients(fabric, model.optimisers.values())
    buffers = [buffer for buffer in model.networks.buffers() if buffer.is_floating_point()]
    order = range(progress.iteration, len(phases))
    display = Display(len(phases), progress.iteration) if fabric.is_global_zero else None
    current: Phase | None = None
    highest_rates: list[tuple[dict[str, Any], float]] = []  # of each group of parameters
    saved = time.monotonic()
    with _telling(progress, len(phases), resume, display), Postponed(POSTPONED) as stop:
        loader = DataLoader(
            batches, batch_size=None, sampler=order, num_workers=runtime.workers, worker_init_fn=stop.watch
        )
        for batch in loader:
            phase, place = phases[progress.iteration]
            if phase is not current:
                current = phase
                model.begin(current)
                groups = [group for optimiser in model.optimisers.values() for group in optimiser.param_groups]
                highest_rates = [(group, group["lr"]) for group in groups]
            for group, rate in highest_rates:
                group["lr"] = rate * current.share(place)
            torch.manual_seed(_seed(batches.seed, progress.iteration, fabric.global_rank))
            with fabric.autocast():
                losses = model.step(*(part.to(fabric.device) for part in batch))
            average(fabric, buffers)
            now = {name: float(loss.detach()) for name, loss in losses.items()}
            if bad := [name for name, loss in now.items() if not math.isfinite(loss)]:
                raise InputError(
                    f"training with seed {batches.seed} stopped at iteration {progress.iteration + 1} of {len(phases)}"
                    f": the loss {bad[0]} is {now[bad[0]]}; the last good state is {resume}"
                )
            progress.recent.append(now)
            progress.iteration += 1
            if display:
                display.show(progress.iteration, now)
            done = progress.iteration == len(phases)
            distances = {}
            if grid is not None and (progress.iteration % config.sample_every == 0 or done):
                model.networks.eval()
                progress.grids[progress.iteration] = grid.results(model, fabric.device)
                distances = grid.distances(model, fabric.device)
                model.networks.train()
            ends = done or phases[progress.iteration][0] is not current
            if progress.iteration % config.log_every == 0 or ends or distances:
                row = {"iteration": progress.iteration, "phase": current.name, **_means(progress.recent), **distances}
                progress.log.append(row)
                progress.recent.clear()
            stopped = greatest(fabric, stop.number)
            due = time.monotonic() - saved >= runtime.checkpoint_seconds and not done
            if fabric.is_global_zero and (stopped or due):
                resume.save(progress)
                saved = time.monotonic()
            if stopped:
                fabric.barrier()  # no process ends before it is written; the first one speaks for all
                raise Stopped(stopped) if fabric.is_global_zero else SystemExit
    return progress


@contextmanager
def _telling(progress: Progress, iterations: int, resume: ResumePoint, display: Display | None) -> Iterator[None]:
    """Notes where a training was stopped, and closes its display."""
    try:
        yield
    except KeyboardInterrupt as stop:
        where = f"training stopped at iteration {progress.iteration} of {iterations}"
        stop.add_note(f"{where}; the same command goes on from {resume}")
        raise
    finally:
        if display:
            display.close()


def _seed(seed: int, iteration: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, 3, iteration, rank]).generate_state(1, np.uint64)[0])


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each loss over the iterations that computed it."""
    found = {name: [row[name] for row in rows if name in row] for row in rows for name in row}
    return {name: math.fsum(values) / len(values) for name, values in found.items()}
