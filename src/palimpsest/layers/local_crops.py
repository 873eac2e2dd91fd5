"""What a local critic sees: the square around each sample's hole; GL and DeepFill v1 have such a critic."""

import torch
from torch import Tensor


def crop_about(hole: Tensor, side: int, *pictures: Tensor) -> list[Tensor]:
    """A square of `side` px from each picture, centred on each sample's hole but kept inside the picture."""
    starts = [_first(hole.amax(axis)[:, 0], side) for axis in (3, 2)]
    rows, columns = (start[:, None] + torch.arange(side, device=hole.device) for start in starts)
    sample = torch.arange(len(hole), device=hole.device)[:, None, None]
    return [p.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2) for p in pictures]


def _first(line: Tensor, side: int) -> Tensor:
    """The start of a window of `side` centred on the ones in each row of `line`, (B, L)."""
    length = line.shape[1]
    first, last = line.argmax(1), length - 1 - line.flip(1).argmax(1)
    return ((first + last + 1 - side) // 2).clamp(0, length - side)
