"""The trunk of DeepFill v1's networks, appendix D, after GL's: two halvings, dilated convolutions, two doublings.

J. Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR 2018. E2I's three networks have it too.

A `unit` makes a layer that keeps the size (over its stride): unit(inputs, outputs, kernel=3, stride=1, dilation=1).
"""

from collections.abc import Callable

from torch import nn

from palimpsest.layers.tensorflow_conventions import Padding, same_conv

Unit = Callable[..., nn.Module]


def conv(
    inputs: int, outputs: int, kernel=3, stride=1, dilation=1, padding: Padding = "zeros", activation=nn.ELU
) -> nn.Sequential:
    """A convolution that keeps the size (over its stride), then its activation."""
    return nn.Sequential(same_conv(inputs, outputs, kernel, stride, dilation, padding), activation())


def up(inputs: int, outputs: int, unit: Unit) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2), unit(inputs, outputs))


def dilated(channels: int, unit: Unit) -> list[nn.Module]:
    return [unit(channels, channels, dilation=d) for d in (2, 4, 8, 16)]


def to_full_size(width: int, unit: Unit) -> list[nn.Module]:
    """4 · width channels at a quarter of the size → width / 2 at full size."""
    return [
        up(4 * width, 2 * width, unit),
        unit(2 * width, 2 * width),
        up(2 * width, width, unit),
        unit(width, width // 2),
    ]


def trunk(inputs: int, width: int, unit: Unit) -> list[nn.Module]:
    """(B, inputs, H, W) → (B, width / 2, H, W)."""
    w = width
    return [
        unit(inputs, w, kernel=5),
        unit(w, 2 * w, stride=2),
        unit(2 * w, 2 * w),
        unit(2 * w, 4 * w, stride=2),
        unit(4 * w, 4 * w),
        unit(4 * w, 4 * w),
        *dilated(4 * w, unit),
        unit(4 * w, 4 * w),
        unit(4 * w, 4 * w),
        *to_full_size(w, unit),
    ]
