"""data/settings-checked: every setting of every profile and run was read strictly before anything is computed."""

from pathlib import Path

from palimpsest.config import read_yaml, stage
from palimpsest.settings import check
from palimpsest.storage import write_text


def main() -> None:
    check(read_yaml("params.yaml"))
    write_text(Path("data") / "settings-checked", "Every setting of params.yaml is one that some part reads.\n")


if __name__ == "__main__":
    stage(main)
