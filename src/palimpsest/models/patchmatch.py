"""PatchMatch: C. Barnes et al., "PatchMatch: A Randomized Correspondence Algorithm for Structural Image Editing", 2009.

Code: https://github.com/vacancy/PyPatchMatch, in the package `pypatchmatch`.

Hole filling from coarse to fine: propagation and random search find the nearest-neighbour field of patches that touch
the hole, then overlapping patches vote; this repeats at every level of a pyramid.

Departures: the authors' hole filler is part of a closed editor; the package `pypatchmatch` is an independent
implementation. It takes and returns 8-bit pixels.
"""

from typing import Annotated

import numpy as np
import patchmatch
import torch
from pydantic import Field
from torch import Tensor, nn

from palimpsest.config.yaml import Settings


class Config(Settings):
    patch_radius: Annotated[int, Field(gt=0, le=15)]  # px: patches are 2 · radius + 1 px wide
    seed: Annotated[int, Field(ge=0, lt=2**32)]  # of the random search, the same for every picture


class Model:
    size_divisor = 1

    def __init__(self, config: Config, size: int):
        self.networks = nn.ModuleDict()
        self.config = config

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        patchmatch.set_random_seed(self.config.seed)
        pictures = (image * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        holes = hole[:, 0].bool().cpu().numpy()
        pairs = zip(pictures, holes, strict=True)
        filled = [patchmatch.inpaint(p, h, patch_size=self.config.patch_radius) for p, h in pairs]
        return torch.from_numpy(np.stack(filled)).permute(0, 3, 1, 2).to(image) / 255
