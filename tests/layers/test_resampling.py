import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torch.nn.functional import conv2d

from palimpsest.layers.resampling import blur, double, double_conv, halve, halve_conv

LINE = np.array([1, 3, 3, 1]) / 8
KERNEL = np.outer(LINE, LINE)


def picture(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def filtered(x):
    """Every map under the filter wherever they meet, by SciPy: 3 px wider and higher."""
    return np.stack([[convolve2d(part, KERNEL) for part in sample] for sample in x.numpy()])


def spread(x):
    wide = torch.zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3], dtype=x.dtype)
    wide[:, :, ::2, ::2] = x
    return wide


def test_a_blur_is_the_filter_between_its_margins():
    x = picture(2, 3, 5, 7)
    np.testing.assert_allclose(blur(x, 3, 3), filtered(x), atol=1e-12)
    np.testing.assert_allclose(blur(x, 2, 1, gain=5), 5 * filtered(x)[..., 1:-2, 1:-2], atol=1e-12)


def test_one_pixel_doubled_is_the_filter_about_it():
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    wanted = np.zeros((10, 10))
    wanted[3:7, 3:7] = 4 * KERNEL  # rows 2 · 2 - 1 to 2 · 2 + 2
    np.testing.assert_allclose(double(x)[0, 0], wanted, atol=1e-7)


def test_even_colour_stays_away_from_the_border():
    x = torch.full((1, 2, 8, 8), 0.7)
    torch.testing.assert_close(double(x)[..., 2:-2, 2:-2], torch.full((1, 2, 12, 12), 0.7))
    torch.testing.assert_close(halve(x)[..., 1:-1, 1:-1], torch.full((1, 2, 2, 2), 0.7))


def test_halving_is_the_transpose_of_doubling():
    """⟨double(x), y⟩ = 4 ⟨x, halve(y)⟩, as both use one filter at one alignment."""
    x, y = picture(1, 2, 6, 4), picture(1, 2, 12, 8)
    assert (double(x) * y).sum().item() == pytest.approx(4 * (x * halve(y)).sum().item(), rel=1e-12)


def test_convolutions_resample_about_themselves():
    x, weight = picture(2, 3, 6, 4), picture(5, 3, 3, 3)
    grown = conv2d(spread(x), weight.flip(2, 3), padding=2)[..., :-1, :-1]
    np.testing.assert_allclose(double_conv(x, weight), 4 * filtered(grown)[..., 2:-2, 2:-2], atol=1e-11)
    wide = torch.from_numpy(filtered(x))[..., 1:-1, 1:-1]
    np.testing.assert_allclose(halve_conv(x, weight), conv2d(wide, weight)[..., ::2, ::2], atol=1e-11)


@pytest.mark.parametrize("resample", [double, halve])
def test_second_derivatives(resample):
    x = picture(1, 1, 4, 4).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: resample(x).square(), [x])


@pytest.mark.parametrize("resample", [double_conv, halve_conv])
def test_second_derivatives_of_convolutions(resample):
    x, weight = picture(1, 2, 4, 4).requires_grad_(), picture(1, 2, 3, 3).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, w: resample(x, w).square(), [x, weight])
