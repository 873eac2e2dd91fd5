"""data/<slot>/holes: a fixed hole of every kind for every test picture of a slot."""

from palimpsest.data.shards import Shard
from palimpsest.holes.bank import write_bank
from palimpsest.holes.kinds import Holes
from palimpsest.resolved import Resolved
from palimpsest.workspace import Workspace
from stages import run


def main(resolved: Resolved) -> None:
    files = Workspace().slot(resolved.name)
    shard = Shard(files.shard("test"))
    write_bank(resolved.part(Holes, "holes"), shard.ids, shard.size, files.holes)


if __name__ == "__main__":
    run(main)
