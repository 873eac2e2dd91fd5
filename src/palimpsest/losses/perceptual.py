"""Losses that compare features of a fixed network."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from palimpsest import weights
from palimpsest.layers.feature_networks import Trunk, perceptual


def perceptual_l1(prediction: Tensor, image: Tensor, layers: Sequence[str]) -> Tensor:
    """Sum over layers of the mean |φ(prediction) - φ(image)|, of pictures (B, 3, H, W) in [0, 1].

    φ is VGG19, or VGG16 where VGG19 is not at hand; `layers` are named as in feature_networks.Trunk.
    """
    trunk = _trunk(weights.FOLDER, prediction.device)
    with torch.no_grad():
        aims = trunk(image, layers)
    found = trunk(prediction, layers)
    return sum(l1_loss(found[name], aims[name]) for name in layers)


@cache
def _trunk(folder: Path, device: torch.device) -> Trunk:
    return perceptual(folder).to(device)
