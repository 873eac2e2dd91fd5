"""data/<slot>/shards: the photographs of a slot, packed, one shard a split; data/reports/<slot>: their report."""

from pathlib import Path

from palimpsest.config.runtime import read_runtime
from palimpsest.config.yaml import argument, build, part, read_yaml, section, stage
from palimpsest.data.catalogue import Slot
from palimpsest.data.crops import Crops
from palimpsest.data.preparation import split
from palimpsest.storage import read_json


def main() -> None:
    name = argument("a slot")
    params, runtime = read_yaml("params.yaml"), read_runtime()
    config = part(params, Crops, "profiles", section(params, "profile"), "data", name)
    path, folder = Path("data") / "datasets" / f"{name}.json", Path("data") / name
    slot = build(Slot, read_json(path, dict), "", str(path))
    report = Path("data") / "reports" / name
    split(config, slot, folder, report, runtime.store, runtime.mirror, Path(runtime.scratch))


if __name__ == "__main__":
    stage(main)
