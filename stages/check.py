"""resolved/: what every other stage depends on, once the settings have been read strictly.

A run without a need depends on runs/nothing, as DVC cannot leave out a dependency for one run.
"""

from palimpsest.config.entry import in_one_line
from palimpsest.config.runs import NOTHING
from palimpsest.config.runtime import read_runtime
from palimpsest.config.yaml import InputError, read_yaml
from palimpsest.data.catalogue import read_catalogue
from palimpsest.manifests import MODELS, inputs_hash, manifest
from palimpsest.released import catalogue
from palimpsest.settings.check import check
from palimpsest.settings.resolving import resolve_all
from palimpsest.storage import write_json
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace
from stages import expect


def main() -> None:
    read_runtime()  # so that a slip in it is found now
    before, workspace = inputs_hash(), Workspace()
    tree, datasets = read_yaml("params.yaml"), read_catalogue("datasets.yaml")
    networks = catalogue.read_catalogue("released.yaml")
    expect(manifest("check", MODELS))
    for name, taken, resolved in resolve_all(tree, check(tree, datasets, networks), datasets, networks):
        write_json(workspace.resolved(name, taken), resolved)
    checkpoints.save_nothing(workspace.run(NOTHING).weights, "it stands for what a run does not need")
    if inputs_hash() != before:
        raise InputError("settings or code have changed while `check` read them, so nothing is recorded; run it again")


if __name__ == "__main__":
    in_one_line(main)
