"""data/<slot>/holes: a fixed hole of every kind for every test picture of a slot."""

import sys
from pathlib import Path

from palimpsest import data, masks
from palimpsest.config import part, read_yaml, section, stage


def main() -> None:
    folder = Path("data") / sys.argv[1]
    params = read_yaml("params.yaml")
    profile = section(params, "profile")
    crops = part(params, data.Config, "profiles", profile, "data", sys.argv[1])
    holes = part(params, masks.Config, "profiles", profile, "holes")
    masks.write_bank(holes, data.Shard(folder / "shards" / "test").ids, crops.size, folder / "holes")


if __name__ == "__main__":
    stage(main)
