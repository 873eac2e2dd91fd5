"""Contextual attention: every patch of a feature map rebuilt from similar patches outside the hole.

Yu et al., Generative Image Inpainting with Contextual Attention, arXiv:1801.07892, section 3.1: match, propagate
("fuse"), softmax, paste. Matching runs on the features at 1 / rate of their size, pasting at full size.

Names: a position (y, x) of the h x w matching grid is a query in the foreground and (v, u) a key in the background;
N = h * w. Queries are processed some rows at a time, so the N x N matrix never exists as a whole (with gradients on,
however, autograd keeps every chunk).

Both sums over patches run along diagonals (y + i, x + j, v + i, u + j) of a query-key matrix: a patch score is the sum
of nine pixel products, and pasting overlapping patches is pasting disjoint blocks with summed attention
(`layers/pasting.py`). On a framed grid, whose rows share one column of zeros, such a sum is one along (x, u) and then
one along (y, v).

Departures from the released code (inpaint_ops.py), each of them a switch: `masking="exclude"` leaves hole patches out
of the softmax, where the code multiplies by zero before and after it; `overlap="counted"` divides by the number of
patches that meet at a pixel, where the code divides by 4 at the border too; `sampling="strided"` takes pixels 0, 2, 4,
… for matching, where the code aligns the corners ("aligned"), and a port of it does so for the hole from its full size
("aligned-at-once"), which gives other pixels than first a quarter and then half of that. Each sample has its own hole;
the code uses the first sample's for the whole batch. As in the code, and unlike the paper, scores are fused before the
softmax, only the background patch is normalised, and fusing wraps around the ends of rows and columns.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from palimpsest.config.numbers import Factor
from palimpsest.config.yaml import Settings
from palimpsest.layers.pasting import Canvas, Overlap, diagonal_sum
from palimpsest.layers.patches import relative_to_own
from palimpsest.layers.tensorflow_conventions import Sampling, subsample

Masking = Literal["exclude", "multiply"]

AT_ONCE = "aligned-at-once"
SMALLEST_NORM = 1e-4
CHUNK_BYTES = 16 * 2**20  # of one score matrix; larger ones leave the cache, and each allocation costs fresh pages
FEWEST_ROWS = 4  # of a chunk, which computes up to six more rows of products than it keeps


class Options(Settings):
    """The switches of contextual attention."""

    softmax_scale: Factor  # λ of section 3.1
    fuse: bool  # attention propagation
    masking: Masking  # of hole patches: their score becomes -inf, or is multiplied by 0
    overlap: Overlap  # pasted patches are divided by their count, by 4, or not at all
    sampling: Sampling  # of features and holes at a lower resolution, see layers/tensorflow_conventions.py
    normalise_foreground: bool  # cosine on both sides


class ContextualAttention(nn.Module):
    """A map rebuilt from its own patches, (B, C, H, W), and their offsets; it has no weights."""

    def __init__(self, options: Options):
        super().__init__()
        self.options = {name: getattr(options, name) for name in Options.model_fields}

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.options.items())

    def forward(self, features: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        """Features, and the hole of the picture that they are of: (B, 1, s H, s W)."""
        if self.options["sampling"] != AT_ONCE:
            hole = subsample(hole, hole.shape[2] // features.shape[2], self.options["sampling"])
        return contextual_attention(features, features, hole, **self.options)


def contextual_attention(
    foreground: Tensor,
    background: Tensor,
    hole: Tensor,
    *,
    rate: int = 2,
    softmax_scale: float = 10.0,
    fuse: bool = True,
    masking: Masking = "exclude",
    overlap: Overlap = "counted",
    sampling: Sampling = "strided",
    normalise_foreground: bool = False,
    chunk_bytes: int = CHUNK_BYTES,
) -> tuple[Tensor, Tensor]:
    """The foreground rebuilt from background patches, (B, C, H, W), and where each patch came from.

    foreground, background (B, C, H, W); hole (B, 1, H, W), 1 = missing, "aligned-at-once" also larger. The second
    result, int64 (B, 2, h, w), is (dy, dx): the most attended background patch minus the own position. A sample without
    a background patch free of holes attends to nothing: its output is 0, its offsets lead to position (0, 0).
    """
    check(foreground, background, hole, rate, masking=masking, overlap=overlap, sampling=sampling)
    h, w = foreground.shape[2] // rate, foreground.shape[3] // rate
    row_bytes = w * h * w * foreground.element_size()
    samples = max(1, chunk_bytes // (h * row_bytes))
    chunks = row_chunks(h, max(FEWEST_ROWS, chunk_bytes // row_bytes))

    def rebuilt(foreground: Tensor, background: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        f, b, missing = (subsample(tensor, tensor.shape[2] // h, sampling) for tensor in (foreground, background, hole))
        valid = patch_sum(missing.to(f.dtype)) == 0
        matching = Matching.of(f, b, softmax_scale, normalise_foreground)
        canvas = Canvas(background, rate)

        def paste(top: int, bottom: int) -> Tensor:
            scores = matching.fused(top, bottom) if fuse else matching.scores(top, bottom)
            weights = attention(scores, valid, masking)
            canvas.paste(weights, top, bottom)
            return weights.argmax(2)

        best = torch.cat([paste(top, bottom) for top, bottom in chunks], 1)
        return canvas.picture(overlap), relative_to_own(best, h, w)

    groups = zip(*(tensor.split(samples) for tensor in (foreground, background, hole)), strict=True)
    outputs, offsets = zip(*(rebuilt(*group) for group in groups), strict=True)
    return torch.cat(outputs), torch.cat(offsets)


def attention_weights(
    features: Tensor,
    valid: Tensor,
    *,
    softmax_scale: float,
    fuse: bool,
    masking: Masking,
    smallest_norm: float = SMALLEST_NORM,
) -> Tensor:
    """(B, N, N): what each patch of a map takes from each other, for pasting at several scales with one set of weights.

    features (B, C, h, w), N = h * w; valid, bool (B, 1, h, w), says from which patches may be taken.
    """
    h = features.shape[2]
    matching = Matching.of(features, features, softmax_scale, False, smallest_norm)
    return attention(matching.fused(0, h) if fuse else matching.scores(0, h), valid, masking)


def check(foreground: Tensor, background: Tensor, hole: Tensor, rate: int, **switches: str) -> None:
    """ValueError unless `contextual_attention` accepts these shapes and switches."""
    if foreground.dim() != 4 or foreground.shape != background.shape:
        found = f"foreground {tuple(foreground.shape)} and background {tuple(background.shape)}"
        raise ValueError(f"contextual_attention: found {found}; accepted: two equal shapes (B, C, H, W)")
    batch, _, height, width = foreground.shape
    times = hole.shape[2] // height if switches["sampling"] == AT_ONCE and height else 1
    if hole.shape != (batch, 1, times * height, times * width):
        raise ValueError(
            f"contextual_attention: found a hole of {tuple(hole.shape)} for features of {tuple(foreground.shape)}; "
            f"accepted: {(batch, 1, times * height, times * width)}"
        )
    if rate < 2 or rate % 2:
        raise ValueError(f"contextual_attention: found rate {rate}; accepted: an even number from 2")
    if height % rate or width % rate or not height * width:
        raise ValueError(
            f"contextual_attention: found features of {height} x {width} at rate {rate}; "
            f"accepted: height and width that are multiples of {rate}"
        )
    for name, kind in {"masking": Masking, "overlap": Overlap, "sampling": Sampling}.items():
        if switches[name] not in (accepted := get_args(kind)):
            raise ValueError(f"contextual_attention: found {name} {switches[name]!r}; accepted: {', '.join(accepted)}")


def row_chunks(height: int, rows: int) -> list[tuple[int, int]]:
    """Rows 0 ... height in chunks of nearly equal size, at most `rows` each: (top, bottom), bottom excluded."""
    chunks = -(-height // rows)
    edges = [height * i // chunks for i in range(chunks + 1)]
    return list(pairwise(edges))


def patch_sum(grid: Tensor) -> Tensor:
    """(B, 1, h, w): the sum over each 3x3 patch, zero outside."""
    return F.avg_pool2d(grid, 3, stride=1, padding=1, divisor_override=1)


def inverse_patch_norm(features: Tensor, smallest: float) -> Tensor:
    """(B, 1, h, w): 1 / the norm of each 3x3 patch, at most 1 / `smallest`."""
    energy = patch_sum(features.square().sum(1, keepdim=True))
    return energy.clamp_min(smallest**2).rsqrt()


def framed(grid: Tensor) -> Tensor:
    """(..., h, w) -> (..., (h + 3) * (w + 1)): position (y, x) at (y + 1) * (w + 1) + x + 1, zeros elsewhere."""
    return F.pad(grid, (1, 0, 1, 2)).flatten(-2)


@dataclass(frozen=True)
class Matching:
    """Scores of query patches, by rows of the grid, against all background patches."""

    foreground: Tensor  # (B, C, framed h x w)
    background: Tensor  # (B, C, framed h x w)
    query_scale: Tensor | None  # (B, h, w, 1, 1)
    key_scale: Tensor  # (B, 1, 1, h, w)

    @classmethod
    def of(
        cls,
        foreground: Tensor,
        background: Tensor,
        scale: float,
        normalise_foreground: bool,
        smallest: float = SMALLEST_NORM,
    ) -> "Matching":
        """Scores are `scale` times <f, b> / ||b||, with `normalise_foreground` times <f, b> / (||f|| ||b||).

        Norms count as `smallest` at least.
        """
        query_scale = inverse_patch_norm(foreground, smallest)[:, 0, :, :, None, None] if normalise_foreground else None
        key_scale = scale * inverse_patch_norm(background, smallest)[:, :, None]
        return cls(framed(foreground), framed(background), query_scale, key_scale)

    def scores(self, top: int, bottom: int) -> Tensor:
        """(B, rows * w, N): scores of query patches centred in rows top ... bottom, bottom excluded."""
        h, w = self.key_scale.shape[3:]
        stride = w + 1
        queries = self.foreground[..., top * stride : (bottom + 2) * stride + 2]
        keys = self.background[..., : (h + 2) * stride + 2]
        scores = diagonal_sum(diagonal_sum(queries.mT @ keys, 1, terms=3), stride, terms=3)
        scores = scores.view(-1, bottom - top, stride, h, stride)[:, :, :w, :, :w] * self.key_scale
        if self.query_scale is not None:
            scores = scores * self.query_scale[:, top:bottom]
        return scores.view(-1, (bottom - top) * w, h * w)

    def row_fused(self, top: int, bottom: int) -> Tensor:
        """The sum of three scores along the diagonal, positions counted along rows, zero outside."""
        h, w = self.key_scale.shape[3:]
        above, below = int(top > 0), int(bottom < h)
        scores = self.scores(top - above, bottom + below)
        scores = scores[:, above * (w - 1) : scores.shape[1] - below * (w - 1)]
        return diagonal_sum(F.pad(scores, (1, 1, 1 - above, 1 - below)), 1, terms=3)

    def fused(self, top: int, bottom: int) -> Tensor:
        """The sum of three row-fused scores along the diagonal, positions counted along columns, zero outside."""
        w = self.key_scale.shape[4]
        scores = self.with_neighbour_rows(top, bottom)
        before, after = column_back(scores[..., -w:].mT).mT, column_on(scores[..., :w].mT).mT
        return diagonal_sum(torch.cat([before, scores, after], 2), w, terms=3)

    def with_neighbour_rows(self, top: int, bottom: int) -> Tensor:
        """Row-fused scores of rows top - 1 ... bottom + 1; beyond the grid, as column-major order continues."""
        h, w = self.key_scale.shape[3:]
        scores = self.row_fused(max(top - 1, 0), min(bottom + 1, h))
        if (top, bottom) == (0, h):
            return torch.cat([column_back(scores[:, -w:]), scores, column_on(scores[:, :w])], 1)
        if top == 0:
            return torch.cat([column_back(self.row_fused(h - 1, h)), scores], 1)
        if bottom == h:
            return torch.cat([scores, column_on(self.row_fused(0, 1))], 1)
        return scores


def column_back(last_row: Tensor) -> Tensor:
    """The last row (B, w, M) as it precedes the first in column-major order: (-1, x) is (h - 1, x - 1)."""
    return F.pad(last_row[:, :-1], (0, 0, 1, 0))


def column_on(first_row: Tensor) -> Tensor:
    """The first row (B, w, M) as it follows the last in column-major order: (h, x) is (0, x + 1)."""
    return F.pad(first_row[:, 1:], (0, 0, 0, 1))


def attention(scores: Tensor, valid: Tensor, masking: Masking) -> Tensor:
    """(B, queries, N): softmax of `scores` over the keys, exactly 0 where `valid` (B, 1, h, w) is False.

    With "exclude" the valid keys of each query sum to 1. "multiply" leaves exp(0) of the others in the denominator.
    """
    valid = valid.flatten(2)
    if masking == "multiply":
        return (scores * valid).softmax(2) * valid
    excluded = ~valid & valid.any(2, keepdim=True)
    return scores.masked_fill(excluded, -torch.inf).softmax(2) * valid
