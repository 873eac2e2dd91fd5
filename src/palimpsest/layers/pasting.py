"""Overlapping patches pasted with weights: how attention rebuilds a map from its own patches.

A weight matrix holds one row for each patch to be rebuilt and one column for each patch of the source. Pasting
overlapping patches equals pasting disjoint blocks with weights summed along the matrix's diagonals.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Overlap = Literal["counted", "constant", "summed"]


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
        """(B, C, H, W): the sum divided by the number of patches at each pixel, by the constant 4, or not at all."""
        total = self.total.unflatten(2, self.grid)
        margin = self.rate // 2
        picture = F.pixel_shuffle(total / patches_met(total, overlap), self.rate)
        return picture[..., margin:-margin, margin:-margin]


def patches_met(total: Tensor, overlap: Overlap) -> Tensor | float:
    """How many patches meet at each place of the grid: 4 inside, 2 along the sides, 1 in the corners."""
    if overlap != "counted":
        return 4.0 if overlap == "constant" else 1.0
    down, across = (torch.full((size,), 2.0, dtype=total.dtype, device=total.device) for size in total.shape[2:])
    down[[0, -1]] = across[[0, -1]] = 1.0
    return down[:, None] * across


def paste_three(source: Tensor, weights: Tensor) -> Tensor:
    """Sums of weighted patches of 3 x 3 pixels at a stride of 2: (B, C, H, W), weights (B, N, N) → (B, C, H, W).

    The first patch starts at the first pixel; beyond the last one there are zeros. Of the first 2 x 2 pixels of a patch
    the first row belongs to the patch above too, and the first column to the patch before.
    """
    h, w = (size // 2 for size in source.shape[2:])
    own = weights.view(-1, h, w, h, w)
    above = own + F.pad(own[:, :-1, :, :-1], (0, 0, 1, 0, 0, 0, 1, 0))
    of_pixels = torch.stack([_and_before(above), above, _and_before(own), own], 1).flatten(4).flatten(2, 3)
    pixels = F.pixel_unshuffle(source, 2).unflatten(1, (-1, 4)).flatten(3).transpose(1, 2)
    pasted = (pixels @ of_pixels.mT).transpose(1, 2).flatten(1, 2)
    return F.pixel_shuffle(pasted.unflatten(2, (h, w)), 2)


def _and_before(weights: Tensor) -> Tensor:
    """Each weight (B, h, w, h, w) and that of the places one column before."""
    return weights + F.pad(weights[:, :, :-1, :, :-1], (1, 0, 0, 0, 1, 0))


def paste_blocks(source: Tensor, weights: Tensor, side: int) -> Tensor:
    """Weighted blocks of `side` px, which do not overlap: (B, C, H, W), weights (B, N, N) → (B, C, H, W)."""
    blocks = F.pixel_unshuffle(source, side)
    pasted = blocks.flatten(2) @ weights.mT
    return F.pixel_shuffle(pasted.unflatten(2, blocks.shape[2:]), side)
