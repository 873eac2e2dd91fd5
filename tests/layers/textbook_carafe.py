"""CARAFE as its paper spells it out: every neighbourhood unfolded, enlarged, weighed and summed.

Slow and large; it says what `palimpsest.layers.carafe` must compute, and is what the benchmark compares with. Written
from the paper's description, section 3.
"""

from torch import Tensor
from torch.nn.functional import interpolate, pixel_shuffle, unfold


def textbook_reassembly(features: Tensor, weights: Tensor) -> Tensor:
    """The arguments and the result of `reassemble`."""
    batch, channels, height, width = features.shape
    neighbours = unfold(features, 5, padding=2).view(batch, channels * 25, height, width)
    neighbours = interpolate(neighbours, scale_factor=2).view(batch, channels, 25, 2 * height, 2 * width)
    enlarged = pixel_shuffle(weights.flatten(1, 2), 2)
    return (neighbours * enlarged[:, None]).sum(2)
