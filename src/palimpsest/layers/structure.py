"""Structure pictures: edges stay, texture goes.

L. Xu et al., "Structure Extraction from Texture via Relative Total Variation", ACM Transactions on Graphics 31(6),
2012.

    I, S      picture and its structure
    λ, σ      `strength`, and `sigma`, px, about the size of the largest texture; σ is halved from pass to pass
    G_σ       a Gaussian
    u         1 / |∂(G_σ * S)|, large where steps cancel out, as in texture
    w         1 / |∇S|, large where there is no edge

S = argmin Σ (S - I)² + λ/2 · Σ u w (∂S)², over both directions and again and again: u and w come from the S before, at
first from I, as means over the colours. Every pass solves the linear equations (1 + λ/2 · ∂ᵀ u w ∂) S = I. Weights and
the factor of 1/2 are those of the authors' MATLAB code; the paper blurs u once more.
"""

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from palimpsest.config.numbers import Blur, Factor, Few, Pixels, Weight
from palimpsest.config.yaml import Settings

# SciPy takes long to import, so only the functions that need it do so

SMALLEST_STEP = 1e-3  # |∂(G_σ * S)| at least
SMALLEST_SIGMA = 0.5  # px


class StructureConfig(Settings):
    """What counts as texture, in pictures in [0, 1]."""

    side: Annotated[Pixels, Field(ge=2)]  # px, to which square training pictures are reduced before
    strength: Weight
    sigma: Blur
    sharpness: Factor  # |∇S| at least
    passes: Few


def structure(image: Tensor, config: StructureConfig) -> Tensor:
    """S of pictures on the CPU: (B, 3, H, W) → the same shape."""
    return torch.from_numpy(np.stack([_structure(picture, config) for picture in image.numpy()]))


def _structure(picture: np.ndarray, config: StructureConfig) -> np.ndarray:
    found, sigma = picture, config.sigma
    for _ in range(config.passes):
        across, down = weights(found, sigma, config.sharpness)
        found = solve(picture, config.strength / 2 * across, config.strength / 2 * down)
        sigma = max(sigma / 2, SMALLEST_SIGMA)
    return found


def weights(picture: np.ndarray, sigma: float, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """u w of the step to the right and of the step down, (H, W) each; 0 where the picture ends."""
    from scipy.ndimage import gaussian_filter

    across, down = steps(picture)
    w = 1 / np.maximum(np.hypot(across, down).mean(0), sharpness)
    smooth = steps(gaussian_filter(picture, sigma, axes=(1, 2)))
    across, down = (w / np.maximum(np.abs(step).mean(0), SMALLEST_STEP) for step in smooth)
    across[:, -1] = down[-1] = 0
    return across, down


def steps(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """∂: differences from each pixel to the right and down, 0 where the picture ends."""
    return np.diff(picture, axis=2, append=picture[:, :, -1:]), np.diff(picture, axis=1, append=picture[:, -1:])


def solve(picture: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """S of (1 + ∂ᵀ · weights · ∂) S = I, for pictures (3, H, W) and weights (H, W) of their steps.

    In row order the matrix has its diagonal and, below it, one diagonal for each direction.
    """
    from scipy.linalg import solveh_banded

    _, height, width = picture.shape
    diagonal = 1 + across + down
    diagonal[:, 1:] += across[:, :-1]
    diagonal[1:] += down[:-1]
    bands = np.zeros((width + 1, height * width), picture.dtype)
    bands[0], bands[1], bands[width] = diagonal.ravel(), -across.ravel(), -down.ravel()
    colours = picture.reshape(3, -1).T
    return solveh_banded(bands, colours, overwrite_ab=True, lower=True, check_finite=False).T.reshape(picture.shape)
