"""Attention between positions of maps: H. Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019."""

import torch
from torch import Tensor

CHUNK = 1024  # queries whose weights exist at once


def attend(query: Tensor, key: Tensor, values: Tensor) -> Tensor:
    """Values weighted by the softmax of unscaled products: (B, d, N), (B, d, M), (B, C, M) → (B, C, N).

    Queries are taken some at a time, so that without gradients the N x M weights never exist as a whole.
    """
    return torch.cat([values @ (some.mT @ key).softmax(2).mT for some in query.split(CHUNK, 2)], 2)
