"""Means over a map's places, weighed by how near these are and by how much they resemble each other.

H. Liu et al., "Rethinking Image Inpainting via a Mutual Encoder-Decoder with Feature Equalizations", ECCV 2020, as in
the released code. Maps are (B, C, h, w), and keep their shape.
"""

import torch
from torch import Tensor
from torch.nn.functional import unfold

BLUR = 1.5  # places, deviation of the weights by distance


def by_distance(x: Tensor) -> Tensor:
    """A Gaussian over the whole map, whose weights sum to 1 at its border too."""
    down, across = (gaussian(side, x) for side in x.shape[2:])
    return down @ x @ across.mT


def gaussian(side: int, like: Tensor) -> Tensor:
    """Weights of all places of a line (columns) in the mean at each (rows), (side, side)."""
    places = torch.arange(side, device=like.device)
    distance = (places[:, None] - places).float()
    return (-distance.square() / (2 * BLUR**2)).softmax(1).to(like.dtype)


def by_resemblance(x: Tensor) -> Tensor:
    """Means over 3 x 3 places by the softmax of their likeness to the one in the middle.

    Likeness is the mean over channels of products of sigmoids. Beyond the border both are 0.
    """
    around, own = unfold(x.sigmoid(), 3, padding=1).unflatten(1, (-1, 9)), x.sigmoid().flatten(2)[:, :, None]
    likeness = (around * own).mean(1, keepdim=True)
    values = unfold(x, 3, padding=1).unflatten(1, (-1, 9))
    return (values * likeness.softmax(2)).sum(2).view(x.shape)
