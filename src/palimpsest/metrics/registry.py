"""Where a metric is found by its id."""

from collections.abc import Callable

from torch import Tensor

Metric = Callable[[Tensor, Tensor, Tensor], Tensor]  # (result, image, hole) → one number a picture
METRICS: dict[str, Metric] = {}


def metric(function: Metric) -> Metric:
    """Registers a metric under its function's name."""
    METRICS[function.__name__] = function
    return function
