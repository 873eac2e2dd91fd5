"""The command line: `python -m palimpsest COMMAND`."""

import argparse
from pathlib import Path

from palimpsest.config.stopping import watch

if __name__ == "__main__":
    watch()  # what the commands import takes a moment

from palimpsest.commands import filling, networks, publishing, reproducing, scoring, studying
from palimpsest.config.entry import in_one_line
from palimpsest.config.yaml import InputError


def refuse_another_tree() -> None:
    """InputError in a checkout whose own package is not the one that was loaded."""
    own, loaded = Path("src") / "palimpsest", Path(__file__).parent
    if own.is_dir() and not own.samefile(loaded):
        raise InputError(f"asked to run {own.absolute()}, found {loaded}; accepted: PYTHONPATH=src, or make's commands")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m palimpsest", description="What the pipeline made, by hand.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for room in (networks, filling, scoring, reproducing, studying, publishing):
        room.add(commands)
    arguments = parser.parse_args()
    refuse_another_tree()
    arguments.run_command(arguments)


if __name__ == "__main__":
    in_one_line(main)
