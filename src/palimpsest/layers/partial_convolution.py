"""Partial convolution: G. Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018.

Equations 1 and 2: a window counts only what is valid in it, and becomes valid once it holds anything valid.

    X, M          features and where they are valid
    W, b          weights and bias
    sum(1)        how many values a window has, over all channels
    sum(M)        how many of them are valid

All values of a window share one sum(M), so it needs no convolution of masks: it is the box sum of how many channels are
valid at each place, a map of one channel. Features that are concatenated, such as those of a skip connection, come as
streams with a mask each; where all channels of a stream agree, its mask has only one.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d

Normalisation = Literal["ratio", "sum", "kernel"]


class Stream(NamedTuple):
    """Features and their mask."""

    features: Tensor  # X, (B, C, H, W)
    valid: Tensor  # M, (B, 1, H, W) for all channels alike, or (B, C, H, W); 1 = valid

    @property
    def count(self) -> Tensor:
        """How many channels are valid at each place, (B, 1, H, W)."""
        alike = self.features.shape[1] // self.valid.shape[1]
        return alike * self.valid.sum(1, keepdim=True)


class PartialConv(nn.Conv2d):
    """W^T (X ⊙ M) · sum(1) / sum(M) + b where sum(M) > 0, else 0: streams of `inputs` channels → one of `outputs`.

    The size stays, or is divided by the stride; what lies beyond the border is not valid. "ratio" is equation 1; "sum"
    leaves sum(1) out, as some released networks do. "kernel" also weighs what sum(M) counts, by a kernel that is not
    learned, (outputs, inputs, k, k): MEDFE's released networks hold one of random numbers. It starts with ones.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        bias: bool = False,
        normalisation: Normalisation = "ratio",
    ):
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias)
        self.normalisation = normalisation
        if normalisation == "kernel":
            self.register_buffer("counting", torch.ones_like(self.weight))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, normalisation={self.normalisation}"

    def forward(self, *streams: Stream) -> Stream:
        masked = torch.cat([stream.features * stream.valid for stream in streams], 1)
        with torch.no_grad():
            held = self.window_sum(sum(stream.count for stream in streams))
            divisor = self.weighed(streams) if self.normalisation == "kernel" else held
            scale = torch.where(held > 0, self.numerator / divisor, 0)
            valid = (held > 0).to(held.dtype)
        features = conv2d(masked, self.weight, None, self.stride, self.padding) * scale
        if self.bias is not None:
            features = features + self.bias.view(1, -1, 1, 1) * valid
        return Stream(features, valid)

    @property
    def numerator(self) -> int:
        return self.weight[0].numel() if self.normalisation == "ratio" else 1

    def weighed(self, streams: tuple[Stream, ...]) -> Tensor:
        """sum(M) as the kernel counts, (B, outputs, H/s, W/s)."""
        valid = torch.cat([stream.valid.expand_as(stream.features) for stream in streams], 1)
        return conv2d(valid, self.counting, None, self.stride, self.padding)

    def window_sum(self, count: Tensor) -> Tensor:
        """sum(M): (B, 1, H, W) → (B, 1, H/s, W/s)."""
        return avg_pool2d(count, self.kernel_size, self.stride, self.padding, divisor_override=1)


class Block(nn.Module):
    """Partial convolution, normalisation, activation."""

    def __init__(self, conv: PartialConv, norm: nn.Module, activation: nn.Module):
        super().__init__()
        self.conv = conv
        self.norm = norm
        self.activation = activation

    def forward(self, *streams: Stream) -> Stream:
        features, valid = self.conv(*streams)
        return Stream(self.activation(self.norm(features)), valid)
