"""data/<slot>/raw: the photographs of the dataset that the active profile puts in a slot, and their NOTICE."""

from pathlib import Path

from palimpsest import data
from palimpsest.config import argument, part, read_yaml, section, stage


def main() -> None:
    slot = argument("a slot of the profile's data")
    params = read_yaml("params.yaml")
    config = part(params, data.Config, "profiles", section(params, "profile"), "data", slot)
    data.fetch(config.dataset, Path("data") / slot / "raw")


if __name__ == "__main__":
    stage(main)
