"""Metrics on pixels: l1, l2, PSNR, SSIM and total variation, of the whole picture and of the hole."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from palimpsest.metrics.registry import metric


def _mean(values: Tensor, where: Tensor | None = None) -> Tensor:
    """Mean over all but the first axis, of the elements with `where` = 1; NaN where there are none."""
    if where is None:
        return values.flatten(1).mean(1)
    where = where.expand_as(values)
    return (values * where).flatten(1).sum(1) / where.flatten(1).sum(1)


@metric
def l1_percent(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """100 · mean|x − y|, %."""
    return 100 * _mean((result - image).abs())


@metric
def l1_hole_percent(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """100 · mean|x − y| over the hole, %."""
    return 100 * _mean((result - image).abs(), hole)


@metric
def l2_percent(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """100 · mean (x − y)², %."""
    return 100 * _mean((result - image).square())


@metric
def l2_hole_percent(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """100 · mean (x − y)² over the hole, %."""
    return 100 * _mean((result - image).square(), hole)


@metric
def psnr(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """10 · log10(1 / mean (x − y)²), dB; infinite for equal pictures. A constant error of 0.1 gives 20 dB."""
    return -10 * torch.log10(_mean((result - image).square()))


@metric
def psnr_hole(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """PSNR of the hole's pixels, dB."""
    return -10 * torch.log10(_mean((result - image).square(), hole))


def ssim_map(result: Tensor, image: Tensor) -> Tensor:
    """(B, 3, H, W): SSIM of each channel at each pixel (Wang et al. 2004): Gaussian window of 11 taps, σ 1.5.

    Population covariance, K1 = 0.01, K2 = 0.03, mirrored borders.
    """
    taps = torch.exp(-torch.arange(-5.0, 6.0, dtype=image.dtype, device=image.device).square() / (2 * 1.5**2))
    taps = taps / taps.sum()

    def blur(values: Tensor) -> Tensor:
        planes = values.flatten(0, 1)[:, None]
        planes = torch.cat([planes[..., :5].flip(-1), planes, planes[..., -5:].flip(-1)], -1)
        planes = torch.cat([planes[..., :5, :].flip(-2), planes, planes[..., -5:, :].flip(-2)], -2)
        return conv2d(conv2d(planes, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1)).view_as(values)

    mean_x, mean_y = blur(result), blur(image)
    variance_x = blur(result.square()) - mean_x.square()
    variance_y = blur(image.square()) - mean_y.square()
    covariance = blur(result * image) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    return luminance * (2 * covariance + c2) / (variance_x + variance_y + c2)


@metric
def ssim(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """Mean of the SSIM map without its border of 5 px, where the window leaves the picture."""
    return _mean(ssim_map(result, image)[..., 5:-5, 5:-5])


@metric
def ssim_hole(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """Mean of the SSIM map over the hole."""
    return _mean(ssim_map(result, image), hole)


def _steps(result: Tensor) -> tuple[Tensor, Tensor]:
    """|∂x| and |∂y| on the scale [-1, 1] that the network works in."""
    return 2 * result.diff(dim=-1).abs(), 2 * result.diff(dim=-2).abs()


@metric
def tv_percent(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """100 · (mean|∂x| + mean|∂y|) of the result on [-1, 1], %."""
    dx, dy = _steps(result)
    return 100 * (_mean(dx) + _mean(dy))


@metric
def tv_hole_percent(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """The same over pairs of pixels of which at least one lies in the hole, %."""
    dx, dy = _steps(result)
    touches_x = torch.maximum(hole[..., 1:], hole[..., :-1])
    touches_y = torch.maximum(hole[..., 1:, :], hole[..., :-1, :])
    return 100 * (_mean(dx, touches_x) + _mean(dy, touches_y))


@metric
def tv_relative_percent(result: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """tv_percent over mean|x| of the result on [-1, 1], %."""
    return tv_percent(result, image, hole) / _mean((2 * result - 1).abs())
