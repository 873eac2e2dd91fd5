"""The Fréchet distance between two sets of pictures, each a Gaussian of their features."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from palimpsest.config.yaml import InputError

FRECHET = {"vgg16": "fd_vgg16", "inception": "fid"}  # network → what the distance is called on its features


@dataclass(frozen=True)
class Statistics:
    """Mean (D,) of the features of pictures, and a root A (D, R) of their covariance, divided by N - 1: S = A Aᵀ."""

    mean: np.ndarray
    root: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Self:
        """Of float64 (N, D); InputError for fewer than two pictures.

        Of fewer pictures than features the centred features are a root themselves, which takes no time.
        """
        count, width = features.shape
        if count < 2:
            raise InputError(f"asked for statistics of a set of pictures, found {count}; accepted: 2 or more")
        mean = features.mean(0)
        few = (features - mean).T / (count - 1) ** 0.5
        return cls(mean, few if count <= width else root_of(few @ few.T))


def frechet_distance(one: Statistics, other: Statistics) -> float:
    """|m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½), from 0 up (Heusel et al. 2017, eq. 6).

    The trace of the root is the sum of the singular values of A1ᵀ A2, for covariances of any rank.
    """
    if one.mean.shape != other.mean.shape:
        raise InputError(
            f"asked for a Fréchet distance between {one.mean.size} and {other.mean.size} features; "
            f"accepted: the same network on both sides"
        )
    shared = np.linalg.svd(one.root.T @ other.root, compute_uv=False).sum()
    gap = one.mean - other.mean
    return max(0.0, float(gap @ gap + np.square(one.root).sum() + np.square(other.root).sum() - 2 * shared))


def root_of(covariance: np.ndarray) -> np.ndarray:
    """A (D, rank) with A Aᵀ = S; eigenvalues below rounding error count as zero."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return vectors[:, kept] * np.sqrt(values[kept])
