"""data/<slot>/shards: the photographs of a slot as packed shards, one a split."""

from pathlib import Path

from palimpsest import data
from palimpsest.config import argument, part, read_yaml, section, stage


def main() -> None:
    slot = argument("a slot of the profile's data")
    params = read_yaml("params.yaml")
    config = part(params, data.Config, "profiles", section(params, "profile"), "data", slot)
    data.split(config, Path("data") / slot / "raw", Path("data") / slot / "shards")


if __name__ == "__main__":
    stage(main)
