"""Weights: feature networks that others have trained, in the form in which the pipeline keeps them.

Four words, each for one thing. Weights are these networks. Pretrained is a network that this pipeline trains once for
several runs. A checkpoint is a file with the trained weights of one run. A prior is a generative network that draws
pictures of its own and fills no holes.

`<network>/about.json` says whether the weights are at hand, and if not, why; `<network>/weights.safetensors` holds
them in float32, under the names that torchvision or pytorch-fid gives them. `perceptual` is what perceptual losses
read: VGG19, or VGG16 where VGG19 is missing.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from safetensors import SafetensorError

from palimpsest.config.yaml import InputError, Settings, build
from palimpsest.storage import read_json
from palimpsest.workspace import Workspace

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Workspace().weights  # of the pipeline


class About(Settings):
    """What is known of one network's weights."""

    network: str
    status: Literal["present", "missing"]
    file: str  # the original's name
    source: str
    sha256: str | None  # of the original
    reason: str | None  # why they are missing, and what would be accepted


def perceptual(folder: Path) -> str:
    """Which network perceptual losses read: vgg19, or vgg16 in its place."""
    return about(folder, "perceptual").network


def about(folder: Path, name: str) -> About:
    """What is known of a network's weights in the folder that `fetch` filled; InputError where it did not."""
    path = Path(folder) / name / "about.json"
    return build(About, read_json(path, dict), "", str(path))


def read(folder: Path, name: str) -> "dict[str, Tensor]":
    """A network's weights by name, float32; InputError when they are missing, with the reason."""
    from safetensors.torch import load_file  # imports torch

    known, path = about(folder, name), Path(folder) / name / "weights.safetensors"
    if known.status == "missing":
        raise InputError(f"asked for the weights of {name}, which are missing: {known.reason}")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: asked for weights, found none that can be read ({error}); `dvc repro weights` makes it"
        ) from error
