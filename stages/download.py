"""data/<slot>/raw: the photographs of the dataset that the active profile puts in a slot, and their NOTICE.

data/credits/<slot> is the NOTICE once more, for the report.
"""

from pathlib import Path

from palimpsest import data
from palimpsest.config import argument, part, read_yaml, section, stage
from palimpsest.storage import write_text


def main() -> None:
    slot = argument("a slot of the profile's data")
    params = read_yaml("params.yaml")
    config = part(params, data.Config, "profiles", section(params, "profile"), "data", slot)
    raw = Path("data") / slot / "raw"
    data.fetch(config.dataset, raw)
    write_text(Path("data") / "credits" / slot, (raw / "NOTICE").read_text(encoding="utf-8"))


if __name__ == "__main__":
    stage(main)
