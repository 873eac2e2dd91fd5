"""A Fourier unit without a fast Fourier transform: sums of waves."""

import math

import torch


def textbook_unit(x, between):
    """X(u, k) = sum of x exp(-2πi (uh / H + kw / W)) / √(HW) for k ≤ W/2; then `between` and ReLU on its parts, two
    channels for each; then back: a wave of each k, once for itself and once for W - k where the two differ."""
    height, width = x.shape[-2:]
    wave_h = phases(height, height, x.dtype)
    wave_w = phases(width, width // 2 + 1, x.dtype)
    spectrum = torch.einsum("bchw,uh,kw->bcuk", x + 0j, wave_h.conj(), wave_w.conj()) / math.sqrt(height * width)
    parts = torch.zeros(len(x), 2 * x.shape[1], *spectrum.shape[2:], dtype=x.dtype)
    parts[:, 0::2], parts[:, 1::2] = spectrum.real, spectrum.imag
    parts = between(parts).relu()
    times = torch.tensor([1.0 if k in (0, width / 2) else 2.0 for k in range(width // 2 + 1)], dtype=x.dtype)
    spectrum = torch.complex(parts[:, 0::2].contiguous(), parts[:, 1::2].contiguous()) * times
    return torch.einsum("bcuk,uh,kw->bchw", spectrum, wave_h, wave_w).real / math.sqrt(height * width)


def phases(side, count, dtype):
    """exp(2πi kx / side) for k below `count`: (count, side)."""
    turns = torch.outer(torch.arange(count), torch.arange(side)).to(dtype) / side
    return torch.polar(torch.ones_like(turns), 2 * math.pi * turns)
