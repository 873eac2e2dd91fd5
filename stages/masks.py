"""data/holes/<slot>: a fixed hole of every kind for every test picture of a slot."""

from palimpsest.config.yaml import argument, part, read_yaml, section, stage
from palimpsest.data.crops import Crops
from palimpsest.data.shards import Shard
from palimpsest.holes.bank import write_bank
from palimpsest.holes.kinds import Holes
from palimpsest.workspace import Workspace


def main() -> None:
    slot = argument("a slot")
    params = read_yaml("params.yaml")
    crops = part(params, Crops, "profiles", section(params, "profile"), "data", slot)
    holes = part(params, Holes, "holes")
    shard = Shard(Workspace().slot(slot).shard("test"))
    write_bank(holes, shard.ids, crops.size, Workspace().slot(slot).holes)


if __name__ == "__main__":
    stage(main)
