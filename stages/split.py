"""data/<slot>/shards: the photographs of a slot, packed, one shard a split; data/reports/<slot>: their report."""

from pathlib import Path

from palimpsest import data, datasets
from palimpsest.config import argument, build, part, read_yaml, section, stage
from palimpsest.runtime import read_runtime
from palimpsest.storage import read_json


def main() -> None:
    name = argument("a slot of the profile's data")
    params, runtime = read_yaml("params.yaml"), read_runtime()
    config = part(params, data.Config, "profiles", section(params, "profile"), "data", name)
    path, folder = Path("data") / "datasets" / f"{name}.json", Path("data") / name
    slot = build(datasets.Slot, read_json(path, dict), "", str(path))
    report = Path("data") / "reports" / name
    datasets.split(config, slot, folder, report, runtime.store, runtime.mirror, Path(runtime.scratch))


if __name__ == "__main__":
    stage(main)
