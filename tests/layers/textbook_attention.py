"""Contextual attention as the released code of DeepFill v1 spells it out: patches as convolution kernels.

Slow, and its memory grows with the square of the positions; it says what `palimpsest.layers.contextual_attention` must
compute, and is what the benchmark compares with. Written from the paper's description, arXiv:1801.07892, section 3.1.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_NORM = 1e-4


def textbook_attention(
    foreground: Tensor,
    background: Tensor,
    hole: Tensor,
    *,
    rate: int = 2,
    softmax_scale: float = 10.0,
    fuse: bool = True,
    masking: str = "exclude",
    overlap: str = "counted",
    sampling: str = "strided",
    normalise_foreground: bool = False,
) -> tuple[Tensor, Tensor]:
    """The arguments and results of `contextual_attention`, one sample at a time."""
    outputs, offsets = [], []
    for f, b, missing in zip(foreground.split(1), background.split(1), hole.split(1), strict=True):
        small_f, small_b, small_missing = (
            sampled(tensor, rate * tensor.shape[2] // f.shape[2], sampling) for tensor in (f, b, missing)
        )
        scores = score_map(small_f, small_b, normalise_foreground)
        if fuse:
            scores = fused(scores)
        valid = F.conv2d(small_missing, missing.new_ones(1, 1, 3, 3), padding=1).view(1, -1, 1, 1) == 0
        attention = attention_map(scores, valid, softmax_scale, masking)
        outputs.append(pasted(attention, b, rate, overlap))
        offsets.append(offset_map(attention))
    return torch.cat(outputs), torch.cat(offsets)


def sampled(tensor: Tensor, rate: int, sampling: str) -> Tensor:
    """The nearest neighbour at 1 / rate of the size, row by row and column by column."""
    for axis in (2, 3):
        size, count = tensor.shape[axis], tensor.shape[axis] // rate
        step = (size - 1) / max(count - 1, 1) if sampling != "strided" else rate
        tensor = torch.stack([tensor.select(axis, math.floor(i * step + 0.5)) for i in range(count)], axis)
    return tensor


def score_map(f: Tensor, b: Tensor, normalise_foreground: bool) -> Tensor:
    """(1, h * w, h, w): every background patch against every foreground patch."""
    channels = b.shape[1]
    kernels = F.unfold(b, 3, padding=1)[0].T.reshape(-1, channels, 3, 3)
    norms = kernels.square().sum((1, 2, 3), keepdim=True).clamp_min(SMALLEST_NORM**2).sqrt()
    scores = F.conv2d(f, kernels / norms, padding=1)
    if normalise_foreground:
        energy = F.conv2d(f.square(), f.new_ones(1, channels, 3, 3), padding=1)
        scores = scores / energy.clamp_min(SMALLEST_NORM**2).sqrt()
    return scores


def fused(scores: Tensor) -> Tensor:
    """Two convolutions with a 3x3 identity over the (foreground, background) matrix, row-major then column-major."""
    height, width = scores.shape[2:]
    identity = torch.eye(3, dtype=scores.dtype, device=scores.device).view(1, 1, 3, 3)
    matrix = scores.permute(0, 2, 3, 1).reshape(1, 1, height * width, height * width)
    matrix = F.conv2d(matrix, identity, padding=1)
    matrix = matrix.view(height, width, height, width).permute(1, 0, 3, 2).reshape(matrix.shape)
    matrix = F.conv2d(matrix, identity, padding=1)
    return matrix.view(width, height, width, height).permute(3, 2, 1, 0).reshape(scores.shape)


def attention_map(scores: Tensor, valid: Tensor, softmax_scale: float, masking: str) -> Tensor:
    if masking == "multiply":
        return (softmax_scale * scores * valid).softmax(1) * valid
    if not valid.any():
        return scores * 0
    return (softmax_scale * scores).masked_fill(~valid, -torch.inf).softmax(1)


def pasted(attention: Tensor, b: Tensor, rate: int, overlap: str) -> Tensor:
    kernels = F.unfold(b, 2 * rate, stride=rate, padding=rate // 2)[0].T.reshape(-1, b.shape[1], 2 * rate, 2 * rate)
    total = F.conv_transpose2d(attention, kernels, stride=rate, padding=rate // 2)
    if overlap == "constant":
        return total / 4
    ones = torch.ones_like(attention[:, :1])
    return total / F.conv_transpose2d(ones, torch.ones_like(kernels[:1, :1]), stride=rate, padding=rate // 2)


def offset_map(attention: Tensor) -> Tensor:
    height, width = attention.shape[2:]
    best = attention.argmax(1)
    own_y = torch.arange(height, device=best.device)[:, None]
    own_x = torch.arange(width, device=best.device)
    return torch.stack([best // width - own_y, best % width - own_x], 1)
