"""Losses that compare features of a fixed network."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from palimpsest.layers.feature_networks import Trunk


def perceptual_l1(trunk: Trunk, prediction: Tensor, image: Tensor, layers: Sequence[str]) -> Tensor:
    """Sum over layers of the mean |φ(prediction) - φ(image)|, of pictures (B, 3, H, W) in [0, 1]."""
    with torch.no_grad():
        aims = trunk(image, layers)
    found = trunk(prediction, layers)
    return sum(l1_loss(found[name], aims[name]) for name in layers)
