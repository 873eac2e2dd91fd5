"""Patches of 16 px at a stride of 8, the unit in which contextual attention copies, and pictures pieced from them."""

import torch
from torch import Tensor
from torch.nn.functional import fold, max_pool2d, pad, unfold

PATCH, STRIDE = 16, 8  # px
MARGIN = (PATCH - STRIDE) // 2  # px by which the outermost patches reach beyond the picture's edge


def known_patches(hole: Tensor) -> Tensor:
    """Which patches miss no pixel: (B, 1, H, W) → bool (B, 1, H / 8, W / 8)."""
    return max_pool2d(hole, PATCH, stride=STRIDE, padding=MARGIN) == 0


def quarter_patches(features: Tensor) -> Tensor:
    """A picture's patches on features of a quarter of its size, 4 x 4 at a stride of 2: (B, C, h, w) → (B, 16 C, N).

    Beyond the edge the features repeat their border.
    """
    return unfold(pad(features, [MARGIN // 4] * 4, mode="replicate"), PATCH // 4, stride=STRIDE // 4)


def relative_to_own(best: Tensor, h: int, w: int) -> Tensor:
    """Indices (B, N) of patches on a grid of h x w as (dy, dx) from each patch's own place, (B, 2, h, w)."""
    best = best.view(-1, h, w)
    own_y = torch.arange(h, device=best.device)[:, None]
    own_x = torch.arange(w, device=best.device)
    return torch.stack([best // w - own_y, best % w - own_x], 1)


def piece(image: Tensor, hole: Tensor, references: Tensor) -> Tensor:
    """The picture pieced from its own known patches, (B, 3, H, W): each patch is replaced by the one it refers to.

    `references`, int64 (B, 2, H / 8, W / 8), are offsets (dy, dx) in units of 8 px. Overlapping patches are averaged
    over their known pixels; a pixel that receives none is mid-grey. CRFill, section 5.3 and table 3.
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
