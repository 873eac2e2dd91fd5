"""From the photographs of a slot to its shards and its data report."""

from pathlib import Path

from palimpsest.config.yaml import digest
from palimpsest.data import packing
from palimpsest.data.catalogue import Slot
from palimpsest.data.crops import Crops
from palimpsest.data.report import write_report
from palimpsest.manifests import Manifest
from palimpsest.storage import alone
from palimpsest.workspace import SlotFiles


def split(
    crops: Crops, slot: Slot, files: SlotFiles, store: Path, mirror: str | None, scratch: Path, code: Manifest
) -> None:
    """Writes the shards and the report of what `raw` holds, and prints which splits lost photographs and why.

    `scratch` holds the work of a killed run; a run with the same settings, photographs and `code` continues it. Two on
    one slot take turns. Raises InputError if the photographs are not those that `download` found, or too few can be
    used.
    """
    works = scratch / f"split-{files.folder.name}"
    with alone(works):
        source = slot.entry.source(slot.dataset, files.raw, store, mirror)
        made_from = [crops.model_dump(), source.origin, source.splits, code]
        work = works / digest(made_from)[:16]
        packing.remove_all_but(work)
        journals = packing.pack(crops, source, files.shards, work)
        for remark in write_report(files, crops, source, journals):
            print(f"{files.folder.name}, {slot.dataset}, {remark}", flush=True)
        packing.remove(works)
