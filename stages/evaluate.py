"""results/<run>: one run's values for every test picture, their means, and the pictures that the figures show."""

from pathlib import Path

import numpy as np

from palimpsest import checkpoints, data, evaluation, masks, runs
from palimpsest.config import InputError, argument, part, read_yaml, stage
from palimpsest.runtime import choose_device, read_runtime
from palimpsest.storage import replacing, write_json, write_text


def main() -> None:
    params, name = read_yaml("params.yaml"), argument("a run of params.yaml")
    weights, out = Path("runs") / name / "weights.safetensors", Path("results") / name
    device = choose_device(read_runtime())
    model, origin = checkpoints.load(weights, device)
    if origin.run != (run := runs.resolve(params, name)):
        raise InputError(
            f"{weights}: made under other settings than params.yaml holds now; `dvc repro` trains it again"
        )
    folder = Path("data") / run.data
    shard = data.Shard(folder / "shards" / "test")
    holes = part(params, masks.Config, "profiles", run.profile, "holes")
    banks = {kind: masks.read_bank(folder / "holes", kind, len(shard)) for kind in holes.kinds}
    config = part(params, evaluation.Config, "profiles", run.profile, "evaluation")
    scores = evaluation.evaluate(model, shard, banks, config, device)
    summary = {
        "run": run.name,
        "model": run.model,
        "profile": run.profile,
        "data": run.data,
        "dataset": origin.dataset,
        "size": origin.size,
        "images": len(shard),
        "photos": len({entry.photo for entry in shard.entries}),
        "settings": origin.settings,
        "holes": scores.means(),
    }
    write_text(out / "per-image.csv", scores.table())
    write_json(out / "metrics.json", summary)
    with replacing(out / "samples.npz") as temporary:
        np.savez_compressed(temporary, **scores.samples)


if __name__ == "__main__":
    stage(main)
