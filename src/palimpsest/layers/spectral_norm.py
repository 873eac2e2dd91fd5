"""Spectral normalisation along the first axis, of transposed convolutions too, as PICNet's released weights have it.

T. Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018.

    W, σ          weights as a matrix, and their largest singular value
    u, v          left and right singular vector, by the power method
"""

from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrize import register_parametrization


class SpectralNorm(_SpectralNorm):
    """W / σ, σ = u W v; each pass of training takes a step of the power method and keeps it.

    If `refreshed`, other passes take the step of PICNet's released code, from the kept vectors, and do not keep it.
    """

    refreshed = False

    def extra_repr(self) -> str:
        return f"refreshed={self.refreshed}"

    def forward(self, weight: Tensor) -> Tensor:
        if self.training or not self.refreshed:
            return super().forward(weight)
        matrix = weight.flatten(1)
        v = normalize(matrix.mT @ self._u, dim=0)
        u = normalize(matrix @ v, dim=0)
        return weight / (u @ matrix @ v)


def spectral_norm(conv: nn.Module) -> nn.Module:
    return register_parametrization(conv, "weight", SpectralNorm(conv.weight))
