"""code/<stage>.json and code/<stage>-<model>.json: the source files each stage runs."""

from pathlib import Path

from palimpsest.config.yaml import stage
from palimpsest.manifests import MODELS, STAGES, manifest
from palimpsest.storage import write_json

EVERY_MODEL = {"check", "benchmark"}
BY_MODEL = {"pretrain", "train", "evaluate", "transfer"}


def main() -> None:
    for name in sorted(file.stem for file in STAGES.glob("*.py")):
        if name in BY_MODEL:
            for model in MODELS:
                write_json(Path("code") / f"{name}-{model}.json", manifest(name, [model]))
        else:
            write_json(Path("code") / f"{name}.json", manifest(name, MODELS if name in EVERY_MODEL else []))


if __name__ == "__main__":
    stage(main)
