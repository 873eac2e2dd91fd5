"""Weights of feature networks, as the pipeline keeps them.

Four words for four things:
- weights: feature networks that others have trained, used as they are for metrics and perceptual losses (`weights/`);
- pretrained: networks that this pipeline trains once, for several runs to start from or to use inside;
- checkpoint: the trained weights of a run or of a pretrained network, on disk (`runs/<name>/weights.safetensors`);
- prior: a generative network that draws pictures of its own; it is pretrained, and fills no holes.

`<network>/weights.safetensors` holds weights in float32, under torchvision's or pytorch-fid's names, and
`<network>/about.json` where they come from, or why they are missing. `perceptual` is for perceptual losses: VGG19, or
VGG16 if VGG19 is missing.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from safetensors import SafetensorError

from palimpsest.config.yaml import InputError, Settings, build
from palimpsest.storage import read_json
from palimpsest.workspace import NetworkFiles, Workspace

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Workspace().weights


class About(Settings):
    """What is known of one network's weights."""

    network: str
    status: Literal["present", "missing"]
    file: str  # the original's name
    source: str
    sha256: str | None  # of the original
    reason: str | None  # why they are missing, and what would be accepted


def perceptual(folder: Path) -> str:
    """Which network perceptual losses use: vgg19, or vgg16 in its place."""
    return about(folder, "perceptual").network


def about(folder: Path, name: str) -> About:
    """What is known of a network's weights in a folder that `origins.fetch` filled; InputError if it has not."""
    path = NetworkFiles(Path(folder) / name).about
    return build(About, read_json(path, dict), "", str(path))


def read(folder: Path, name: str) -> "dict[str, Tensor]":
    """A network's weights by name, float32; InputError with the reason if they are missing."""
    from safetensors.torch import load_file  # imports torch

    known, path = about(folder, name), NetworkFiles(Path(folder) / name).weights
    if known.status == "missing":
        raise InputError(f"asked for the weights of {name}, which are missing: {known.reason}")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: asked for weights, found none that can be read ({error}); `dvc repro weights` makes it"
        ) from error
