"""Fast Fourier convolution: L. Chi et al., "Fast Fourier Convolution", NeurIPS 2020; as LaMa has it.

Features have two parts of the same size: local ones see their surroundings, global ones the whole map, through its
spectrum. Every layer joins both.

    X_l, X_g      local and global features, `near` and `far`
    f_l, f_g      their layers, `local_to_local` and `global_to_global`; f_l→g, f_g→l lie between

Departures from the paper, as in LaMa: there is no local Fourier unit; the real and the imaginary part of a channel are
next to each other, and the transform keeps the norm.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class FourierUnit(nn.Module):
    """1 x 1 convolution, batch normalisation and ReLU of a map's spectrum: (B, C, H, W), same shape."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(x, norm="ortho")
        parts = torch.stack([spectrum.real, spectrum.imag], 2).flatten(1, 2)  # (B, 2 C, H, W/2 + 1)
        parts = relu(self.norm(self.conv(parts)), inplace=True)
        spectrum = torch.complex(parts[:, ::2], parts[:, 1::2])
        return torch.fft.irfft2(spectrum, x.shape[-2:], norm="ortho")


class SpectralTransform(nn.Module):
    """f_g: a Fourier unit of half the channels, and a shortcut beside it: (B, C, H, W), same shape."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.first = nn.Sequential(
            nn.Conv2d(channels, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True)
        )
        self.unit = FourierUnit(half)
        self.last = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(x + self.unit(x))


class FourierConv(nn.Module):
    """f_l(X_l) + f_g→l(X_g) and f_g(X_g) + f_l→g(X_l), batch normalisation, ReLU: X_l, X_g → the same shapes.

    The convolutions mirror the border.
    """

    def __init__(self, near: int, far: int):
        super().__init__()
        self.local_to_local, self.global_to_local = mirrored_conv(near, near), mirrored_conv(far, near)
        self.local_to_global, self.global_to_global = mirrored_conv(near, far), SpectralTransform(far)
        self.local_norm, self.global_norm = nn.BatchNorm2d(near), nn.BatchNorm2d(far)

    def forward(self, near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
        local = self.local_to_local(near) + self.global_to_local(far)
        whole = self.global_to_global(far) + self.local_to_global(near)
        return relu(self.local_norm(local), inplace=True), relu(self.global_norm(whole), inplace=True)


class FourierResidualBlock(nn.Module):
    """x + two fast Fourier convolutions of x: X_l, X_g → the same shapes."""

    def __init__(self, near: int, far: int):
        super().__init__()
        self.convs = nn.ModuleList(FourierConv(near, far) for _ in range(2))

    def forward(self, near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
        local, whole = near, far
        for conv in self.convs:
            local, whole = conv(local, whole)
        return near + local, far + whole


def mirrored_conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """Without bias: batch normalisation follows."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, padding_mode="reflect", bias=False)
