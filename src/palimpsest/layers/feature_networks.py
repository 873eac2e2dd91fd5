"""Fixed pretrained networks whose features measure how pictures differ: LPIPS, FID's Inception, VGG.

Each is built by its own package, without a download, and leaves torch's random generator as it was. They are built on
the device `meta`, so that no time is lost on a package's random weights.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from unittest.mock import patch

import torch
from torch import Tensor, nn

from palimpsest import weights
from palimpsest.config.yaml import InputError, choices
from palimpsest.layers import torchvision_operators

if TYPE_CHECKING:
    from lpips import LPIPS
    from pytorch_fid.inception import InceptionV3

# lpips, pytorch_fid and torchvision take over a second to import, so only the functions that need them do so

TRUNK = {"alex": "alexnet", "vgg": "vgg16"}  # name in the package lpips → name in `weights`


def lpips_network(weights_folder: Path, net: Literal["alex", "vgg"]) -> "LPIPS":
    """LPIPS v0.1 (Zhang et al. 2018), frozen; the trunk's weights are `weights`', the heads' the package lpips's."""
    torchvision_operators.load()
    import lpips

    trunk = weights.read(weights_folder, TRUNK[net])
    heads = torch.load(
        Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth", map_location="cpu", weights_only=True
    )
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.filterwarnings("ignore", r"The parameter 'pretrained'|Arguments other than a weight enum", UserWarning)
        network = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    state = network.state_dict()
    for name in state:
        room, _, rest = name.partition(".")
        if room == "net":  # net.slice<k>.<place>.weight
            state[name] = trunk[f"features.{rest.partition('.')[2]}"]
        elif room == "lins":  # lins.<k>.model.1.weight, the same modules as lin<k>
            state[name] = heads[f"lin{rest}"]
        elif room.startswith("lin"):
            state[name] = heads[name]
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def inception(weights_folder: Path) -> "InceptionV3":
    """FID's Inception as pytorch-fid defines it, frozen: [0, 1] pictures of any size → [pool3 (B, 2048, 1, 1)]."""
    torchvision_operators.load()
    from pytorch_fid import inception as module

    state = weights.read(weights_folder, "inception")
    with torch.random.fork_rng(devices=[]), patch.object(module, "load_state_dict_from_url", lambda *_, **__: state):
        network = module.InceptionV3()
    return network.eval().requires_grad_(False)


class Trunk(nn.Module):
    """VGG's convolutions: a picture → the feature maps asked for by name, such as `relu5_3` or `conv5_4`.

    `conv<block>_<number>` is the map before its ReLU, `relu<block>_<number>` after it; a block ends in `pool<block>`.
    """

    def __init__(self, features: nn.Sequential):
        super().__init__()
        self.features = features
        self.names = _names(features)
        for layer in features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # else conv5_4 would hold relu5_4
        # mean and standard deviation of ImageNet's colours in [0, 1]
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, image: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """{layer: (B, C, h, w)}, in the order of `layers`, for pictures (B, 3, H, W) in [0, 1]."""
        if unknown := [name for name in layers if name not in self.names]:
            raise InputError(f"asked for layer {unknown[0]} of VGG; accepted: {choices(self.names, unknown[0])}")
        last = max(self.names.index(name) for name in layers)
        smallest = 2 ** sum(name.startswith("pool") for name in self.names[: last + 1])
        if min(image.shape[-2:]) < smallest:
            height, width = image.shape[-2:]
            raise InputError(
                f"asked for {self.names[last]} of VGG, found {width} x {height} px; accepted: {smallest} px or more"
            )
        x, maps = (image - self.mean) / self.deviation, {}
        for name, layer in zip(self.names[: last + 1], self.features, strict=False):
            x = maps[name] = layer(x)
        return {name: maps[name] for name in layers}


def _names(features: nn.Sequential) -> list[str]:
    names, block, number = [], 1, 0
    for layer in features:
        match layer:
            case nn.Conv2d():
                number += 1
                names.append(f"conv{block}_{number}")
            case nn.ReLU():
                names.append(f"relu{block}_{number}")
            case nn.MaxPool2d():
                names.append(f"pool{block}")
                block, number = block + 1, 0
    return names


def perceptual(weights_folder: Path) -> Trunk:
    """The network that perceptual losses read: VGG19, or VGG16 if VGG19 is not available."""
    return vgg(weights_folder, weights.perceptual(weights_folder), "perceptual")


def vgg(weights_folder: Path, name: str, kept: str | None = None) -> Trunk:
    """The convolutions of vgg16 or vgg19 (Simonyan and Zisserman 2015), frozen, with ImageNet weights.

    `kept` is the weights' name in the folder, if it differs.
    """
    torchvision_operators.load()
    from torchvision import models

    state = weights.read(weights_folder, kept or name)
    with torch.device("meta"):
        features = getattr(models, name)().features
    features.load_state_dict({key.removeprefix("features."): value for key, value in state.items()}, assign=True)
    return Trunk(features).eval().requires_grad_(False)
