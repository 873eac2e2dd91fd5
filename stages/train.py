"""runs/<run>: one run's weights, its log and its sample sheets."""

from pathlib import Path

import torch

from palimpsest import checkpoints, data, masks, runs, sources, training
from palimpsest.config import argument, build, digest, section, stage
from palimpsest.models import create
from palimpsest.runtime import launch, read_runtime
from palimpsest.storage import read_json


def main() -> None:
    path = Path("data") / "training" / f"{argument('a run of params.yaml')}.json"
    inputs, runtime = read_json(path, dict), read_runtime()
    run = runs.Run(**section(inputs, "run"))
    crops, holes, config = (
        build(kind, section(inputs, name), name, str(path))
        for name, kind in {"crops": data.Config, "holes": masks.Config, "training": training.Config}.items()
    )
    learn, validate = (data.Shard(Path("data") / run.data / "shards" / split) for split in ("train", "val"))
    origin = checkpoints.Origin(run, crops.dataset, crops.size)
    made_from = [inputs, learn.fingerprint, validate.fingerprint, sources.manifest("train", [run.model])]
    scratch = Path(runtime.scratch) / f"{run.name}-{digest(made_from)[:16]}"

    fabric = launch(runtime)
    torch.manual_seed(config.seed)
    model = create(run, crops.size)
    progress, sheet = training.Progress(), None
    if hasattr(model, "step"):
        schedule = model.config.schedule
        share = (fabric.global_rank, fabric.world_size)
        batches = training.Batches(learn, crops, holes, schedule, model.batches, config.seed, *share)
        sheet = training.Sheet.of(validate, holes, schedule.hole, config.samples)
        progress = training.train(model, batches, sheet, config, fabric, scratch, runtime)
    if fabric.is_global_zero:
        checkpoints.save(Path("runs") / run.name / "weights.safetensors", model, origin)
        training.write(progress, sheet, Path("runs") / run.name)
        training.ResumePoint(scratch, model).remove()


if __name__ == "__main__":
    stage(main)
