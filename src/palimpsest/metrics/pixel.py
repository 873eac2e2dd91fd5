"""Metrics on pixels of one picture: errors, PSNR, SSIM, total variation, NCC and LMSE.

x is the result and y the original, both in [0, 1] after rounding to 8 bits. The code works on the 8-bit levels, whose
sums are exact, and scales at the end. OpenCV's filters are the fastest exact ones on a CPU; the tests compare with
scikit-image.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from palimpsest.metrics.registry import METRICS as METRICS
from palimpsest.metrics.registry import RAW as RAW
from palimpsest.metrics.registry import metric, whole


@dataclass(frozen=True)
class Pair:
    """What a metric sees: a result (or a raw output) and the original, uint8 (H, W, 3), and the hole, bool (H, W)."""

    result: np.ndarray
    image: np.ndarray
    hole: np.ndarray

    @cached_property
    def absolute(self) -> np.ndarray:
        return cv2.absdiff(self.result, self.image)

    @cached_property
    def squared(self) -> np.ndarray:
        return cv2.multiply(self.absolute, self.absolute, dtype=cv2.CV_16U)

    @cached_property
    def ssim(self) -> np.ndarray:
        return ssim_map(self.result, self.image, GAUSSIAN)

    @cached_property
    def ssim_uniform(self) -> np.ndarray:
        return ssim_map(self.result, self.image, UNIFORM)


def _mean(values: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean of (H, W, 3), or of its pixels where `where` is true; NaN if there are none."""
    if not (values.size if where is None else where.any()):
        return math.nan
    return sum(cv2.mean(values, None if where is None else where.view(np.uint8))[:3]) / 3


def _ratio(over: float, under: float) -> float:
    return over / under if under else math.nan


def _decibel(mse: float) -> float:
    return -10 * math.log10(mse) if mse > 0 else math.inf if mse == 0 else math.nan


@whole
def l1(pair: Pair) -> float:
    """mean|x − y|."""
    return _mean(pair.absolute) / 255


@metric
def l1_hole(pair: Pair) -> float:
    """mean|x − y| over the hole."""
    return _mean(pair.absolute, pair.hole) / 255


@whole
def l1_percent(pair: Pair) -> float:
    """100 · mean|x − y|, %."""
    return 100 * l1(pair)


@metric
def l1_hole_percent(pair: Pair) -> float:
    """100 · mean|x − y| over the hole, %."""
    return 100 * l1_hole(pair)


@whole
def l1_relative(pair: Pair) -> float:
    """Σ|x − y| / Σ y; NaN if the original is black."""
    return _ratio(_mean(pair.absolute), _mean(pair.image))


@whole
def l1_symmetric(pair: Pair) -> float:
    """Σ|x − y| / Σ (x + y), the MAE of EdgeConnect's script, here on RGB; NaN if both are black."""
    return _ratio(_mean(pair.absolute), _mean(pair.image) + _mean(pair.result))


@whole
def l2(pair: Pair) -> float:
    """mean (x − y)²."""
    return _mean(pair.squared) / 255**2


@metric
def l2_hole(pair: Pair) -> float:
    """mean (x − y)² over the hole."""
    return _mean(pair.squared, pair.hole) / 255**2


@whole
def l2_percent(pair: Pair) -> float:
    """100 · mean (x − y)², %."""
    return 100 * l2(pair)


@metric
def l2_hole_percent(pair: Pair) -> float:
    """100 · mean (x − y)² over the hole, %."""
    return 100 * l2_hole(pair)


@whole
def l2_relative(pair: Pair) -> float:
    """Σ (x − y)² / Σ y²; NaN if the original is black."""
    return _ratio(_mean(pair.squared) * pair.image.size, cv2.norm(pair.image, cv2.NORM_L2SQR))


@whole
def psnr(pair: Pair) -> float:
    """10 · log10(1 / mean (x − y)²), dB; infinite for equal pictures. A constant error of 0.1 gives 20 dB."""
    return _decibel(l2(pair))


@metric
def psnr_hole(pair: Pair) -> float:
    """PSNR of the hole's pixels, dB."""
    return _decibel(l2_hole(pair))


