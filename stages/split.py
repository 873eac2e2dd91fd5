"""data/<slot>/shards: the photographs of a slot, packed, one shard a split; data/<slot>/report: what became of them."""

from palimpsest.config.runtime import read_runtime
from palimpsest.data.catalogue import Slot
from palimpsest.data.crops import Crops
from palimpsest.data.sharding import split
from palimpsest.resolved import Resolved
from palimpsest.workspace import Workspace
from stages import run


def main(resolved: Resolved) -> None:
    files, runtime = Workspace().slot(resolved.name), read_runtime()
    slot, crops = resolved.part(Slot, "slot"), resolved.part(Crops, "crops")
    split(crops, slot, files, runtime.store, runtime.mirror, runtime.unfinished, resolved.code)


if __name__ == "__main__":
    run(main)
