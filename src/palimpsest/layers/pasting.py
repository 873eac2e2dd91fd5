"""Overlapping patches pasted with weights: how attention rebuilds a map from its own patches.

A weight matrix holds one row for each patch to be rebuilt and one column for each patch of the source. Pasting
overlapping patches equals pasting disjoint blocks with weights summed along the matrix's diagonals.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Overlap = Literal["counted", "constant"]


def diagonal_sum(matrix: Tensor, step: int, terms: int) -> Tensor:
    """[i, j] -> the sum over k < terms of matrix[i + k * step, j + k * step], where all of these are inside."""
    rows, columns = (size - (terms - 1) * step for size in matrix.shape[-2:])
    first, second, *others = (
        matrix[..., start : start + rows, start : start + columns] for start in range(0, terms * step, step)
    )
    total = first + second
    for other in others:
        total += other
    return total


class Canvas:
    """Sums of weighted patches, 2 rate x 2 rate pixels at a stride of rate.

    The source (B, C, H, W) is padded by rate / 2 px, with zeros ("constant") or by repeating its border ("replicate").
    A patch is then 2x2 blocks of rate x rate pixels, whose grid has (h + 1) x (w + 1) places: the weight of source
    block (v, u) at place (y, x) is the sum of the weights [y - i, x - j, v - i, u - j] over i, j in {0, 1}.
    """

    def __init__(self, source: Tensor, rate: int, border: Literal["constant", "replicate"] = "constant"):
        blocks = F.pixel_unshuffle(F.pad(source, [rate // 2] * 4, mode=border), rate)
        self.rate = rate
        self.grid = blocks.shape[2:]
        self.blocks = blocks.flatten(2)  # (B, C * rate * rate, places)
        self.total = torch.zeros_like(self.blocks)

    def paste(self, weights: Tensor, top: int, bottom: int) -> None:
        """Adds the patches of rows top ... bottom, bottom excluded; weights (B, rows * w, N)."""
        down, across = self.grid
        rows = weights.view(-1, bottom - top, across - 1, down - 1, across - 1)
        table = F.pad(rows, (1, 0, 1, 2, 1, 0, 1, 2)).flatten(3).flatten(1, 2)
        table = table[:, : (bottom - top + 2) * across + 1, : (down + 1) * across + 1]
        table = diagonal_sum(diagonal_sum(table, 1, terms=2), across, terms=2)
        self.total[..., top * across : (bottom + 1) * across] += self.blocks @ table.mT

    def picture(self, overlap: Overlap) -> Tensor:
        """(B, C, H, W): the sum divided by the number of patches at each pixel, or by the constant 4."""
        total = self.total.unflatten(2, self.grid)
        margin = self.rate // 2
        picture = F.pixel_shuffle(total / patches_met(total, overlap), self.rate)
        return picture[..., margin:-margin, margin:-margin]


def patches_met(total: Tensor, overlap: Overlap) -> Tensor | float:
    """How many patches meet at each place of the grid: 4 inside, 2 along the sides, 1 in the corners."""
    if overlap == "constant":
        return 4.0
    down, across = (torch.full((size,), 2.0, dtype=total.dtype, device=total.device) for size in total.shape[2:])
    down[[0, -1]] = across[[0, -1]] = 1.0
    return down[:, None] * across
