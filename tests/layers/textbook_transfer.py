"""PEN-Net's attention transfer as released code spells it out: patches as convolution kernels, one sample at a time.

It says what `palimpsest.models.pen_net.AttentionTransfer` must compute before its convolutions, and is what the
benchmark compares with.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, interpolate, unfold


def textbook_transfer(shallow: Tensor, deep: Tensor, hole: Tensor, kernel: int) -> Tensor:
    """shallow (B, C, 2 h, 2 w), deep (B, D, h, w), hole (B, 1, H, W), patches to compare of `kernel` x `kernel`."""
    outputs, padding = [], kernel // 2
    for f, b, missing in zip(shallow.split(1), deep.split(1), hole.split(1), strict=True):
        _, channels, h, w = b.shape
        kernels = unfold(b, kernel, padding=padding)[0].T.reshape(h * w, channels, kernel, kernel)
        kernels = kernels / kernels.flatten(1).norm(dim=1).clamp_min(1e-4).view(-1, 1, 1, 1)
        reduced = interpolate(missing, (h, w), mode="bilinear", align_corners=True)
        valid = (unfold(reduced, kernel, padding=padding)[0].mean(0) == 0).view(1, -1, 1, 1)
        weights = (conv2d(b, kernels, padding=padding) * valid * 10).softmax(1) * valid
        patches = unfold(f, 4, stride=2, padding=1)[0].T.reshape(h * w, f.shape[1], 4, 4)
        outputs.append(conv_transpose2d(weights.clamp(min=1e-8), patches, stride=2, padding=1) / 4)
    return torch.cat(outputs)
