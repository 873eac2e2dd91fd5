"""Twice and half the size with a low-pass filter: T. Karras et al., "Analyzing and Improving the Image Quality of
StyleGAN", CVPR 2020; the filter [1, 3, 3, 1] and its alignment as in NVIDIA's released code.

Written in plain torch operations, all of which have the second derivatives that R1 and path-length regularisation need.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, pad

FILTER = (1.0, 3.0, 3.0, 1.0)


def blur(x: Tensor, before: int, after: int, gain: float = 1.0) -> Tensor:
    """The filter, of sum `gain`, over a picture with zeros `before` at top and left, `after` at bottom and right.

    (B, C, H, W) → (B, C, H + n, W + n), n = before + after - 3.
    """
    channels = x.shape[1]
    line = torch.tensor(FILTER, dtype=x.dtype, device=x.device)
    kernel = torch.outer(line, line) * (gain / line.sum() ** 2)
    x = pad(x, (before, after, before, after))
    return conv2d(x, kernel.expand(channels, 1, -1, -1), groups=channels)


def double(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, C, 2 H, 2 W)."""
    channels = x.shape[1]
    spread = conv_transpose2d(x, x.new_ones(channels, 1, 1, 1), stride=2, groups=channels)
    return blur(spread, 2, 2, gain=4.0)


def halve(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, C, H / 2, W / 2)."""
    return blur(x, 1, 1)[:, :, ::2, ::2]


def double_conv(x: Tensor, weight: Tensor) -> Tensor:
    """A transposed 3 x 3 convolution of stride 2, then the filter: (B, I, H, W), (O, I, 3, 3) → (B, O, 2 H, 2 W)."""
    return blur(conv_transpose2d(x, weight.transpose(0, 1), stride=2), 1, 1, gain=4.0)


def halve_conv(x: Tensor, weight: Tensor) -> Tensor:
    """The filter, then every second place of a 3 x 3 convolution: (B, I, H, W), (O, I, 3, 3) → (B, O, H / 2, W / 2)."""
    return conv2d(blur(x, 2, 2), weight, stride=2)
