"""The tensors in released files, read without running anything that a file may hold."""

import json
import pickletools
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from palimpsest.config.yaml import InputError
from palimpsest.data import archives
from palimpsest.released import Layout, bundles

HARMLESS = ("torch.", "collections.OrderedDict")  # what files of tensors alone ask for


class Inert:
    """Stands for an object of another library that a checkpoint holds beside its tensors; it does nothing."""

    def __setstate__(self, state: Any) -> None:
        pass


def read_tensors(layout: Layout, paths: Sequence[Path], member: str | None) -> dict[str, Tensor]:
    """The tensors of a released file by its own keys, on the CPU.

    A second path is that of a TensorFlow checkpoint's data, or of a JSON file with numbers.

    `member` names the file in an archive. Raises InputError for a file that is damaged, of another format, or that
    would run code, and where the layout's keys lead to no tensors.
    """
    if layout.kernels == "tensorflow":
        return bundles.read(paths[0], lambda key: not layout.ignores(key))
    path, *others = paths
    name = f"{path}, {member}" if member else str(path)
    tree = _load(BytesIO(archives.read(path, member)) if member else path, name, layout.inert)
    for key in layout.within:
        if not isinstance(tree, dict) or key not in tree:
            raise InputError(f"{name}: asked for tensors under {key!r}, found {_shown(tree)}")
        tree = tree[key]
    if not isinstance(tree, dict):
        raise InputError(f"{name}: asked for tensors by name, found {_shown(tree)}")
    if strange := [key for key, value in tree.items() if not (isinstance(key, str) and isinstance(value, Tensor))]:
        raise InputError(f"{name}: asked for tensors by name, found {_shown(tree[strange[0]])} under {strange[0]!r}")
    return {**tree, **{key: _colour(other, key) for key in layout.json_keys for other in others}}


def _colour(path: Path, key: str) -> Tensor:
    """Three numbers of a JSON file, (3, 1, 1)."""
    try:
        colour = json.loads(path.read_text(encoding="utf-8"))[key]
        if len(colour) != 3:
            raise ValueError(f"{len(colour)} values")
        return torch.tensor([float(each) for each in colour])[:, None, None]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: asked for JSON with three numbers under {key!r}, found none ({error})") from error


def _load(file: Path | BytesIO, name: str, inert: Sequence[str]) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals([(Inert, x) for x in inert]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        if wanted := next(_code(file, inert), None):
            found = f"a pickle that asks for {wanted}, which may run code: it is not read"
        else:
            found = "a damaged file, or one of another format"
        raise InputError(f"{name}: asked for the tensors of a PyTorch file, found {found}") from error


def _code(file: Path | BytesIO, inert: Sequence[str]) -> Iterator[str]:
    """What a pickle would import beyond tensors and plain containers, told from its instructions alone."""
    contents = file.getvalue() if isinstance(file, BytesIO) else file.read_bytes()
    if zipfile.is_zipfile(BytesIO(contents)):
        with zipfile.ZipFile(BytesIO(contents)) as archive:
            contents = next((archive.read(each) for each in archive.namelist() if each.endswith("data.pkl")), b"")
    words: list[str] = []
    pickles = BytesIO(contents)
    with suppress(Exception):  # it ends where the damage begins
        while pickles.tell() < len(contents):  # a file of before PyTorch 1.6 holds several
            for instruction, argument, _ in pickletools.genops(pickles):
                if instruction.name in ("GLOBAL", "STACK_GLOBAL"):
                    asked = argument.replace(" ", ".") if argument else ".".join(words[-2:])
                    if asked not in inert and not asked.startswith(HARMLESS):
                        yield asked
                elif isinstance(argument, str):
                    words.append(argument)


def _shown(tree: Any) -> str:
    """What was found in place of tensors."""
    if not isinstance(tree, dict):
        return f"a {type(tree).__name__}"
    names = [str(key) for key in tree]
    return f"the keys {', '.join(names[:5])}{', …' if len(names) > 5 else ''}" if names else "no keys"
