"""A trained run's weights written for other tools: as its method's authors lay theirs out, or plainly."""

from collections.abc import Iterator
from pathlib import Path

import torch

from palimpsest.config.runs import Run
from palimpsest.config.yaml import InputError, Tree
from palimpsest.released import Layout, available, bundles, read
from palimpsest.released.converting import held, to_released
from palimpsest.storage import replacing, write_json
from palimpsest.training import checkpoints
from palimpsest.training.checkpoints import Origin


def save(params: Tree, model, origin: Origin, form: str, out: Path) -> list[Path]:
    """Writes the weights into the folder `out` and returns the files.

    `form` is "safetensors", our own names, or "released": a file for each layout that fits the run's settings. Raises
    InputError where no layout does.
    """
    out.mkdir(parents=True, exist_ok=True)
    if form == "safetensors":
        checkpoints.save(file := out / f"{origin.run.name.replace('/', '-')}.safetensors", model, origin)
        return [file]
    differing = {name: list(_differing(params, read(name), origin.run)) for name in _of_model(params, origin.run)}
    fitting = [name for name, settings in differing.items() if not settings]
    if not fitting:
        wanted = "; ".join(f"{name} with {', '.join(settings)}" for name, settings in differing.items())
        raise InputError(
            f"{origin.run.name}: asked for the released format of {origin.run.model}, found settings that none has; "
            f"accepted: {wanted or 'format safetensors, as no layout of it is known'}"
        )
    return [file for name in fitting for file in _write(read(name), model, out)]


def _of_model(params: Tree, run: Run) -> list[str]:
    """The layouts of a run's method."""
    return [name for name in available() if read(name).made(params).model == run.model]


def _differing(params: Tree, layout: Layout, run: Run) -> Iterator[str]:
    """Settings on which a layout's network differs from a run's, so far as the layout sets them."""
    yield from _unequal(layout.settings, run.settings, "")


def _unequal(wanted: Tree, found: Tree, at: str) -> Iterator[str]:
    for key, value in wanted.items():
        if isinstance(value, dict):
            yield from _unequal(value, found.get(key) or {}, f"{at}{key}.")
        elif found.get(key) != value:
            yield f"{at}{key}: {value}"


def _write(layout: Layout, model, out: Path) -> list[Path]:
    tensors = to_released(layout, held(layout, model.networks), layout.keys())
    if layout.kernels == "tensorflow":
        bundles.write(out / layout.name, tensors)
        return list(bundles.files_of(out / layout.name))
    files = []
    if numbers := {key: tensors.pop(key).flatten().tolist() for key in layout.json_keys}:
        write_json(beside := out / f"{layout.name}.json", numbers)
        files = [beside]
    tree = tensors
    for key in reversed(layout.within):
        tree = {key: tree}
    with replacing(file := out / f"{layout.name}.pth") as temporary:
        torch.save(tree, temporary)
    return [file, *files]
