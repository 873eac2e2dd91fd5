"""What several commands are asked for: runs, a device, and files as people have them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from palimpsest.config.yaml import InputError, Tree, one_of, section
from palimpsest.workspace import Workspace

if TYPE_CHECKING:
    import torch

    from palimpsest.data.folders import Pattern
    from palimpsest.holes.files import Reading

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

A_FILE = (
    "a run of params.yaml, such as --run crfill. Weights that authors released (docs/released-networks.md): "
    "`dvc exp run -S profile=photos -S released.crfill.accept=true convert`, then --run released/crfill. A TorchScript "
    "or ONNX file (docs/external-results.md): a section of external with its path, then `dvc repro external@NAME`"
)


def runs_that_fill(params: Tree) -> list[str]:
    """Every run, pretrained network and released network that fills holes."""
    from palimpsest.config import runs
    from palimpsest.models import is_prior
    from palimpsest.released.catalogue import run_name

    trained = [name for name in runs.trained(params) if not is_prior(runs.resolve(params, name).model)]
    return [*trained, *map(run_name, section(params, "released"))]


def check_run(params: Tree, asked: str) -> None:
    """InputError unless `asked` is a run that fills holes; it says what to do with a file instead."""
    from palimpsest.config.runs import RELEASED
    from palimpsest.released.catalogue import run_name

    known, path = runs_that_fill(params), Path(asked)
    if asked in known:
        return
    if (released := run_name(asked)) in known:
        raise InputError(f"--run: found {asked!r}; accepted: {released}, the released network of this name")
    if not (path.suffix or path.exists() or (len(path.parts) > 1 and not asked.startswith(RELEASED))):
        one_of(asked, known, "--run")
    folders = {path.resolve(), *path.resolve().parents}
    own = next((name for name in known if Workspace().run(name).folder.resolve() in folders), None)
    raise InputError(f"--run: found a path, {asked}; accepted: " + (f"--run {own}" if own else A_FILE))


def chosen_device() -> "torch.device":
    """The device of a command, which has all cores to itself: runtime.yaml's threads are for stages side by side."""
    from palimpsest.config.runtime import choose_device, read_runtime

    return choose_device(read_runtime().model_copy(update={"threads": None}))


def add_reading(command: argparse.ArgumentParser, part: str) -> None:
    """The options by which a person says how files are named and holes are stored."""
    command.add_argument(
        "--holes-in",
        choices=["brightness", "red", "green", "blue", "alpha"],
        help="the channel that holes lie in, where that is not clear",
    )
    command.add_argument("--invert", action="store_true", help="black is missing, or what is transparent")
    command.add_argument(
        "--pattern",
        action="append",
        default=[],
        metavar="[PART=]PATTERN",
        help=f"how others name files after {{name}}: {{name}}_fake, images={{name}}_real; of {part} without a part",
    )


def asked_reading(arguments: argparse.Namespace) -> "Reading":
    """How the command's holes are to be read."""
    from palimpsest.holes.files import Reading

    return Reading(arguments.holes_in, arguments.invert)


def asked_patterns(given: list[str], parts: list[str]) -> "dict[str, Pattern]":
    """How the files of each part are named; a pattern that names no part is the first one's."""
    from palimpsest.data.folders import NAME, Pattern

    patterns = dict.fromkeys(parts, NAME)
    for text in given:
        part, equals, pattern = text.partition("=")
        if not equals or "{name}" in part:
            part, pattern = parts[0], text
        one_of(part, parts, f"--pattern {text}")
        patterns[part] = Pattern(pattern)
    return patterns
