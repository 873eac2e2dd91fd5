"""Gated convolution: J. Yu et al., "Free-Form Image Inpainting with Gated Convolution", ICCV 2019, equation 3.

With light gates: Z. Yi et al., "Contextual Residual Aggregation for Ultra High-Resolution Image Inpainting", CVPR 2020,
section 3.3.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import elu

from palimpsest.layers.tensorflow_conventions import Padding, same_conv

Gate = Literal["single-channel", "pixelwise", "depth-separable"]


class GatedConv(nn.Module):
    """activation(a) · sigmoid(b), a and b the halves of one convolution: (B, inputs, H, W) → (B, outputs, H/s, W/s)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        padding: Padding = "zeros",
        activation: Callable[[Tensor], Tensor] = elu,
    ):
        super().__init__()
        self.conv = same_conv(inputs, 2 * outputs, kernel, stride, dilation, padding)
        self.activation = activation

    def forward(self, inputs: Tensor) -> Tensor:
        features, gate = self.conv(inputs).chunk(2, 1)
        return self.activation(features) * gate.sigmoid()


class LightGatedConv(nn.Module):
    """elu(a) · sigmoid(b), b from a cheaper convolution than a: (B, inputs, H, W) → (B, outputs, H/s, W/s)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        gate: Gate,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        padding: Padding = "zeros",
    ):
        super().__init__()
        self.features = same_conv(inputs, outputs, kernel, stride, dilation, padding)
        self.step = stride if gate == "pixelwise" else 1
        match gate:
            case "single-channel":
                self.gate = same_conv(inputs, 1, kernel, stride, dilation, padding)
            case "pixelwise":
                self.gate = nn.Conv2d(inputs, outputs, 1)  # at stride 2 its backward pass crashes in PyTorch 2.13
            case "depth-separable":
                depthwise = same_conv(inputs, inputs, kernel, stride, dilation, padding, groups=inputs)
                self.gate = nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        gate = self.gate(inputs[..., :: self.step, :: self.step])
        return elu(self.features(inputs)) * gate.sigmoid()


def gated_up(inputs: int, outputs: int) -> nn.Sequential:
    """Nearest-neighbour upsampling to twice the size, then a gated convolution."""
    return nn.Sequential(nn.Upsample(scale_factor=2), GatedConv(inputs, outputs))
