"""A run trained from what the stages before it made."""

import json
from collections.abc import Callable

import numpy as np
import torch

from palimpsest import weights
from palimpsest.config.runs import Run
from palimpsest.config.runtime import launch, read_runtime
from palimpsest.config.yaml import digest
from palimpsest.data.crops import Crops
from palimpsest.data.shards import Shard
from palimpsest.holes.kinds import Holes
from palimpsest.models import create, is_prior, reads_features
from palimpsest.resolved import Resolved
from palimpsest.storage import replacing, write_text
from palimpsest.training import checkpoints
from palimpsest.training.batches import Batches
from palimpsest.training.loop import TrainingConfig, train
from palimpsest.training.resume import Progress, ResumePoint
from palimpsest.training.sample_grids import FilledSamples, SampleGrid
from palimpsest.workspace import RunFiles, Workspace


def train_run(resolved: Resolved, imagine: Callable[..., SampleGrid] | None = None) -> None:
    """Writes runs/<run> from what `check` resolved and the slot's shards.

    `imagine` makes a prior's sample grids, as priors.PriorSamples.of does; only the stage that trains priors has it, so
    that what it measures is no dependency of any other's training.
    """
    workspace, runtime = Workspace(), read_runtime()
    run = Run.read(resolved.value("run"))
    crops, holes = resolved.part(Crops, "crops"), resolved.part(Holes, "holes")
    config = resolved.part(TrainingConfig, "training")
    learn, validate = (Shard(workspace.slot(run.slot).shard(split)) for split in ("train", "val"))
    perceptual = weights.perceptual(workspace.weights)
    made_from = [resolved.fingerprint, learn.fingerprint, validate.fingerprint, perceptual]
    made_from += [checkpoints.weights_hash(workspace, need) for need in (run.start, run.inside) if need]
    scratch = runtime.unfinished / f"{run.name}-{digest(made_from)[:16]}"

    fabric = launch(runtime)
    torch.manual_seed(config.seed)
    model = create(run, crops.size)
    checkpoints.begin(model, run, workspace)
    progress, grid = Progress(), None
    if hasattr(model, "step"):
        schedule = model.config.schedule
        share = (fabric.global_rank, fabric.world_size)
        derive = getattr(model, "derive", None)
        batches = Batches(learn, crops, holes, schedule, model.batches, config.seed, *share, derive)
        if fabric.is_global_zero and is_prior(run.model):
            network = resolved.value("frechet_network")
            grid = imagine(config.samples, config.compared, network, workspace.weights, batches.crop, fabric.device)
        elif fabric.is_global_zero:
            grid = FilledSamples.of(validate, holes, schedule.hole, config.samples)
        progress = train(model, batches, grid, config, fabric, scratch, runtime)
    if fabric.is_global_zero:
        files = workspace.run(run.name)
        origin = checkpoints.Origin(run, crops.dataset, crops.size, perceptual if reads_features(run) else "")
        checkpoints.save(files.weights, model, origin)
        write(progress, grid, files)
        ResumePoint(scratch, model).remove()


def write(progress: Progress, grid: SampleGrid | None, files: RunFiles) -> None:
    """log.json, one row a line, and samples.npz: iterations (T,), results (T, K, H, W, 3), and what the grid shows."""
    rows = ",\n".join(json.dumps(row) for row in progress.log)
    write_text(files.log, f"[\n{rows}\n]\n")
    kept = {"iterations": np.array(list(progress.grids), int)}
    if grid is not None:
        kept |= {"results": np.stack(list(progress.grids.values())), **grid.shown}
    with replacing(files.samples) as temporary:
        np.savez_compressed(temporary, **kept)
