"""How the weights of convolutions start, for `nn.Module.apply`; biases start at 0.

Convolutions under spectral normalisation start as PyTorch's do: only the direction of their weights matters.
"""

from collections.abc import Callable

from torch import nn
from torch.nn.utils.parametrize import is_parametrized


def normal(deviation: float) -> Callable[[nn.Module], None]:
    """Normally distributed about 0."""
    return lambda module: _start(module, lambda weight: nn.init.normal_(weight, std=deviation))


def he(module: nn.Module) -> None:
    """For ReLU and its like: K. He et al., "Delving Deep into Rectifiers", ICCV 2015, equation 10."""
    _start(module, nn.init.kaiming_normal_)


def _start(module: nn.Module, draw: Callable) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and not is_parametrized(module):
        draw(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
