"""Means over neighbours, with every weight written out."""

import torch
from torch.nn.functional import pad


def textbook_distance(x):
    """Every place weighs every other by a normal density, and the weights of each sum to 1."""
    places = torch.cartesian_prod(torch.arange(x.shape[2]), torch.arange(x.shape[3])).to(x)
    weight = torch.exp(-(places[:, None] - places).square().sum(2) / (2 * 1.5**2))
    return (x.flatten(2) @ (weight / weight.sum(1, keepdim=True)).mT).view(x.shape)


def textbook_resemblance(x):
    """The nine neighbours one by one, of maps in a frame of zeros."""
    height, width = x.shape[2:]
    likeness, values = [], []
    for dy in range(3):
        for dx in range(3):
            there = (..., slice(dy, dy + height), slice(dx, dx + width))
            likeness.append((pad(x.sigmoid(), [1] * 4)[there] * x.sigmoid()).mean(1, keepdim=True))
            values.append(pad(x, [1] * 4)[there])
    weight = torch.stack(likeness).softmax(0)
    return (weight * torch.stack(values)).sum(0)
