"""The one training loop: phases as data, the method's own step, exact resume.

Batch, noise and dropout of an iteration are functions of (seed, iteration), so a run that was killed and goes on from
its last resume point ends in the same bytes as one that was not.
"""

import io
import json
import math
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from palimpsest import checkpoints, data, masks, runs, sources, weights
from palimpsest.config import InputError, Settings, build, digest, section
from palimpsest.inpainting import to_tensors
from palimpsest.models import Phase, Schedule, create, is_prior, reads_features
from palimpsest.runtime import Runtime, launch, read_runtime
from palimpsest.sheets import Filled, Sheet
from palimpsest.storage import read_json, replacing, write_text

ROOM = {"pretrain": "pretrained", "train": "runs"}  # stage → part of params.yaml whose sections it trains


class Config(Settings):
    """A profile's `training`."""

    seed: NonNegativeInt
    log_every: PositiveInt  # iterations that a row of the log averages over; a phase's last row may take fewer
    sample_every: PositiveInt  # iterations between two sheets of sample pictures
    samples: PositiveInt  # pictures on a sheet
    compared: Annotated[int, Field(ge=2)]  # pictures on either side of a prior's Fréchet distance, at every sheet


@dataclass
class Batches(Dataset):
    """`batches[iteration]` is (image, hole): one process's share of the batches that a step takes."""

    shard: data.Shard
    crops: data.Config
    holes: masks.Config
    schedule: Schedule
    a_step: int  # batches that one step takes
    seed: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.schedule.batch_size % self.world:
            raise InputError(
                f"schedule.batch_size is {self.schedule.batch_size}; accepted: a multiple of {self.world} processes"
            )
        for kind in self.schedule.holes:
            self.holes.kind(kind)

    def __getitem__(self, iteration: int) -> tuple[Tensor, Tensor]:
        batch = self.schedule.batch_size
        first = iteration * self.a_step * batch
        mine = [n for n in range(first, first + self.a_step * batch) if n % self.world == self.rank]
        numbers = [n // batch * batch if self.schedule.one_hole_a_batch else n for n in mine]
        return to_tensors(np.stack([self.crop(n) for n in mine]), np.stack([self.hole(n) for n in numbers]))

    def crop(self, number: int) -> np.ndarray:
        """The training crop with this running number, uint8 (size, size, 3)."""
        return data.random_crop(self.shard, number, self.crops, self.schedule.augment, self.seed)

    def hole(self, number: int) -> np.ndarray:
        """Its hole, bool (size, size); nothing is missing for a method that fills no holes."""
        if self.schedule.hole is None:
            return np.zeros((self.crops.size, self.crops.size), bool)
        return masks.training_hole(self.holes, self.schedule.hole, number, self.crops.size)


@dataclass
class Progress:
    """What training has come to; with the networks and optimisers, all that a resume point holds."""

    iteration: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)
    sheets: dict[int, np.ndarray] = field(default_factory=dict)  # iteration → results, uint8 (K, H, W, 3)


