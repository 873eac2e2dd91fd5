"""The coarse-to-fine generator of gated convolutions: DeepFill v2, section 3.2; CRFill uses it without attention.

J. Yu et al., "Free-Form Image Inpainting with Gated Convolution", ICCV 2019; widths as in the released code.
"""

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from palimpsest.config.numbers import Channels
from palimpsest.config.yaml import Settings
from palimpsest.layers.compositing import paste
from palimpsest.layers.contextual_attention import ContextualAttention, Options
from palimpsest.layers.gated import GatedConv, gated_up
from palimpsest.layers.tensorflow_conventions import Padding


class GeneratorConfig(Settings):
    """The coarse and the refinement network."""

    width: Annotated[Channels, Field(ge=2, multiple_of=2)]  # channels of the first layer, after gating
    padding: Literal["zeros", "tensorflow"]  # of the stride-2 convolutions, see layers/tensorflow_conventions.py
    coarse_at_half_above: NonNegativeInt | None  # px: the coarse network sees longer sides at half; null: none of them


def dilated(channels: int) -> list[nn.Module]:
    return [GatedConv(channels, channels, dilation=d) for d in (2, 4, 8, 16)]


def to_picture(width: int) -> list[nn.Module]:
    """4 · width channels at a quarter of the size → 3 at full size, in [-1, 1]."""
    return [
        gated_up(4 * width, 2 * width),
        GatedConv(2 * width, 2 * width),
        gated_up(2 * width, width),
        GatedConv(width, width // 2),
        nn.Sequential(nn.Conv2d(width // 2, 3, 3, padding=1), nn.Tanh()),
    ]


class Coarse(nn.Sequential):
    """Stage 1: (B, 5, H, W) → (B, 3, H, W)."""

    def __init__(self, width: int, padding: Padding):
        w, p = width, padding
        super().__init__(
            GatedConv(5, w, kernel=5),
            GatedConv(w, 2 * w, stride=2, padding=p),
            GatedConv(2 * w, 2 * w),
            GatedConv(2 * w, 4 * w, stride=2, padding=p),
            GatedConv(4 * w, 4 * w),
            GatedConv(4 * w, 4 * w),
            *dilated(4 * w),
            GatedConv(4 * w, 4 * w),
            GatedConv(4 * w, 4 * w),
            *to_picture(w),
        )


class Refinement(nn.Module):
    """Stage 2, two encoders and one decoder: (B, 3, H, W) → (B, 3, H, W).

    `before` ends in the features that attention compares, (B, 4 · width, H / 4, W / 4), none below 0.
    """

    def __init__(self, width: int, padding: Padding, attention: Options | None):
        super().__init__()
        w, p = width, padding
        self.conv_branch = nn.Sequential(
            GatedConv(3, w, kernel=5),
            GatedConv(w, w, stride=2, padding=p),
            GatedConv(w, 2 * w),
            GatedConv(2 * w, 2 * w, stride=2, padding=p),
            GatedConv(2 * w, 4 * w),
            GatedConv(4 * w, 4 * w),
            *dilated(4 * w),
        )
        self.attention_branch = nn.ModuleDict(
            {
                "before": nn.Sequential(
                    GatedConv(3, w, kernel=5),
                    GatedConv(w, w, stride=2, padding=p),
                    GatedConv(w, 2 * w),
                    GatedConv(2 * w, 4 * w, stride=2, padding=p),
                    GatedConv(4 * w, 4 * w),
                    GatedConv(4 * w, 4 * w, activation=relu),
                ),
                "after": nn.Sequential(GatedConv(4 * w, 4 * w), GatedConv(4 * w, 4 * w)),
            }
        )
        self.attention = ContextualAttention(attention) if attention else None
        self.decoder = nn.Sequential(GatedConv(8 * w, 4 * w), GatedConv(4 * w, 4 * w), *to_picture(w))

    def forward(self, inputs: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """x2, the features, and the attention's offsets, None without attention."""
        features = self.attention_branch["before"](inputs)
        attended, offsets = features, None
        if self.attention:
            attended, offsets = self.attention(features, hole)
        branches = [self.conv_branch(inputs), self.attention_branch["after"](attended)]
        return self.decoder(torch.cat(branches, 1)), features, offsets


class Outputs(NamedTuple):
    """Everything the generator computes for a picture."""

    x1: Tensor  # coarse prediction, (B, 3, H, W) in [-1, 1]
    x2: Tensor  # refined prediction, likewise
    features: Tensor  # of the refinement network, before attention
    offsets: Tensor | None  # of the attention


class Generator(nn.Module):
    """Pictures (B, 3, H, W) in [-1, 1] and holes (B, 1, H, W) → Outputs; without `attention`, CRFill's generator."""

    def __init__(self, config: GeneratorConfig, attention: Options | None):
        super().__init__()
        self.coarse_at_half_above = config.coarse_at_half_above
        self.coarse = Coarse(config.width, config.padding)
        self.refinement = Refinement(config.width, config.padding, attention)

    def extra_repr(self) -> str:
        return f"coarse_at_half_above={self.coarse_at_half_above}"

    def forward(self, x: Tensor, hole: Tensor) -> Outputs:
        x1 = self.predict_coarse(x, hole)
        x2, features, offsets = self.refinement(paste(x1, x, hole), hole)
        return Outputs(x1, x2, features, offsets)

    def predict_coarse(self, x: Tensor, hole: Tensor) -> Tensor:
        """x1 alone."""
        inputs = torch.cat([x * (1 - hole), torch.ones_like(hole), hole], 1)
        if self.coarse_at_half_above is None or max(x.shape[-2:]) <= self.coarse_at_half_above:
            return self.coarse(inputs)
        return interpolate(self.coarse(inputs[..., ::2, ::2].contiguous()), scale_factor=2)
