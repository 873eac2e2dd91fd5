"""data/holes/<slot>: a fixed hole of every kind for every test picture of a slot."""

from pathlib import Path

from palimpsest import data, masks
from palimpsest.config import argument, part, read_yaml, section, stage


def main() -> None:
    slot = argument("a slot of the profile's data")
    params = read_yaml("params.yaml")
    crops = part(params, data.Config, "profiles", section(params, "profile"), "data", slot)
    holes = part(params, masks.Config, "holes")
    shard = data.Shard(Path("data") / slot / "shards" / "test")
    masks.write_bank(holes, shard.ids, crops.size, masks.bank_folder(Path(), slot))


if __name__ == "__main__":
    stage(main)
