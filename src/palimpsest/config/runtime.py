"""runtime.yaml: what may differ between machines without rerunning a stage, and the devices it chooses."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from palimpsest.config.paths import located
from palimpsest.config.yaml import InputError, Settings, build, read_yaml, shown

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric


PREFIX = "PALIMPSEST_"


class Runtime(Settings):
    """The settings of runtime.yaml."""

    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["32-true", "bf16-mixed"]
    devices: Annotated[int, Field(gt=0)] | Literal["auto"]  # processes a node
    num_nodes: PositiveInt
    threads: Annotated[int, Field(gt=0)] | None  # of one process; null = all cores
    workers: NonNegativeInt  # processes that prepare batches; 0 = in the training process
    checkpoint_seconds: NonNegativeFloat  # between two resume points
    scratch: str  # folder of the resume points
    archives: str  # folder where the archives of datasets lie, or are downloaded to
    mirror: str | None  # folder or web address that holds archives under their own names, asked before their owners

    @property
    def store(self) -> Path:
        """The folder of the archives."""
        return located(self.archives)

    @property
    def unfinished(self) -> Path:
        """The folder of resume points, logs and whatever else a killed command left."""
        return located(self.scratch)


def read_runtime(path: Path | str = "runtime.yaml") -> Runtime:
    """runtime.yaml, each key replaceable by an environment variable such as PALIMPSEST_DEVICE=cpu."""
    tree = read_yaml(path)
    given = {name: _value(name, text) for name, text in os.environ.items() if name.startswith(PREFIX)}
    build(Runtime, tree, "", Path(path).name)
    tree |= {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
    return build(Runtime, tree, "", f"{Path(path).name} with {', '.join(given)}" if given else Path(path).name)


def _value(variable: str, text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise InputError(f"{variable}: found {shown(text)}; accepted: a value as in runtime.yaml") from error


def prepare(runtime: Runtime) -> None:
    """Sets how many threads this process computes with; InputError where the device is missing."""
    import torch  # seconds to import, and a stage that computes no network reads runtime.yaml too
    from threadpoolctl import threadpool_limits

    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise InputError("runtime.yaml: device is cuda, but there is no CUDA device; accepted: auto, cpu")
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
        threadpool_limits(runtime.threads)  # of numpy's and scipy's libraries


def choose_device(runtime: Runtime) -> "torch.device":
    """The one device of a process that works alone, made ready."""
    import torch

    prepare(runtime)
    if runtime.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(runtime.device)


def launch(runtime: Runtime) -> "Fabric":
    """The processes of a training, on as many devices and nodes as runtime.yaml says."""
    from lightning_fabric import Fabric  # a second to import, and only training needs it

    prepare(runtime)
    fabric = Fabric(
        accelerator=runtime.device, devices=runtime.devices, num_nodes=runtime.num_nodes, precision=runtime.precision
    )
    fabric.launch()
    return fabric
