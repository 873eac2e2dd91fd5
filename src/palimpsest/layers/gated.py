"""Gated convolution: J. Yu et al., "Free-Form Image Inpainting with Gated Convolution", ICCV 2019, equation 3."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import elu

from palimpsest.layers.tensorflow_conventions import Padding, same_conv


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


def gated_up(inputs: int, outputs: int) -> nn.Sequential:
    """Nearest-neighbour upsampling to twice the size, then a gated convolution."""
    return nn.Sequential(nn.Upsample(scale_factor=2), GatedConv(inputs, outputs))
