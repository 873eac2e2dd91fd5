"""Anyone's results on the test pictures, measured like a run's own: the sections of params.yaml's `external`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from palimpsest.config import runs
from palimpsest.config.paths import for_dvc
from palimpsest.config.runs import Kinds
from palimpsest.config.yaml import InputError, Settings, Tree, build, digest, part, section
from palimpsest.data.folders import NAME, Pictures, normal, pictures_below
from palimpsest.data.pictures import read_picture
from palimpsest.evaluation.filling import Filled
from palimpsest.evaluation.measure import About, EvaluationConfig, measure
from palimpsest.evaluation.model_files import OnnxFile, TorchScriptFile
from palimpsest.evaluation.server import Server
from palimpsest.resolved import Resolved


@dataclass(frozen=True)
class ResultFolder:
    """A folder of results made by another tool: `<hole kind>/<picture>` with any picture's ending."""

    folder: Path
    maker: str = "a folder of results"
    kinds: dict[str, Pictures] = field(default_factory=dict)  # what was found of the kinds so far

    def fill(self, kind: str, ids: Sequence[str], pictures: np.ndarray, holes: np.ndarray) -> Filled:
        """InputError where a result is missing, cannot be read or has another size than its picture."""
        if kind not in self.kinds:
            self.kinds[kind] = pictures_below(self.folder / kind, NAME)
        outputs = [self._read(kind, name, picture) for name, picture in zip(ids, pictures, strict=True)]
        return Filled(ids, pictures, holes, np.stack(outputs))

    def _read(self, kind: str, name: str, picture: np.ndarray) -> np.ndarray:
        path = self.kinds[kind].one(normal(name))
        output = read_picture(path).pixels
        if output.shape != picture.shape:
            sizes = " and ".join(f"{width} x {height} px" for height, width, _ in (output.shape, picture.shape))
            raise InputError(f"{path}: result and picture are {sizes}; accepted: equal sizes")
        return output


class Folder(Settings):
    """`results` of kind `folder`."""

    kind: Literal["folder"]
    path: str

    def check(self, kinds: Sequence[str]) -> None:
        """InputError where there is no folder for a kind of holes."""
        for kind in kinds:
            if not (folder := Path(self.path) / kind).is_dir():
                raise InputError(f"asked for results in {folder}, found no such folder{for_dvc(self.path)}")

    def open(self, at: str, device: torch.device | str) -> ResultFolder:
        """The folder."""
        return ResultFolder(Path(self.path))


class Made(Settings):
    """How results are made; dvc.yaml depends on the `path` of every kind."""

    results: Annotated[Folder | OnnxFile | TorchScriptFile | Server, Field(discriminator="kind")]


class External(Made):
    """A section of params.yaml's `external`: another tool's results, or what makes them."""

    label: Annotated[str, Field(min_length=1)]  # the row's name; equal labels on several slots share a row
    source: Annotated[str, Field(min_length=1)]  # where the results or the model come from, in words
    slot: str  # slot in profiles.<profile>.slots
    holes: Kinds

    @property
    def fingerprint(self) -> str:
        """Hash of all that results depend on: not of the row's name."""
        return digest(self.model_dump(exclude={"label"}))


def external(params: Tree, name: str) -> External:
    """A section of `external`; InputError if it is unknown or has the name of a run or a transfer."""
    for where, what in (("runs", "run"), ("transfers", "transfer")):
        if name in section(params, where):
            raise InputError(f"params.yaml: external.{name} has the name of a {what}; accepted: a name of its own")
    return part(params, External, "external", name)


def measure_external(resolved: Resolved, device: torch.device | str) -> None:
    """Writes results/<external> as `resolved` asks."""
    made = build(Made, {"results": resolved.value("results")}, "", str(resolved.path))
    source = made.results.open(f"params.yaml: external.{resolved.name}.results", device)
    about = About(
        run=resolved.name,
        model=source.maker,
        profile=resolved.value("profile"),
        slot=resolved.value("slot"),
        dataset=resolved.value("dataset"),
        code=digest(resolved.code),
        settings=resolved.value("settings"),
        features="",
    )
    config = resolved.part(EvaluationConfig, "evaluation")
    measure({runs.NO_SEED: source}, about, resolved.value("holes"), config, device)
