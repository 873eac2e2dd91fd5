"""data/settings-checked, data/runs.json, data/training, data/datasets, …: every setting was read strictly.

The first never changes: it stands before the stages that must wait for the check. The second holds each run's
fingerprint, by which the tables know a result that other settings made, and the parameters of its networks. The third
holds for each run the settings that its training depends on, the fourth what fills each slot,
data/architectures.json the runs that cost the same to fill with.
Two files named nothing stand for what a run needs that needs nothing.
"""

from pathlib import Path

from palimpsest.config import runs
from palimpsest.config.yaml import read_yaml, stage
from palimpsest.data.catalogue import filled_slot
from palimpsest.evaluation.speed import architectures
from palimpsest.papers.paper import benchmarked
from palimpsest.settings import check, describe, training_inputs
from palimpsest.storage import write_json, write_text
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace


def main() -> None:
    tree = read_yaml("params.yaml")
    params = check(tree)
    write_json(Path("data") / "runs.json", describe(tree, params))
    write_json(Path("data") / "architectures.json", architectures(tree, benchmarked()))
    for name, crops in params.profiles[params.profile].slots.items():
        slot = filled_slot(params.datasets, crops.dataset)
        write_json(Path("data") / "datasets" / f"{name}.json", slot.model_dump())
    for name in runs.trained(tree):
        write_json(Path("data") / "training" / f"{name}.json", training_inputs(tree, params, name))
    checkpoints.save_nothing(Workspace().run(runs.NOTHING).weights)
    write_text(Workspace().weights / runs.NOTHING, "No features are read.\n")
    write_text(Path("data") / "settings-checked", "Every setting of params.yaml is one that some part reads.\n")


if __name__ == "__main__":
    stage(main)
