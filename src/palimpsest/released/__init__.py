"""The files that authors released: which of their keys holds which tensor of ours.

One YAML file here for each released file: the settings that its network has, and rules that turn its keys into ours.
"""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from palimpsest.config.runs import FULL_SCALE, Run, resolve
from palimpsest.config.yaml import InputError, Name, Settings, Tree, build, merge, read_yaml

FOLDER = Path(__file__).parent
NEVER_NEEDED = "num_batches_tracked"  # a count that only training without momentum reads


class Reversed(Settings):
    """Tensors of ours that a file holds for colours in the order blue, green, red: patterns of whole names."""

    inputs: list[str]  # the first three input channels of kernels
    outputs: list[str]  # the three output channels of kernels and biases


class Layout(Settings):
    """How a released file is laid out."""

    origin: str  # who released it
    licence: str  # of the weights, not of the code
    run: Name | None = None  # whose settings it has at profile `paper`
    model: Name | None = None  # in its place: a method that no run trains; `settings` are then all of its settings
    settings: Tree  # what is set otherwise
    size: PositiveInt | None = None  # px, of its pictures, where shapes depend on it or no run has it
    networks: list[str] = Field(min_length=1)  # names in `Model.networks` whose tensors it holds
    within: list[str] = Field(default_factory=list)  # keys, one in the other, under which the file keeps its tensors
    inert: list[str] = Field(default_factory=list)  # classes of other libraries whose objects the file holds besides
    reversed: Reversed = Reversed(inputs=[], outputs=[])
    kernels: Literal["torch", "tensorflow"]  # (out, in, h, w) or (h, w, in, out), (out, in) or (in, out)
    ignored: list[str]  # patterns of keys that no tensor of ours needs, each matched against a whole key
    rules: dict[str, str]  # pattern: what takes its place, `<7-1>` and `<2*7-2>` computed; one after the other

    def ignores(self, key: str) -> bool:
        """Whether nothing of ours needs what a released key holds."""
        return any(re.fullmatch(pattern, key) for pattern in self.ignored)

    def place(self, key: str) -> str | None:
        """The name in `Model.networks.state_dict()` of what a released key holds; None if nothing of ours needs it."""
        if self.ignores(key):
            return None
        for pattern, name in self.rules.items():
            key = re.sub(pattern, name, key)
        return re.sub(r"<(?:(\d+)\*)?(\d+)-(\d+)>", _computed, key)

    def shape(self, released: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that a tensor of the file has in ours."""
        if self.kernels == "tensorflow" and len(released) in (2, 4):
            *sides, inputs, outputs = released
            return outputs, inputs, *sides
        return released

    def made(self, params: Tree) -> Run:
        """The run whose Model has the file's tensors; InputError where params.yaml has none of its name."""
        if self.model:
            return Run(self.model, self.model, "", FULL_SCALE, self.settings, "settings")
        run = resolve(params, self.run, FULL_SCALE)
        return replace(run, settings=merge(run.settings, self.settings, run.at))


def _computed(found: re.Match) -> str:
    factor, number, less = (int(part or 1) for part in found.groups())
    return str(factor * number - less)


def available() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


@cache
def read(name: str) -> Layout:
    """The layout of a released file; InputError if none is known by that name."""
    if name not in available():
        raise InputError(f"no released file {name!r}; accepted: {', '.join(available())}")
    file = FOLDER / f"{name}.yaml"
    return build(Layout, read_yaml(file), "", file.name)
