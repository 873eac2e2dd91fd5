"""results/benchmark.json: seconds, memory, parameters and multiply-adds of every architecture on this machine."""

from pathlib import Path

from palimpsest import benchmark
from palimpsest.config import part, read_yaml, section, stage
from palimpsest.runtime import read_runtime
from palimpsest.storage import read_json, write_json


def main() -> None:
    params = read_yaml("params.yaml")
    config = part(params, benchmark.Config, "profiles", section(params, "profile"), "benchmark")
    alike = read_json(Path("data") / "architectures.json", dict)
    write_json(Path("results") / "benchmark.json", benchmark.measure(params, alike, config, read_runtime()))


if __name__ == "__main__":
    stage(main)
