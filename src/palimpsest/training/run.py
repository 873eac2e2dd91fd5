"""A run trained from what the stages before it made."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from palimpsest import manifests, weights
from palimpsest.config import runs
from palimpsest.config.runtime import launch, read_runtime
from palimpsest.config.yaml import InputError, build, digest, section
from palimpsest.data.crops import Crops
from palimpsest.data.shards import Shard
from palimpsest.holes.kinds import Holes
from palimpsest.models import create, is_prior, reads_features
from palimpsest.storage import read_json, replacing, write_text
from palimpsest.training import checkpoints
from palimpsest.training.batches import Batches
from palimpsest.training.loop import TrainingConfig, train
from palimpsest.training.resume import Progress, ResumePoint
from palimpsest.training.sample_grids import Filled, SampleGrid
from palimpsest.workspace import Workspace

ROOM = {"pretrain": "pretrained", "train": "runs"}  # stage → part of params.yaml whose sections it trains


def train_run(stage: str, name: str, imagine: Callable[..., SampleGrid] | None = None) -> None:
    """Writes runs/<name>, as `stage` does, from data/training/<name>.json and its slot's shards.

    `imagine` makes a prior's grids, as priors.Imagined.of does; only the stage that trains priors has it, so that what
    it measures is no dependency of any other's training.
    """
    path = Path("data") / "training" / f"{name}.json"
    inputs, runtime = read_json(path, dict), read_runtime()
    run = runs.Run.read(section(inputs, "run"))
    if not run.at.startswith(f"{ROOM[stage]}."):
        raise InputError(f"asked {stage} for {run.at.removesuffix('.settings')}; accepted: a section of {ROOM[stage]}")
    crops, holes, config = (
        build(kind, section(inputs, part), part, str(path))
        for part, kind in {"crops": Crops, "holes": Holes, "training": TrainingConfig}.items()
    )
    learn, validate = (Shard(Workspace().slot(run.slot).shard(split)) for split in ("train", "val"))
    features = weights.perceptual(weights.FOLDER) if run.features else ""
    made_from = [inputs, learn.fingerprint, validate.fingerprint, manifests.manifest(stage, [run.model]), features]
    made_from += [checkpoints.weights_hash(Path("runs"), need) for need in (run.start, run.inside) if need]
    scratch = Path(runtime.scratch) / f"{run.name}-{digest(made_from)[:16]}"

    fabric = launch(runtime)
    torch.manual_seed(config.seed)
    model = create(run, crops.size)
    checkpoints.begin(model, run, Path("runs"))
    progress, grid = Progress(), None
    if hasattr(model, "step"):
        schedule = model.config.schedule
        share = (fabric.global_rank, fabric.world_size)
        batches = Batches(learn, crops, holes, schedule, model.batches, config.seed, *share)
        if fabric.is_global_zero and is_prior(run.model):
            frechet_network = section(inputs, "frechet_network")
            grid = imagine(
                config.samples, config.compared, frechet_network, weights.FOLDER, batches.crop, fabric.device
            )
        elif fabric.is_global_zero:
            grid = Filled.of(validate, holes, schedule.hole, config.samples)
        progress = train(model, batches, grid, config, fabric, scratch, runtime)
    if fabric.is_global_zero:
        origin = checkpoints.Origin(run, crops.dataset, crops.size, features if reads_features(model) else "")
        checkpoints.save(Workspace().run(run.name).weights, model, origin)
        write(progress, grid, Path("runs") / run.name)
        ResumePoint(scratch, model).remove()


def write(progress: Progress, grid: SampleGrid | None, folder: Path) -> None:
    """log.json, one row a line, and samples.npz: iterations (T,), results (T, K, H, W, 3), and what the grid shows."""
    rows = ",\n".join(json.dumps(row) for row in progress.log)
    write_text(folder / "log.json", f"[\n{rows}\n]\n")
    kept = {"iterations": np.array(list(progress.grids), int)}
    if grid is not None:
        kept |= {"results": np.stack(list(progress.grids.values())), **grid.shown}
    with replacing(folder / "samples.npz") as temporary:
        np.savez_compressed(temporary, **kept)
