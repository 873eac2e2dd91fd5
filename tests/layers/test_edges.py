"""Grey pictures and edges against scikit-image itself."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2gray
from skimage.feature import canny as detect

from palimpsest.inpainting import to_tensors
from palimpsest.layers.edges import canny, edges_of, grey, sobel


def test_grey_is_scikit_images(four):
    image, _ = to_tensors(*four)
    np.testing.assert_allclose(grey(image)[:, 0], rgb2gray(four[0]), atol=1e-6)


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_edges_are_scikit_images_with_the_hole_excluded(four, sigma):
    pictures, holes = four
    image, hole = to_tensors(pictures, holes)
    found = canny(image, hole, sigma)
    assert found.shape == hole.shape and found.dtype == image.dtype
    wanted = [detect(rgb2gray(p), sigma, mask=~h) for p, h in zip(pictures, holes, strict=True)]
    assert np.array_equal(found[:, 0].numpy().astype(bool), np.stack(wanted))
    whole = canny(image, torch.zeros_like(hole), sigma)
    assert np.array_equal(whole[:, 0].numpy().astype(bool), np.stack([detect(rgb2gray(p), sigma) for p in pictures]))
    assert 0 < found.mean() < whole.mean()


def test_edges_come_from_known_pixels_alone(four):
    image, hole = to_tensors(*four)
    other = torch.where(hole > 0, torch.rand_like(image), image)
    found = canny(image, hole, 2.0)
    assert torch.equal(canny(other, hole, 2.0), found)
    assert not torch.equal(canny(other, torch.zeros_like(hole), 2.0), found)
    assert found[..., 19:45, 19:45].sum() == 0


def test_a_boundary_is_an_edge():
    image = torch.zeros(1, 3, 32, 32)
    image[..., 16:] = 1
    found = canny(image, torch.zeros(1, 1, 32, 32), 1.0)[0, 0]
    wanted = torch.zeros(32, 32)
    wanted[1:-1, 15:17] = 1  # it lies between two columns, which are as steep
    assert torch.equal(found, wanted)


def test_edges_of_the_whole_and_of_known_pixels(four):
    image, hole = to_tensors(*four)
    whole, known = edges_of(image, hole, 1.0)
    assert torch.equal(whole, canny(image, torch.zeros_like(hole), 1.0))
    assert torch.equal(known, canny(image, hole, 1.0))


def test_gradients_are_sums_of_eight_differences_down_and_across():
    across = torch.arange(8.0).expand(1, 1, 8, 8)
    image = torch.cat([across, 2 * across.mT, across - across], 1)
    found = sobel(image, torch.zeros(1, 1, 8, 8))[0, :, 1:-1, 1:-1]
    for maps, wanted in zip(found, (0, 8, 16, 0, 0, 0), strict=True):
        assert (maps == wanted).all()
    assert sobel(image, torch.zeros(1, 1, 8, 8))[0, 1, :, 0].abs().sum() == 0  # borders are mirrored


def test_gradients_come_from_known_pixels_alone(four):
    image, hole = to_tensors(*four)
    other = torch.where(hole > 0, torch.rand_like(image), image)
    found, whole = sobel(image, hole), sobel(image, torch.zeros_like(hole))
    assert torch.equal(sobel(other, hole), found)
    assert found[..., 19:45, 19:45].abs().sum() == 0
    far = torch.ones(64, 64, dtype=torch.bool)
    far[19:45, 19:45] = False
    assert torch.equal(found[..., far], whole[..., far])
