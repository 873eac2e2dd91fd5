"""results/<run>: one run's values for every test picture, their means, and the pictures that the figures show."""

from pathlib import Path

from palimpsest import checkpoints, evaluation, runs
from palimpsest.config import InputError, argument, part, read_yaml, stage
from palimpsest.runtime import choose_device, read_runtime


def main() -> None:
    params, name = read_yaml("params.yaml"), argument("a run of params.yaml")
    weights, device = Path("runs") / name / "weights.safetensors", choose_device(read_runtime())
    model, origin = checkpoints.load(weights, device)
    if origin.run != (run := runs.resolve(params, name)):
        raise InputError(
            f"{weights}: made under other settings than params.yaml holds now; `dvc repro` trains it again"
        )
    config = part(params, evaluation.Config, "profiles", run.profile, "evaluation")
    about = {"run": name, "model": run.model, "profile": run.profile, "data": run.data}
    about |= {"dataset": origin.dataset, "settings": origin.settings}
    evaluation.measure(evaluation.Trained(model, device), about, runs.holes(params, name), config, device)


if __name__ == "__main__":
    stage(main)
