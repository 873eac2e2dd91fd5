"""A trained run's weights written for other tools: as its method's authors lay theirs out, or plainly."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from palimpsest.config.yaml import InputError, Tree
from palimpsest.released import Layout, available, bundles, read
from palimpsest.released.converting import held, to_released
from palimpsest.storage import replacing, write_json
from palimpsest.training import checkpoints
from palimpsest.training.checkpoints import Origin


@dataclass(frozen=True)
class Saved:
    """Files in one format, and the settings in which the run differs from the network that the format's code builds."""

    files: list[Path]
    differing: list[str]  # `name: the code's value, not the run's`


def save(params: Tree, model, origin: Origin, form: str, out: Path) -> list[Saved]:
    """Writes the weights into the folder `out`.

    `form` is "safetensors", our own names, or "released": each format of the run's method whose tensors have the run's
    names and shapes. Raises InputError where none has.
    """
    out.mkdir(parents=True, exist_ok=True)
    name, method = origin.run.name, origin.run.model
    if form == "safetensors":
        checkpoints.save(file := out / f"{name.replace('/', '-')}.safetensors", model, origin)
        return [Saved([file], [])]
    saved, refused = [], []
    for layout in map(read, available()):
        if layout.made(params).model == method and set(layout.networks) <= set(model.networks):
            try:
                tensors = to_released(layout, held(layout, model.networks), layout.keys())
            except InputError as error:
                refused.append(str(error))
                continue
            differing = list(_differing(layout.settings, origin.run.settings, ""))
            saved.append(Saved(list(_write(layout, tensors, out)), differing))
    if not saved:
        why = refused[0] if refused else f"no released format of {method} is known"
        raise InputError(f"{name}: asked for a released format, found none that fits: {why}; accepted: safetensors")
    return saved


def _differing(wanted: Tree, found: Tree, at: str) -> Iterator[str]:
    for key, value in wanted.items():
        if isinstance(value, dict):
            yield from _differing(value, found.get(key) or {}, f"{at}{key}.")
        elif found.get(key) != value:
            yield f"{at}{key}: {_yaml(value)}, not {_yaml(found.get(key))}"


def _yaml(value: object) -> str:
    return json.dumps(value).replace('"', "")


def _write(layout: Layout, tensors: dict[str, Tensor], out: Path) -> Iterator[Path]:
    if layout.kernels == "tensorflow":
        bundles.write(out / layout.name, tensors)
        yield from bundles.files_of(out / layout.name)
        return
    numbers = {key: tensors.pop(key).flatten().tolist() for key in layout.json_keys}
    tree = tensors
    for key in reversed(layout.within):
        tree = {key: tree}
    with replacing(file := out / f"{layout.name}.pth") as temporary:
        torch.save(tree, temporary)
    yield file
    if numbers:
        write_json(beside := out / f"{layout.name}.json", numbers)
        yield beside
