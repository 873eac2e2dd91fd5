"""MAT's body: W. Li et al., "MAT: Mask-Aware Transformer for Large Hole Image Inpainting", CVPR 2022, section 3.3.

Windows of a map attend to what is valid in them, and a window becomes valid once it holds anything valid. A mask is
(B, 1, H, W), 1 = valid, or None where everything is.

Weights are scaled at run time as in `layers/style_synthesis.py`. Windows are shifted as in Z. Liu et al., "Swin
Transformer", ICCV 2021.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, normalize, scaled_dot_product_attention

from palimpsest.layers.resampling import double_conv, halve_conv
from palimpsest.layers.style_synthesis import Dense, ScaledConv, activate, conv

UNSEEN = -100.0  # added to the scores of what a place should not attend to

Convolve = Callable[[Tensor, Tensor], Tensor]


def enlarge_conv(x: Tensor, weight: Tensor) -> Tensor:
    """As `double_conv`, with weights turned by 180 degrees: MAT's code leaves out the turn that StyleGAN2's has."""
    return double_conv(x, weight.flip(2, 3))


class MaskedConv(ScaledConv):
    """3 x 3, activated, times 9 / the valid places of its window, or 0 if there are none; it also reads missing ones.

    (B, inputs, H, W) and its mask → (B, outputs, H', W') and its mask.
    """

    def __init__(self, inputs: int, outputs: int, convolve: Convolve = conv):
        super().__init__(inputs, outputs, 3, convolve)
        self.stride = 2 if convolve is halve_conv else 1

    def forward(self, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = super().forward(x)
        if valid is None:
            return x, None
        held = avg_pool2d(valid, 3, self.stride, 1, divisor_override=1)
        return x * torch.where(held > 0, 9 / held, 0), (held > 0).to(valid.dtype)


def cut(x: Tensor, window: int, shift: int) -> Tensor:
    """(B, H, W, C), moved up and left by `shift` in a circle → windows in rows, (B, N, window², C)."""
    x = x.roll((-shift, -shift), (1, 2)).unflatten(2, (-1, window)).unflatten(1, (-1, window))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def join(windows: Tensor, height: int, width: int, shift: int) -> Tensor:
    """The windows of `cut` → (B, H, W, C)."""
    side = int(windows.shape[2] ** 0.5)
    x = windows.unflatten(2, (side, side)).unflatten(1, (height // side, width // side))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2).roll((shift, shift), (1, 2))


def separation(height: int, width: int, window: int, shift: int) -> Tensor:
    """What keeps apart, in windows of a shifted map, places that come from opposite borders: (N, window², window²)."""
    rows, columns = (
        (places >= side - window).int() + (places >= side - shift).int()
        for side in (height, width)
        for places in [torch.arange(side)]
    )
    regions = cut((3 * rows[:, None] + columns)[None, :, :, None], window, 0)[0, :, :, 0]
    return UNSEEN * (regions[:, None, :] != regions[:, :, None]).float()


class WindowAttention(nn.Module):
    """Scores of normalised features, for each head: windows (B, N, places, C) → the same shape.

    `bias` is added to the scores, (B or 1, N or 1, 1, places or 1, places).
    """

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.query, self.key, self.value, self.out = (Dense(channels, channels) for _ in range(4))
        self.heads = heads

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        directions = normalize(x, dim=-1)
        mapped = self.query(directions), self.key(directions), self.value(x)
        query, key, value = (each.unflatten(-1, (self.heads, -1)).transpose(2, 3) for each in mapped)
        found = scaled_dot_product_attention(query, key, value, bias)
        return self.out(found.transpose(2, 3).flatten(3))


class TransformerBlock(nn.Module):
    """Attention, fused with what was there before it, and two layers on each place; there is no normalisation.

    (B, H, W, C) and its mask (B, H, W, 1) → the same shapes.
    """

    def __init__(self, channels: int, heads: int, window: int, shift: int):
        super().__init__()
        self.attention = WindowAttention(channels, heads)
        self.fuse = Dense(2 * channels, channels)
        self.widen, self.narrow = Dense(channels, 2 * channels), Dense(2 * channels, channels)
        self.window, self.shift = window, shift

    def forward(self, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor | None]:
        height, width = x.shape[1:3]
        bias = x.new_zeros(1, 1, 1, 1, 1)
        if self.shift:
            bias = separation(height, width, self.window, self.shift).to(x)[:, None]
        if valid is not None:
            held = cut(valid, self.window, self.shift)
            bias = bias + UNSEEN * (1 - held.transpose(2, 3)[:, :, None])
            valid = join(held.amax(2, keepdim=True).expand_as(held), height, width, self.shift)
        seen = self.attention(cut(x, self.window, self.shift), bias)
        x = activate(self.fuse(torch.cat([x, join(seen, height, width, self.shift)], -1)))
        return self.narrow(activate(self.widen(x))), valid


class TransformerGroup(nn.Module):
    """A convolution that may change the size, then x + blocks and a convolution of x.

    (B, C, H, W) and its mask → (B, C, H', W') and its mask. Every second block shifts its windows by half, unless one
    window covers a map of the training pictures, `side` px wide.
    """

    def __init__(self, channels: int, heads: int, blocks: int, window: int, side: int, resize: Convolve | None):
        super().__init__()
        self.resized = MaskedConv(channels, channels, resize) if resize else None
        shifts = [window // 2 if k % 2 and side > window else 0 for k in range(blocks)]
        self.blocks = nn.ModuleList(TransformerBlock(channels, heads, window, shift) for shift in shifts)
        self.last = MaskedConv(channels, channels)

    def forward(self, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if self.resized:
            x, valid = self.resized(x, valid)
        places, held = x.permute(0, 2, 3, 1), valid if valid is None else valid.permute(0, 2, 3, 1)
        for block in self.blocks:
            places, held = block(places, held)
        change, valid = self.last(places.permute(0, 3, 1, 2), held if held is None else held.permute(0, 3, 1, 2))
        return x + change, valid
