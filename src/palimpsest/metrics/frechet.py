"""The Fréchet distance between two sets of pictures, each a Gaussian of their features."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from palimpsest.config.yaml import InputError

FRECHET = {"vgg16": "fd_vgg16", "inception": "fid"}  # network → what the distance is called on its features


@dataclass(frozen=True)
class Statistics:
    """Mean (D,) and covariance (D, D), divided by N - 1, of the features of `count` pictures."""

    mean: np.ndarray
    covariance: np.ndarray
    count: int

    @classmethod
    def of(cls, features: np.ndarray) -> Self:
        """Of float64 (N, D); InputError for fewer than two pictures."""
        if len(features) < 2:
            raise InputError(f"asked for statistics of a set of pictures, found {len(features)}; accepted: 2 or more")
        return cls(features.mean(0), np.cov(features, rowvar=False).reshape(2 * features.shape[1:]), len(features))


def frechet_distance(one: Statistics, other: Statistics) -> float:
    """|m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½), from 0 up (Heusel et al. 2017, eq. 6).

    With S = A Aᵀ, the trace of the root is the sum of the singular values of A1ᵀ A2. This holds for covariances of any
    rank, so also for fewer pictures than features.
    """
    if one.mean.shape != other.mean.shape:
        raise InputError(
            f"asked for a Fréchet distance between {one.mean.size} and {other.mean.size} features; "
            f"accepted: the same network on both sides"
        )
    shared = np.linalg.svd(_root(one.covariance).T @ _root(other.covariance), compute_uv=False).sum()
    gap = one.mean - other.mean
    return max(0.0, float(gap @ gap + np.trace(one.covariance) + np.trace(other.covariance) - 2 * shared))


def _root(covariance: np.ndarray) -> np.ndarray:
    """A (D, rank) with A Aᵀ = S; eigenvalues below rounding error count as zero."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return vectors[:, kept] * np.sqrt(values[kept])
