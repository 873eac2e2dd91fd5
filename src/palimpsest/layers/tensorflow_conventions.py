"""What TensorFlow does differently from PyTorch: padding, resizing, initial weights.

The released weights of DeepFill v1, DeepFill v2 and HiFill need it; they were trained with TensorFlow 1.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

Padding = Literal["zeros", "reflect", "tensorflow"]
Sampling = Literal["strided", "aligned", "aligned-at-once"]


def same_conv(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    padding: Padding = "zeros",
    groups: int = 1,
) -> nn.Conv2d:
    """A convolution that keeps the size, or divides it by its stride: (B, inputs, H, W) → (B, outputs, H/s, W/s).

    "zeros" and "reflect" pad both sides alike. "tensorflow" is its padding SAME: zeros, which at stride 2 and an even
    size are one fewer before than after.
    """
    if padding == "tensorflow" and stride > 1:
        return SameConv2d(inputs, outputs, kernel, stride, dilation=dilation, groups=groups)
    mode, margin = "zeros" if padding == "tensorflow" else padding, dilation * (kernel - 1) // 2
    return nn.Conv2d(inputs, outputs, kernel, stride, margin, dilation, groups, padding_mode=mode)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's padding SAME; its own `padding` is 0."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        (top, bottom), (left, right) = self._margins(height, 0), self._margins(width, 1)
        return super().forward(pad(x, (left, right, top, bottom)))

    def _margins(self, size: int, axis: int) -> tuple[int, int]:
        """px before and after, along one axis."""
        stride, reach = self.stride[axis], self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        return total // 2, total - total // 2


def subsample(x: Tensor, rate: int, sampling: Sampling) -> Tensor:
    """The nearest neighbour at 1 / rate of the size: (B, C, H, W) → (B, C, H / rate, W / rate).

    "strided" takes pixels 0, rate, 2 rate, …; the others the first, the last, and those evenly between them.
    """
    if sampling == "strided":
        return x[..., ::rate, ::rate]
    rows, columns = (aligned_indices(size, size // rate).to(x.device) for size in x.shape[-2:])
    return x[..., rows[:, None], columns]


def aligned_indices(size: int, count: int) -> Tensor:
    """floor(i (size - 1) / (count - 1) + 1 / 2) for i = 0 … count - 1: TensorFlow's `align_corners=True`."""
    steps = max(count - 1, 1)
    return (2 * torch.arange(count) * (size - 1) + steps) // (2 * steps)


def enlarge(x: Tensor, rate: int) -> Tensor:
    """Bilinear interpolation that puts pixel i on pixel rate · i: (B, C, H, W) → (B, C, rate · H, rate · W).

    TensorFlow 1 resizes so, from i · n / m; the last pixel is repeated.
    """
    height, width = (rate * size + 1 for size in x.shape[-2:])
    beyond = pad(x, (0, 1, 0, 1), mode="replicate")
    return interpolate(beyond, (height, width), mode="bilinear", align_corners=True)[..., :-1, :-1]


def truncated_normal(deviation: float) -> Callable[[nn.Module], None]:
    """Convolutions start normally distributed, without values beyond two deviations, and with biases of 0."""

    def initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
            nn.init.zeros_(module.bias)

    return initialise


def glorot(module: nn.Module, gain: float = 1.0) -> None:
    """TensorFlow's default weights: uniform (Glorot and Bengio 2010), times `gain`; biases of 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight, gain)
        nn.init.zeros_(module.bias)
