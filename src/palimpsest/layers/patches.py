"""Patches of 16 px at a stride of 8, as contextual attention moves them, and pictures pieced from them."""

import torch
from torch import Tensor
from torch.nn.functional import fold, max_pool2d, unfold

PATCH, STRIDE = 16, 8  # px
MARGIN = (PATCH - STRIDE) // 2  # px, by which the outermost patches reach over the picture's edge


def known_patches(hole: Tensor) -> Tensor:
    """Where no pixel of a patch is missing: (B, 1, H, W) → bool (B, 1, H / 8, W / 8)."""
    return max_pool2d(hole, PATCH, stride=STRIDE, padding=MARGIN) == 0


def piece(image: Tensor, hole: Tensor, references: Tensor) -> Tensor:
    """The picture pieced from its own known patches, (B, 3, H, W): each patch gives way to the one it refers to.

    `references`, int64 (B, 2, H / 8, W / 8), are offsets (dy, dx) in patches of 16 px at a stride of 8. Overlaps are
    averaged over their known pixels; where none arrives, the pixel is mid-grey. CRFill, section 5.3 and table 3.
    """
    size = image.shape[-2:]
    height, width = references.shape[-2:]
    known = 1 - hole
    patches = unfold(torch.cat([image * known, known], 1), PATCH, stride=STRIDE, padding=MARGIN)
    down = torch.arange(height, device=image.device)[:, None] + references[:, 0]
    across = torch.arange(width, device=image.device) + references[:, 1]
    chosen = (down * width + across).flatten(1)[:, None].expand_as(patches)
    sums = fold(patches.gather(2, chosen), size, PATCH, stride=STRIDE, padding=MARGIN)
    colours, count = sums[:, :3], sums[:, 3:]
    return torch.where(count > 0, colours / count.clamp_min(1), 0.5)