@whole
def psnr_channels(pair: Pair) -> float:
    """Mean over R, G and B of each channel's PSNR, dB (ERRNet's evaluation): never below the joint one."""
    return sum(_decibel(channel / 255**2) for channel in cv2.mean(pair.squared)[:3]) / 3


@dataclass(frozen=True)
class Window:
    """The window of an SSIM: its width, its local mean, and the correction of its covariances."""

    width: int  # px, odd
    mean: Callable[[np.ndarray], np.ndarray]
    covariance_factor: float  # 1 for a population, n / (n − 1) for a sample of n pixels

    def inside(self, values: np.ndarray) -> np.ndarray:
        """`values` without the border, where the window leaves the picture."""
        border = self.width // 2
        return values[border : len(values) - border, border : values.shape[1] - border]


def gaussian(width: int, sigma: float) -> Window:
    """Gaussian weights, population covariance: Wang et al. 2004."""
    weights = cv2.getGaussianKernel(width, sigma, cv2.CV_64F)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(values, cv2.CV_64F, weights, weights, borderType=cv2.BORDER_REFLECT)

    return Window(width, mean, 1.0)


def uniform(width: int) -> Window:
    """Equal weights, sample covariance: scikit-image's default."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, cv2.CV_64F, (width, width), borderType=cv2.BORDER_REFLECT)

    return Window(width, mean, width**2 / (width**2 - 1))


GAUSSIAN, UNIFORM = gaussian(11, 1.5), uniform(7)


def ssim_map(x: np.ndarray, y: np.ndarray, window: Window) -> np.ndarray:
    """SSIM of each channel at each pixel of (H, W) or (H, W, 3) in levels of 0 to 255 (Wang et al. 2004).

    K1 = 0.01, K2 = 0.03, mirrored borders. Where the window sees no difference it is 1; only the rest is computed.
    """
    similarity = np.ones(x.shape)
    differs = cv2.absdiff(x, y).reshape(len(x), -1)
    changed = np.flatnonzero(differs.max(1)), np.flatnonzero(differs.max(0).reshape(x.shape[1], -1).max(1))
    if changed[0].size:
        reach = window.width // 2
        seen, context = (
            tuple(slice(max(0, line[0] - margin), line[-1] + 1 + margin) for line in changed)
            for margin in (reach, 2 * reach)
        )
        inner = tuple(slice(s.start - c.start, s.stop - c.start) for s, c in zip(seen, context, strict=True))
        similarity[seen] = _ssim(x[context], y[context], window)[inner]
    return similarity


def _ssim(x: np.ndarray, y: np.ndarray, window: Window) -> np.ndarray:
    """(2 x̄ȳ + c1)(2 cov + c2) / ((x̄² + ȳ² + c1)(var x + var y + c2)), in place, as new arrays cost more than sums."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = window.mean(x), window.mean(y)
    covariance = window.mean(cv2.multiply(x, y, dtype=cv2.CV_64F))
    variances = cv2.multiply(x, x, dtype=cv2.CV_64F)
    variances = window.mean(cv2.accumulateSquare(y, variances))
    means = mean_x * mean_y
    squares = cv2.accumulateSquare(mean_y, np.square(mean_x, out=mean_x))
    covariance -= means
    variances -= squares
    covariance *= 2 * window.covariance_factor
    variances *= window.covariance_factor
    means *= 2
    for sums, constant in ((means, c1), (squares, c1), (covariance, c2), (variances, c2)):
        sums += constant
    means *= covariance
    squares *= variances
    return np.divide(means, squares, out=means)


@whole
def ssim(pair: Pair) -> float:
    """Mean of the SSIM map with a Gaussian window, without its border of 5 px; NaN below 11 px."""
    return _mean(GAUSSIAN.inside(pair.ssim))


@metric
def ssim_hole(pair: Pair) -> float:
    """Mean over the hole of the SSIM map with a Gaussian window."""
    return _mean(pair.ssim, pair.hole)


@whole
def ssim_uniform(pair: Pair) -> float:
    """Mean of the SSIM map with a uniform window of 7 px, without its border of 3 px; NaN below 7 px."""
    return _mean(UNIFORM.inside(pair.ssim_uniform))


