"""How the cost of filling a picture grows with its size."""

import math
from statistics import linear_regression

from palimpsest.results.benchmark import Architecture


def shared_sizes(found: list[Architecture | None], device: str) -> list[int]:
    """The sizes, px, at which every architecture was measured on a device; those without a measurement are ignored."""
    sizes = [set(architecture.seconds(device)) for architecture in found if architecture]
    return sorted(set.intersection(*sizes)) if sizes else []


def power(sizes: list[int], values: list[float]) -> float:
    """The exponent p of values ∝ N^p, N = size², by least squares of logarithms."""
    return linear_regression([2 * math.log(size) for size in sizes], [math.log(value) for value in values]).slope
