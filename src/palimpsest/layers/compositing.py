"""Known pixels put back into an output, and holes covered with a colour."""

from typing import Literal

import torch
from torch import Tensor

HoleColour = Literal["black", "white", "grey", "mean"]  # mean: that of the picture's known pixels
LEVELS = {"black": 0.0, "white": 1.0, "grey": 0.5}


def paste(output: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """The result: the output in the hole, the image elsewhere."""
    return output * hole + image * (1 - hole)


def mean_colour(image: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of each picture's pixels, (B, 3, 1, 1), weight (B, 1, H, W); 0 where all weights are 0."""
    return (image * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(1e-6)


def cover(image: Tensor, hole: Tensor, colour: HoleColour) -> Tensor:
    """Pictures (B, 3, H, W) in [0, 1] with their holes in one colour."""
    filling = mean_colour(image, 1 - hole) if colour == "mean" else torch.full_like(hole, LEVELS[colour])
    return paste(filling, image, hole)
