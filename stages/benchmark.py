"""results/benchmark.json: seconds, memory, parameters and multiply-adds of every architecture on this machine."""

from pathlib import Path

from palimpsest.config.runtime import read_runtime
from palimpsest.config.yaml import part, read_yaml, section, stage
from palimpsest.evaluation import speed
from palimpsest.storage import read_json, write_json
from palimpsest.workspace import Workspace


def main() -> None:
    params = read_yaml("params.yaml")
    config = part(params, speed.SpeedConfig, "profiles", section(params, "profile"), "benchmark")
    alike = read_json(Path("data") / "architectures.json", dict)
    write_json(Workspace().benchmark, speed.measure(params, alike, config, read_runtime()))


if __name__ == "__main__":
    stage(main)
