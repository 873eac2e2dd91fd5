"""The dilated residual block of EdgeConnect and the unit beside it, each with a normalisation of the method's choice.

K. Nazeri et al., "EdgeConnect", ICCV workshops 2019, after J. Johnson et al. 2016.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

Norm = Callable[[int], nn.Module]  # channels → their normalisation; nn.Identity for none


def normed_unit(conv: nn.Module, norm: Norm, leak: float) -> list[nn.Module]:
    """A convolution, normalisation, ReLU with that slope below 0."""
    return [conv, norm(conv.out_channels), nn.LeakyReLU(leak, inplace=True)]


class NormedResidualBlock(nn.Module):
    """x + norm(3 x 3(ReLU(norm(3 x 3(x))))) with mirrored borders; the first convolution is dilated. Same shape."""

    def __init__(self, channels: int, dilation: int, spectral: bool, bias: bool, norm: Norm, leak: float):
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(channels, channels, 3, padding=d, dilation=d, bias=bias, padding_mode="reflect")
            for d in (dilation, 1)
        )
        if spectral:
            self.first, self.second = spectral_norm(self.first), spectral_norm(self.second)
        self.leak = leak
        self.first_norm, self.second_norm = norm(channels), norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = leaky_relu(self.first_norm(self.first(x)), self.leak, inplace=True)
        return x + self.second_norm(self.second(hidden))