@metric
def ssim_uniform_hole(pair: Pair) -> float:
    """Mean over the hole of the SSIM map with a uniform window of 7 px."""
    return _mean(pair.ssim_uniform, pair.hole)


def _steps(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|∂x| and |∂y| in levels; empty where a picture is 1 px wide or high."""
    pairs = (picture[:, 1:], picture[:, :-1]), (picture[1:], picture[:-1])
    return tuple(cv2.absdiff(after, before) if after.size else after for after, before in pairs)


@whole
def tv_percent(pair: Pair) -> float:
    """100 · (mean|∂x| + mean|∂y|) of the result on [-1, 1], %."""
    dx, dy = _steps(pair.result)
    return 200 / 255 * (_mean(dx) + _mean(dy))


@metric
def tv_hole_percent(pair: Pair) -> float:
    """The same, over pairs of pixels of which at least one is in the hole, %."""
    dx, dy = _steps(pair.result)
    hole = pair.hole
    return 200 / 255 * (_mean(dx, hole[:, 1:] | hole[:, :-1]) + _mean(dy, hole[1:] | hole[:-1]))


FROM_THE_MIDDLE = np.abs(2 * np.arange(256) - 255).astype(np.uint8)  # level → 255 · |x| on [-1, 1]


@whole
def tv_relative_percent(pair: Pair) -> float:
    """tv_percent over mean|x| of the result on [-1, 1], %."""
    return _ratio(tv_percent(pair), _mean(cv2.LUT(pair.result, FROM_THE_MIDDLE)) / 255)


@whole
def tv_anisotropic_percent(pair: Pair) -> float:
    """100 · (Σ|∂x| + Σ|∂y|) / (H · W) of the result on [0, 1], channels summed, %."""
    dx, dy = _steps(pair.result)
    return 100 / 255 * (float(dx.sum()) + float(dy.sum())) / pair.hole.size


@whole
def tv_isotropic(pair: Pair) -> float:
    """mean √(∂x² + ∂y²) of the result in levels of 0 to 255, steps wrapping round (PICNet's evaluation)."""
    x = pair.result
    dx, dy = (cv2.absdiff(np.roll(x, -1, axis), x).astype(np.float64) for axis in (1, 0))
    return _mean(cv2.magnitude(dx, dy))


@whole
def ncc(pair: Pair) -> float:
    """mean (x − x̄)(y − ȳ) / (σx σy), one value over all pixels and channels (ERRNet); NaN for a constant picture."""
    if not (np.ptp(pair.result) and np.ptp(pair.image)):
        return math.nan
    x, y = (picture - picture.mean() for picture in (pair.result, pair.image))
    covariance, variance_x, variance_y = (np.einsum("ijk,ijk->", a, b) for a, b in ((x, y), (x, x), (y, y)))
    return float(covariance / math.sqrt(variance_x * variance_y))


@whole
def lmse(pair: Pair) -> float:
    """Local error after the best gain a of each window: Σ (y − a·x)² / Σ y² (Grosse et al. 2009, ERRNet's form).

    Windows of 20 × 20 px, every 10 px, in each channel; numerator and denominator are summed over all. The gain is 0
    where Σ x² of a window is 1e-5 or less. NaN if no window fits or the original is black.
    """
    x, y = pair.result, pair.image
    xx, yy, xy = (_window_sums(cv2.multiply(a, b, dtype=cv2.CV_16U)) for a, b in ((x, x), (y, y), (x, y)))
    explained = np.divide(xy * xy, xx, out=np.zeros_like(xx), where=xx > 1e-5 * 255**2)
    return _ratio(float((yy - explained).sum()), float(yy.sum()))


LEAST = {"ssim": GAUSSIAN.width, "ssim_uniform": UNIFORM.width, "lmse": 20}  # px, sides of a picture


def _window_sums(values: np.ndarray) -> np.ndarray:
    """Sums over windows of 20 × 20 px every 10 px that lie inside, float64 (H // 10 − 1, W // 10 − 1, 3)."""
    sums = cv2.boxFilter(values, cv2.CV_64F, (20, 20), anchor=(0, 0), normalize=False)
    return sums[: max(0, len(values) - 19) : 10, : max(0, values.shape[1] - 19) : 10]
