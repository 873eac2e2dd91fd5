"""Known pixels put back into an output, and what colour they have."""

from torch import Tensor


def paste(output: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """The result: the output in the hole, the image elsewhere."""
    return output * hole + image * (1 - hole)


def mean_colour(image: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of each picture's pixels, (B, 3, 1, 1), weight (B, 1, H, W); 0 where all weights are 0."""
    return (image * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(1e-6)
