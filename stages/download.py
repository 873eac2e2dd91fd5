"""data/<slot>/raw: what the dataset of a slot consists of, and data/credits/<slot>, its NOTICE."""

from pathlib import Path

from palimpsest.config.runtime import read_runtime
from palimpsest.config.yaml import argument, build, stage
from palimpsest.data.catalogue import Slot
from palimpsest.data.preparation import download
from palimpsest.storage import read_json, write_text


def main() -> None:
    name = argument("a slot")
    path, runtime = Path("data") / "datasets" / f"{name}.json", read_runtime()
    slot = build(Slot, read_json(path, dict), "", str(path))
    notice = download(slot, Path("data") / name / "raw", runtime.store, runtime.mirror)
    write_text(Path("data") / "credits" / name, notice)


if __name__ == "__main__":
    stage(main)
