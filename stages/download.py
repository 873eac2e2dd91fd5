"""data/<slot>/raw: what the dataset of a slot consists of, and data/<slot>/credits, its NOTICE."""

from palimpsest.config.runtime import read_runtime
from palimpsest.data.catalogue import Slot
from palimpsest.resolved import Resolved
from palimpsest.storage import write_text
from palimpsest.workspace import Workspace
from stages import run


def main(resolved: Resolved) -> None:
    files, runtime = Workspace().slot(resolved.name), read_runtime()
    slot = resolved.part(Slot, "slot")
    notice = slot.entry.download(slot.dataset, files.raw, runtime.store, runtime.mirror)
    write_text(files.credits, notice)


if __name__ == "__main__":
    run(main)
