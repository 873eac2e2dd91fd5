"""Attention transfer: a map pieced from its own patches, as the patches of a smaller map resemble one another.

Y. Zeng et al., "Learning Pyramid-Context Encoder Network for High-Quality Image Inpainting", CVPR 2019, section 3.1, as
in the released code; also the region affinity of X. Guo et al., ICCV 2021, where the smaller map is the map itself at
half its size, and patches come from everywhere.
"""

from typing import Literal

from torch import Tensor
from torch.nn.functional import normalize

from palimpsest.layers.contextual_attention import CHUNK_BYTES, SMALLEST_NORM, Matching, attention, row_chunks
from palimpsest.layers.pasting import Canvas

RATE = 2  # between the two maps
SCALE = 10.0  # of scores before the softmax
LEAST = 1e-8  # attention to any patch, those that may not be taken included


def transfer(shallow: Tensor, deep: Tensor, valid: Tensor, kernel: Literal[1, 3]) -> Tensor:
    """Patches of 4 x 4 of the shallow map, weighted by what patches of `kernel` px of the deep one say.

    shallow (B, C, 2 h, 2 w), deep (B, D, h, w), valid, bool (B, 1, h, w): which patches may be taken
    → (B, C, 2 h, 2 w). The score of a patch that may not is 0 in the softmax.
    """
    height, width = deep.shape[2:]
    matching = Matching.of(deep, deep, SCALE, normalise_foreground=False) if kernel == 3 else None
    canvas = Canvas(shallow, RATE)
    row_bytes = len(deep) * width * height * width * deep.element_size()
    for top, bottom in row_chunks(height, max(1, CHUNK_BYTES // row_bytes)):
        scores = matching.scores(top, bottom) if matching else pixel_scores(deep, top, bottom)
        canvas.paste(attention(scores, valid, "multiply").clamp_min(LEAST), top, bottom)
    return canvas.picture("constant")


def pixel_scores(features: Tensor, top: int, bottom: int) -> Tensor:
    """SCALE · <f, b> / ‖b‖ of the pixels in rows top … bottom, bottom excluded, with all others: (B, rows · w, N)."""
    keys = normalize(features, dim=1, eps=SMALLEST_NORM).flatten(2)
    return SCALE * features[:, :, top:bottom].flatten(2).mT @ keys
