"""Tensors of released files as ours, and ours as theirs: other names, axes and colours, the same network.

`ours` are the tensors of a layout's networks by their names in `Model.networks.state_dict()`, see `held`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from palimpsest.config.yaml import InputError
from palimpsest.released import NEVER_NEEDED, Layout, matching

NAMED = 3  # tensors of each fault that a message names
CONSTANTS = {"ones": torch.ones, "identity": lambda shape: torch.eye(shape[-1]).expand(shape)}


def held(layout: Layout, networks: nn.ModuleDict) -> dict[str, Tensor]:
    """The tensors of a Model's networks that the file is about."""
    return {key: value for key, value in networks.state_dict().items() if key.split(".")[0] in layout.networks}


def bare(keys: Iterable[str]) -> dict[str, str]:
    """Each key without `module.`, if all begin with it: so nn.DataParallel names what it holds."""
    prefix = "module." if all(key.startswith("module.") for key in keys) else ""
    return {key: key.removeprefix(prefix) for key in keys}


def to_ours(layout: Layout, released: Mapping[str, Tensor], ours: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """A file's tensors under our names, of the shapes and types of `ours`; InputError if any is not as it should be.

    Of keys that hold the same tensor one is enough; counts of batches stay ours where the file has none.
    """
    found: dict[str, Tensor] = {}
    faults: dict[str, list[str]] = defaultdict(list)
    for key, name in bare(released).items():
        fault, detail, place = "", "", layout.place(name)
        if kind := constant(layout, name):
            fault = "" if is_constant(released[key], kind) else f"not {kind}"
        elif place in ours:
            value, fault, detail = fitted(layout, place, released[key], ours[place])
            if place in found and not torch.equal(found[place], value):
                fault = fault or "unlike another copy"
            found[place] = value
        elif place:
            fault = "left over"
        faults[fault].append(f"{key} ({detail})" if detail else key)
    theirs = {layout.place(name): key for key, name in bare(layout.keys()).items()}
    absent = [place for place in ours if place not in found and not place.endswith(NEVER_NEEDED)]
    faults["missing"] += [theirs.get(place, place) for place in absent if _left(place) not in found]
    if listed := "; ".join(f"{len(keys)} {fault}: {_first(keys)}" for fault, keys in faults.items() if fault and keys):
        raise InputError(f"{file}: {listed}; accepted: the tensors of {layout.name}, by {layout.origin}")
    vectors = {place: right_vector(found[_left(place)], found[_weight(place)]) for place in absent}
    return {**ours, **found, **vectors}


def to_released(layout: Layout, ours: Mapping[str, Tensor], keys: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Our tensors by a file's keys and in its shapes; what nothing of ours needs is 0, or what it always is."""
    written = {}
    for key, name in bare(keys).items():
        if kind := constant(layout, name):
            value = CONSTANTS[kind](keys[key])
        elif place := layout.place(name):
            value = as_theirs(layout, place, ours[place])
        else:
            value = torch.zeros(keys[key])
        if value.shape != keys[key]:
            found, accepted = _shape(value.shape), _shape(keys[key])
            raise InputError(f"{layout.name}: {key} would have the shape {found}; accepted: {accepted}, as released")
        written[key] = value.contiguous()
    return written


def constant(layout: Layout, name: str) -> str | None:
    pattern = matching(layout.constant, name)
    return pattern and layout.constant[pattern]


def is_constant(value: Tensor, kind: str) -> bool:
    return value.ndim > 1 and torch.equal(value, CONSTANTS[kind](value.shape).to(value.dtype))


def fitted(layout: Layout, place: str, value: Tensor, ours: Tensor) -> tuple[Tensor, str, str]:
    """A tensor of the file as ours; what is wrong with it, if anything, and a detail of that."""
    if value.is_floating_point() != ours.is_floating_point():
        return value, "of another type", str(value.dtype).removeprefix("torch.")
    if value.ndim == ours.ndim:
        value = as_ours(layout, place, value).to(ours.dtype).contiguous()
    if value.shape != ours.shape:
        return value, "of another shape", f"{_shape(value.shape)} here, {_shape(ours.shape)} accepted"
    return value, "" if value.isfinite().all() else "not finite", ""


def as_ours(layout: Layout, place: str, value: Tensor) -> Tensor:
    """A tensor of the file with our axes and colours."""
    if layout.kernels == "tensorflow" and value.ndim > 1:
        *sides, inputs, outputs = range(value.ndim)
        value = value.permute(outputs, inputs, *sides)
    if channels := _channels(layout, place, value):
        value = value.unflatten(1, (-1, channels)).transpose(1, 2).flatten(1)
    return recoloured(layout, place, value)


def as_theirs(layout: Layout, place: str, value: Tensor) -> Tensor:
    """A tensor of ours with the file's axes and colours."""
    value = recoloured(layout, place, value)
    if channels := _channels(layout, place, value):
        value = value.unflatten(1, (channels, -1)).transpose(1, 2).flatten(1)
    if layout.kernels == "tensorflow" and value.ndim > 1:
        outputs, inputs, *sides = range(value.ndim)
        value = value.permute(*sides, inputs, outputs)
    return value


def recoloured(layout: Layout, place: str, value: Tensor) -> Tensor:
    """Three channels in reverse, where the file has blue first."""
    sides = layout.reversed
    for patterns, axis, first in ((sides.inputs, 1, 0), (sides.last_inputs, 1, -3), (sides.outputs, 0, 0)):
        if matching(patterns, place):
            order, colours = list(range(value.shape[axis])), slice(first, first + 3 or None)
            order[colours] = order[colours][::-1]
            value = value.index_select(axis, torch.tensor(order))
    return value


def right_vector(left: Tensor, weight: Tensor) -> Tensor:
    """v of the kernel's singular value σ = uᵀ W v, from u; W has a row for each channel that u has a number for."""
    axis = weight.shape.index(len(left))
    return normalize(weight.movedim(axis, 0).flatten(1).T @ left, dim=0)


def _left(place: str) -> str:
    """Of the right vector of a spectral normalisation the left one; files of PyTorch before 1.0 have it alone."""
    return re.sub(r"\._v$", "._u", place)


def _weight(place: str) -> str:
    return re.sub(r"\.0\._v$", ".original", place)


def _channels(layout: Layout, place: str, kernel: Tensor) -> int:
    """Of the map whose values, all of them, are the inputs of a dense kernel; 0 for other kernels."""
    pattern = matching(layout.flattened, place)
    channels = layout.flattened[pattern] if pattern else 0
    return channels if channels and kernel.shape[1] % channels == 0 else 0


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:NAMED]) + (", …" if len(keys) > NAMED else "")


def _shape(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"
