"""Makes torchvision importable beside a CPU build of torch, and in less time: `load` it before anything imports it.

The wheels of torchvision on the package index link to CUDA. Without its libraries their operators do not load, and
`import torchvision` fails because it describes two operators that nothing has declared. Nothing here computes with
them, so a declaration is enough; calling them still fails.
"""

import contextlib
import sys
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch
from torch.library import Library

SCHEMAS = {  # as torchvision 0.28 declares them
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def declare_missing() -> Library | None:
    """The library that declares what is missing, to be kept alive; None if torchvision's own operators load."""
    _load_real_operators()
    missing = [schema for name, schema in SCHEMAS.items() if not hasattr(torch.ops.torchvision, name)]
    if not missing:
        return None
    library = Library("torchvision", "FRAGMENT")
    for schema in missing:
        library.define(schema)
    return library


def _load_real_operators() -> None:
    """Loads torchvision's compiled operators if possible; they would refuse to load after a second declaration."""
    package = find_spec("torchvision")
    for folder in (package and package.submodule_search_locations) or []:
        for suffix in EXTENSION_SUFFIXES:
            if (path := Path(folder) / f"_C{suffix}").is_file():
                with contextlib.suppress(OSError):
                    torch.ops.load_library(path)


def load() -> None:
    """Imports torchvision without torch._dynamo, which takes over a second and tells it of compiling alone."""
    if "torchvision" in sys.modules or "torch._dynamo" in sys.modules:
        return
    stand_ins = {name: ModuleType(name) for name in ("torch._dynamo", "torch._dynamo.utils")}
    stand_ins["torch._dynamo.utils"].is_compile_supported = lambda device: False
    sys.modules |= stand_ins
    try:
        import_module("torchvision")
    finally:
        for name in stand_ins:
            del sys.modules[name]


LIBRARY = declare_missing()
