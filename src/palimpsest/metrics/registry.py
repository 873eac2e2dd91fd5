"""The registry of pixel metrics, by id, and the few metrics that say most."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palimpsest.metrics.pixel import Pair

Metric = Callable[["Pair"], float]
METRICS: dict[str, Metric] = {}  # of the result
RAW: dict[str, Metric] = {}  # of the raw output, before the known pixels are put back; ids end in `_raw`
OF_SCORE = [
    "psnr",
    "ssim",
    "l1",
    "lpips_alex",
    "psnr_hole",
    "ssim_hole",
    "l1_hole",
    "psnr_raw",
]  # besides those of a set
MAIN = ["psnr", "ssim", "lpips_alex"]  # of `dvc exp show` and `compare`


def metric(function: Metric) -> Metric:
    """Registers a metric under its function's name."""
    METRICS[function.__name__] = function
    return function


def whole(function: Metric) -> Metric:
    """Registers a metric of the whole picture, which is also computed on the raw output."""
    RAW[f"{function.__name__}_raw"] = function
    return metric(function)
