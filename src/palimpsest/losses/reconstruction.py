"""Losses that compare a prediction with the picture, pixel by pixel, and total variation."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d


def weighted_l1(prediction: Tensor, image: Tensor, weight: Tensor) -> Tensor:
    """mean(|prediction - image| · weight), over all elements; `weight` broadcasts."""
    return ((prediction - image).abs() * weight).mean()


def known_l1(prediction: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """mean(|prediction - image| · known) / mean(known); 0 where nothing is known."""
    known = 1 - hole
    return ((prediction - image).abs() * known).mean() / known.mean().clamp_min(1 / known.numel())


def spatial_discount(side: int, gamma: float, device: torch.device | None = None) -> Tensor:
    """(1, 1, side, side): γ^(distance to the nearest edge), DeepFill v1 section 3.2.

    The distance is 0 at the first row and 1 at the last, as in the released code.
    """
    steps = torch.arange(side, device=device)
    decay = gamma ** torch.minimum(steps, side - steps).double()
    return torch.maximum(decay[:, None], decay[None, :]).float()[None, None]


def total_variation(result: Tensor) -> Tensor:
    """mean|∂x| + mean|∂y|."""
    return result.diff(dim=-1).abs().mean() + result.diff(dim=-2).abs().mean()


def hole_variation(result: Tensor, hole: Tensor) -> Tensor:
    """Total variation over neighbours that both lie within 1 px of the hole, divided by the number of all elements.

    G. Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018, equation 6.
    """
    region = max_pool2d(hole, 3, stride=1, padding=1)
    across = result.diff(dim=-1).abs() * region[..., 1:] * region[..., :-1]
    down = result.diff(dim=-2).abs() * region[..., 1:, :] * region[..., :-1, :]
    return (across.sum() + down.sum()) / result.numel()
