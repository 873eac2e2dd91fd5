"""The files that authors released: which of their keys holds which tensor of ours.

One YAML file here for each released file: the settings that its network has, and rules that turn its keys into ours.
Its keys and their shapes are in `keys/`.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from palimpsest.config.runs import FULL_SCALE, Run, resolve
from palimpsest.config.yaml import InputError, Name, Settings, Tree, build, choices, merge, read_yaml

FOLDER = Path(__file__).parent
NEVER_NEEDED = ("num_batches_tracked", "mean_colour.batches")  # ends of names: counts that only training reads


class Reversed(Settings):
    """Tensors of ours that a file holds for colours in the order blue, green, red: patterns of whole names."""

    inputs: list[str]  # the first three input channels of kernels
    outputs: list[str]  # the three output channels of kernels and biases
    last_inputs: list[str] = Field(default_factory=list)  # the last three input channels of kernels


class Layout(Settings):
    """How a released file is laid out."""

    name: str  # of its file here
    origin: str  # who released it
    licence: str  # of the weights, not of the code
    run: Name | None = None  # whose settings it has at profile `paper`
    model: Name | None = None  # in its place: a method that no run trains; `settings` are then all of its settings
    settings: Tree  # what is set otherwise
    size: PositiveInt | None = None  # px, of its pictures, where shapes depend on it or no run has it
    networks: list[str] = Field(min_length=1)  # names in `Model.networks` whose tensors it holds
    within: list[str] = Field(default_factory=list)  # keys, one in the other, under which the file keeps its tensors
    inert: list[str] = Field(default_factory=list)  # classes of other libraries whose objects the file holds besides
    json_keys: list[str] = Field(default_factory=list)  # lists of numbers, a channel each, in a JSON file beside it
    reversed: Reversed = Reversed(inputs=[], outputs=[])
    kernels: Literal["torch", "tensorflow"]  # (out, in, h, w) or (h, w, in, out), (out, in) or (in, out)
    flattened: dict[str, PositiveInt] = Field(default_factory=dict)  # our dense kernels: channels, last in the file
    ignored: list[str]  # patterns of keys that no tensor of ours needs, each matched against a whole key
    constant: dict[str, Literal["ones", "identity"]] = Field(default_factory=dict)  # such keys: what they always hold
    rules: dict[str, str]  # pattern: what takes its place, `<7-1>` and `<2*7+2>` computed; one after the other

    def ignores(self, key: str) -> bool:
        """Whether nothing of ours needs what a released key holds."""
        return matching(self.ignored, key) is not None

    def place(self, key: str) -> str | None:
        """The name in `Model.networks.state_dict()` of what a released key holds; None if nothing of ours needs it.

        The key is without the `module.` that all keys of a file may begin with.
        """
        if self.ignores(key) or matching(self.constant, key):
            return None
        for pattern, name in self.rules.items():
            key = re.sub(pattern, name, key)
        return re.sub(r"<(?:(\d+)\*)?(\d+)([+-]\d+)>", _computed, key)

    def keys(self) -> dict[str, tuple[int, ...]]:
        """The file's keys and their shapes, in its order."""
        with (FOLDER / "keys" / f"{self.name}.csv").open(encoding="utf-8") as file:
            shapes = {row["key"]: row["shape"] for row in csv.DictReader(file)}
        return {key: () if shape == "scalar" else tuple(map(int, shape.split("x"))) for key, shape in shapes.items()}

    def made(self, params: Tree) -> Run:
        """The run whose Model has the file's tensors; InputError where params.yaml has none of its name."""
        if self.model:
            return Run(self.model, self.model, "", FULL_SCALE, self.settings, "settings")
        run = resolve(params, self.run, FULL_SCALE)
        return replace(run, settings=merge(run.settings, self.settings, run.at))


def matching(patterns: Iterable[str], name: str) -> str | None:
    """The first pattern that matches the whole name."""
    return next((pattern for pattern in patterns if re.fullmatch(pattern, name)), None)


def _computed(found: re.Match) -> str:
    factor, number, more = (int(part or 1) for part in found.groups())
    return str(factor * number + more)


def available() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


@cache
def read(name: str) -> Layout:
    """The layout of a released file; InputError if none is known by that name."""
    if name not in available():
        raise InputError(f"no released file {name!r}; accepted: {choices(available(), name)}")
    file = FOLDER / f"{name}.yaml"
    return build(Layout, {**read_yaml(file), "name": name}, "", file.name)
