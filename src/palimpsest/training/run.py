"""A run trained from what the stages before it made."""

import json
import shutil
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
from palimpsest.training.resume import Progress
from palimpsest.training.sample_grids import FilledSamples, SampleGrid
from palimpsest.workspace import RunFiles, Workspace


def train_run(resolved: Resolved, imagine: Callable[..., SampleGrid] | None = None) -> None:
    """Writes runs/<run> from what `check` resolved and the slot's shards, with one seed after another.

    What is finished stays in scratch until every seed is. `imagine` makes a prior's sample grids, as
    priors.PriorSamples.of does; only the stage that trains priors has it, so that what it measures is no dependency of
    any other's training.
    """
    workspace, runtime = Workspace(), read_runtime()
    run, seeds = Run.read(resolved.value("run")), resolved.value("seeds")
    crops, holes = resolved.part(Crops, "crops"), resolved.part(Holes, "holes")
    config = resolved.part(TrainingConfig, "training")
    learn, validate = (Shard(workspace.slot(run.slot).shard(split)) for split in ("train", "val"))
    perceptual = weights.perceptual(workspace.weights)
    origin = checkpoints.Origin(run, crops.dataset, crops.size, perceptual if reads_features(run) else "")
    made_from = [resolved.fingerprint, learn.fingerprint, validate.fingerprint, perceptual]
    needed = [workspace.run(need.name) for need in (run.start, run.inside) if need]
    made_from += [checkpoints.weights_hash(files.nearest(seed)) for files in needed for seed in seeds]
    scratch = runtime.unfinished / f"{run.name}-{digest(made_from)[:16]}"
    finished = RunFiles(scratch / "finished")

    fabric = launch(runtime)
    left = {seed: files for seed, files in finished.of(seeds).items() if not files.weights.is_file()}
    fabric.barrier()  # no process finishes a seed before all have seen what is left
    for seed, files in left.items():
        torch.manual_seed(seed)
        model = create(run, crops.size)
        checkpoints.begin(model, run, seed, workspace)
        progress, grid = Progress(), None
        if hasattr(model, "step"):
            schedule = model.config.schedule
            share = (fabric.global_rank, fabric.world_size)
            derive = getattr(model, "derive", None)
            batches = Batches(learn, crops, holes, schedule, model.batches, seed, *share, derive)
            if fabric.is_global_zero and is_prior(run.model):
                network = resolved.value("frechet_network")
                grid = imagine(config.samples, config.compared, network, workspace.weights, batches.crop, fabric.device)
            elif fabric.is_global_zero:
                grid = FilledSamples.of(validate, holes, schedule.hole, config.samples, config.validated)
            progress = train(model, batches, grid, config, fabric, scratch / f"seed-{seed}", runtime)
        if fabric.is_global_zero:
            write(progress, grid, files)
            checkpoints.save(files.weights, model, origin)  # last, as it says that the seed is finished
    if fabric.is_global_zero:
        hand_over(finished, workspace.run(run.name))
        shutil.rmtree(scratch, ignore_errors=True)  # another experiment may have trained the same beside it


def hand_over(finished: RunFiles, files: RunFiles) -> None:
    """Puts the files of all seeds in place of those that were there before."""
    if files.folder.exists():
        shutil.rmtree(files.folder)
    files.folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(finished.folder, files.folder)


def write(progress: Progress, grid: SampleGrid | None, files: RunFiles) -> None:
    """log.json, one row a line, and samples.npz: iterations (T,), results (T, K, H, W, 3), and what the grid shows."""
    rows = ",\n".join(json.dumps(row) for row in progress.log)
    write_text(files.log, f"[\n{rows}\n]\n")
    kept = {"iterations": np.array(list(progress.grids), int)}
    if grid is not None:
        kept |= {"results": np.stack(list(progress.grids.values())), **grid.shown}
    with replacing(files.samples) as temporary:
        np.savez_compressed(temporary, **kept)
