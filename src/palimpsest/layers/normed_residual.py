"""The dilated residual block of EdgeConnect, with instance normalisation.

K. Nazeri et al., "EdgeConnect", ICCV workshops 2019, after J. Johnson et al. 2016.
"""

from torch import Tensor, nn
from torch.nn.functional import instance_norm, relu
from torch.nn.utils.parametrizations import spectral_norm


class NormedResidualBlock(nn.Module):
    """x + IN(3 x 3(ReLU(IN(3 x 3(x))))) with mirrored borders; the first convolution is dilated. Same shape.

    With spectral normalisation the convolutions have no bias.
    """

    def __init__(self, channels: int, dilation: int, spectral: bool, bias: bool = True):
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(channels, channels, 3, padding=d, dilation=d, bias=bias and not spectral, padding_mode="reflect")
            for d in (dilation, 1)
        )
        if spectral:
            self.first, self.second = spectral_norm(self.first), spectral_norm(self.second)

    def forward(self, x: Tensor) -> Tensor:
        hidden = relu(instance_norm(self.first(x)), inplace=True)
        return x + instance_norm(self.second(hidden))