class ResumePoint:
    """The state of a run on disk, in a folder that belongs to exactly these settings, data and code."""

    def __init__(self, folder: Path, model):
        self.path, self.model = folder / "state.pt", model

    def __str__(self) -> str:
        return str(self.path) if self.path.exists() else "the start: no resume point was written yet"

    def save(self, progress: Progress) -> None:
        sheets = {iteration: torch.from_numpy(sheet) for iteration, sheet in progress.sheets.items()}
        optimisers = {name: optimiser.state_dict() for name, optimiser in self.model.optimisers.items()}
        state = {"iteration": progress.iteration, "log": progress.log, "sheets": sheets, "optimisers": optimisers}
        buffer = io.BytesIO()
        torch.save({**state, "networks": self.model.networks.state_dict()}, buffer)
        with replacing(self.path) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def restore(self) -> Progress:
        """The progress saved last, its networks and optimisers put back; a new one where nothing was saved."""
        if not self.path.exists():
            return Progress()
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            self.model.networks.load_state_dict(state["networks"])
            for name, optimiser in self.model.optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
            sheets = {iteration: sheet.numpy() for iteration, sheet in state["sheets"].items()}
            return Progress(state["iteration"], state["log"], sheets)
        except (RuntimeError, LookupError, TypeError, EOFError, ValueError, UnpicklingError) as error:
            raise InputError(
                f"{self.path}: the resume point is damaged; remove its folder to train from the start"
            ) from error

    def remove(self) -> None:
        shutil.rmtree(self.path.parent, ignore_errors=True)


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
    model, batches: Batches, sheet: Sheet | None, config: Config, fabric: Fabric, folder: Path, runtime: Runtime
) -> Progress:
    """Trains `model` through its schedule, going on from the resume point in `folder` where there is one.

    One process of several has a sheet, and all average gradients and buffers, so that their networks stay the same.
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
        if sheet is not None and (progress.iteration % config.sample_every == 0 or done):
            model.networks.eval()
            progress.sheets[progress.iteration] = sheet.results(model, fabric.device)
            distances = sheet.distances(model, fabric.device)
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


def train_run(stage: str, name: str, imagine: Callable[..., Sheet] | None = None) -> None:
    """Writes runs/<name>, as `stage` does, from data/training/<name>.json and its slot's shards.

    `imagine` makes a prior's sheets, as priors.Imagined.of does; only the stage that trains priors has it, so that what
    it measures is no dependency of any other's training.
    """
    path = Path("data") / "training" / f"{name}.json"
    inputs, runtime = read_json(path, dict), read_runtime()
    run = runs.Run.read(section(inputs, "run"))
    if not run.at.startswith(f"{ROOM[stage]}."):
        raise InputError(f"asked {stage} for {run.at.removesuffix('.settings')}; accepted: a section of {ROOM[stage]}")
    crops, holes, config = (
        build(kind, section(inputs, part), part, str(path))
        for part, kind in {"crops": data.Config, "holes": masks.Config, "training": Config}.items()
    )
    learn, validate = (data.Shard(Path("data") / run.data / "shards" / split) for split in ("train", "val"))
    features = weights.perceptual(weights.FOLDER) if run.features else ""
    made_from = [inputs, learn.fingerprint, validate.fingerprint, sources.manifest(stage, [run.model]), features]
    made_from += [checkpoints.weights_hash(Path("runs"), need) for need in (run.start, run.inside) if need]
    scratch = Path(runtime.scratch) / f"{run.name}-{digest(made_from)[:16]}"

    fabric = launch(runtime)
    torch.manual_seed(config.seed)
    model = create(run, crops.size)
    checkpoints.begin(model, run, Path("runs"))
    progress, sheet = Progress(), None
    if hasattr(model, "step"):
        schedule = model.config.schedule
        share = (fabric.global_rank, fabric.world_size)
        batches = Batches(learn, crops, holes, schedule, model.batches, config.seed, *share)
        if fabric.is_global_zero and is_prior(run.model):
            judge = section(inputs, "judge")
            sheet = imagine(config.samples, config.compared, judge, weights.FOLDER, batches.crop, fabric.device)
        elif fabric.is_global_zero:
            sheet = Filled.of(validate, holes, schedule.hole, config.samples)
        progress = train(model, batches, sheet, config, fabric, scratch, runtime)
    if fabric.is_global_zero:
        origin = checkpoints.Origin(run, crops.dataset, crops.size, features if reads_features(model) else "")
        checkpoints.save(Path("runs") / run.name / "weights.safetensors", model, origin)
        write(progress, sheet, Path("runs") / run.name)
        ResumePoint(scratch, model).remove()


def _seed(seed: int, iteration: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, 3, iteration, rank]).generate_state(1, np.uint64)[0])


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of each loss over the iterations that had it."""
    found = {name: [row[name] for row in rows if name in row] for row in rows for name in row}
    return {name: math.fsum(values) / len(values) for name, values in found.items()}


def write(progress: Progress, sheet: Sheet | None, folder: Path) -> None:
    """log.json, one row a line, and samples.npz: iterations (T,), results (T, K, H, W, 3), and what the sheet shows."""
    rows = ",\n".join(json.dumps(row) for row in progress.log)
    write_text(folder / "log.json", f"[\n{rows}\n]\n")
    kept = {"iterations": np.array(list(progress.sheets), int)}
    if sheet is not None:
        kept |= {"results": np.stack(list(progress.sheets.values())), **sheet.shown}
    with replacing(folder / "samples.npz") as temporary:
        np.savez_compressed(temporary, **kept)


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
