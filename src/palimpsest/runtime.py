"""runtime.yaml: what may differ between machines without rerunning a stage, and the devices it chooses."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from ruamel.yaml import YAML

from palimpsest.config import InputError, Settings, build, read_yaml

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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


def read_runtime(path: Path | str = "runtime.yaml") -> Runtime:
    """runtime.yaml, each key replaceable by an environment variable such as PALIMPSEST_DEVICE=cpu."""
    tree = read_yaml(path)
    for key in tree:
        if text := os.environ.get(f"PALIMPSEST_{key.upper()}"):
            tree[key] = YAML(typ="safe", pure=True).load(text)
    runtime = build(Runtime, tree, "", Path(path).name)
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise InputError("runtime.yaml: device is cuda, but there is no CUDA device; accepted: auto, cpu")
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    return runtime


def choose_device(runtime: Runtime) -> torch.device:
    """The one device of a process that works alone."""
    if runtime.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(runtime.device)


def launch(runtime: Runtime) -> "Fabric":
    """The processes of a training, on as many devices and nodes as runtime.yaml says."""
    from lightning_fabric import Fabric  # a second to import, and only training needs it

    fabric = Fabric(
        accelerator=runtime.device, devices=runtime.devices, num_nodes=runtime.num_nodes, precision=runtime.precision
    )
    fabric.launch()
    return fabric
