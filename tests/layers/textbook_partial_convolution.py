"""Partial convolution as released code spells it out: masks of all channels, convolved with a kernel of ones.

Written from equations 1 and 2 of Liu et al. 2018; it says what `palimpsest.layers.partial_convolution` must compute,
and is what the benchmark compares with.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d


def textbook_partial_conv(
    x: Tensor,
    valid: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    normalisation: str,
    counting: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """x and valid (B, C, H, W) → features and new mask, (B, O, H / stride, W / stride); `counting` is that kernel."""
    padding = weight.shape[2] // 2
    convolved = conv2d(x * valid, weight, None, stride, padding)
    held = conv2d(valid, torch.ones_like(weight), None, stride, padding)
    empty = held == 0
    factor = weight[0].numel() if normalisation == "ratio" else 1
    divisor = held if counting is None else conv2d(valid, counting, None, stride, padding)
    features = convolved * factor / divisor.masked_fill(empty, 1)
    if bias is not None:
        features = features + bias.view(1, -1, 1, 1)
    return features.masked_fill(empty, 0), (~empty).to(x.dtype)
