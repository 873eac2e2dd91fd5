"""data/settings-checked, data/runs.json: every setting was read strictly before anything is computed.

The first never changes: it stands before the stages that must wait for the check. The second holds each run's
fingerprint, by which the tables know a result that other settings made, and the parameters of its networks.
"""

from pathlib import Path

from palimpsest.config import read_yaml, stage
from palimpsest.settings import check
from palimpsest.storage import write_json, write_text


def main() -> None:
    described = check(read_yaml("params.yaml"))
    write_json(Path("data") / "runs.json", described)
    write_text(Path("data") / "settings-checked", "Every setting of params.yaml is one that some part reads.\n")


if __name__ == "__main__":
    stage(main)
