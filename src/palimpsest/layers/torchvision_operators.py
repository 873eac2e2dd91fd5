"""Makes torchvision importable beside a CPU build of torch: import this first.

The wheels of torchvision on the package index link to CUDA. Without its libraries their operators do not load, and
`import torchvision` fails because it describes two operators that nothing has declared. Nothing here computes with
them, so a declaration is enough; calling them still fails.
"""

import contextlib
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

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


LIBRARY = declare_missing()
